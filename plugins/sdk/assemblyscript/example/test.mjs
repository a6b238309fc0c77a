// Tests of the example: node --test test.mjs, with the module at PLUGIN or plugin.wasm.
import assert from "node:assert/strict";
import test from "node:test";
import { load } from "../harness.mjs";

const plugin = await load(process.env.PLUGIN ?? "plugin.wasm");

test("numbers are described", () => {
  const run = plugin.run("describe", { csv: { data: "a,b,c\n1,x,0.5\n2,y,\n4,z,2.5\n" } });
  assert.equal(run.error, null);
  assert.equal(run.log, "2 of 3 columns have numbers\n");
  assert.deepEqual(run.tables.summary[0], {
    name: "a", count: 3, nulls: 0, mean: 2.3333333333333335, std: 1.5275252316519468, min: 1, q25: 1.5, median: 2, q75: 3, max: 4,
  });
  assert.equal(run.tables.summary.length, 2);
  assert.equal(run.progress.at(-1), 1);
});

test("values are counted", () => {
  const run = plugin.run("histogram", { params: { column: "x", bins: 2 }, csv: { data: "x,y\n0,a\n1,b\n,c\n9,d\n10,e\n" } });
  assert.equal(run.result, '{"edges":[0,5,10],"counts":[2,2]}');
  assert.match(run.artifacts["histogram.vl.json"], /\{"from":5,"to":10,"count":2\}/);
});

test("a column that is not there is said", () => {
  const fails = (params) => plugin.run("histogram", { params, csv: { data: "x,s\n0,a\n" } }).error;
  assert.equal(fails({ column: "y" }), 'the table data has no column "y"');
  assert.equal(fails({ column: "s" }), 'column "s" is string, want a number');
  assert.equal(fails({}), "params: column is missing");
});

test("an epidemic ends", () => {
  const run = plugin.run("sir", { seed: 5n });
  assert.equal(run.result, '{"final_size":0.89,"over_at_step":126,"peak_infected":246,"peak_step":33,"r0":2.5,"steps":200}');
  assert.deepEqual(run.tables.steps[0], { step: 0, susceptible: 990, infected: 10, recovered: 0, total_agents: 1000 });
});

test("the examples give what they say", () => assert.deepEqual(plugin.examples(), []));
