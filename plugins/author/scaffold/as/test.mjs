// Tests of NAME: README.md says how to run them.
import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./thresher/harness.mjs";

const plugin = await load("NAME.wasm");

test("the column is summed up", () => {
  const run = plugin.run("summary", { params: { column: "height" }, csv: { data: "name,height\nAda,2\nBo,\nCy,4\n" } });
  assert.equal(run.error, null);
  assert.equal(run.result, '{"rows":2,"mean":3}');
  assert.equal(run.log, "2 rows have a value\n");
});

test("text is refused", () => {
  const run = plugin.run("summary", { params: { column: "name" }, csv: { data: "name,height\nAda,2\n" } });
  assert.equal(run.error, 'column "name" is string, want a number');
});

test("the examples give what they say", () => assert.deepEqual(plugin.examples(), []));
