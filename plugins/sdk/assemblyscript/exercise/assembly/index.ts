// Uses what the SDK has and the example does not: each SDK has this routine, and a test
// holds them against each other.
import { analysis, boolCol, floatCol, intCol, plugin, textCol, Call, Input, List, Obj, OVERFLOW, Params, RANGE, Table, Vector } from "../../assembly";
export * from "../../assembly/exports";

const params = new Params();
const whole = params.integers("whole").optional();
const numbers = params.numbers("numbers").optional().title("Numbers").unit("m");
const flags = params.booleans("flags").optional();
const words = params.texts("words").optional();
const mode = params.text("mode").default("fast").choices(["fast", "slow"]);
const ratio = params.number("ratio").default("0.5").above("0").maximum("2");
const loud = params.boolean("loud").default("true");

function all(c: Call): void {
  const data = c.input("data");
  if (!data) return;
  const w = new List(), n = new List(), f = new List(), t = new List();
  for (let i = 0; i < whole.value.length; i++) w.int(whole.value[i]);
  for (let i = 0; i < numbers.value.length; i++) n.float(numbers.value[i]);
  for (let i = 0; i < flags.value.length; i++) f.bool(flags.value[i]);
  for (let i = 0; i < words.value.length; i++) t.text(words.value[i]);
  const e = new Obj().list("whole", w).list("numbers", n).list("flags", f).list("words", t)
    .text("mode", mode.value).float("ratio", ratio.value).bool("loud", loud.value).bool("more", c.hasInput("more"));
  readWhole(data, e);
  if (!c.failed) copyBatches(c, data);
  if (!c.failed) kernels(c, data, e);
  if (c.failed) return;
  const random = c.random(), drawn = new List(), below: u64[] = [1 << 63, 3, 1000, (1 << 63) + 1];
  for (let i = 0; i < 4; i++) drawn.int(random.below(below[i]) % 1000);
  c.artifact("hello.txt", "text/plain", String.UTF8.encode("hello\n"));
  c.result(e.list("random", drawn));
}

function readWhole(data: Table, e: Obj): void {
  const i = data.ints("i"), f = data.floats("f"), b = data.bools("b"), s = data.texts("s");
  if (!i || !f || !b || !s) return;
  const read = new Float64Array(4), texts: string[] = [];
  for (let row = 0; row < data.rows; row++) {
    if (i.valid(row)) read[0] += <f64>i.at(row);
    if (f.valid(row)) read[1] += f.at(row);
    if (b.valid(row) && b.at(row)) read[2]++;
    if (!s.valid(row)) continue;
    read[3]++;
    texts.push(s.at(row));
  }
  e.list("read", List.floats(read)).text("text", texts.join(""));
}

function copyBatches(c: Call, data: Table): void {
  const out = c.output("copy", [intCol("i"), floatCol("f"), boolCol("b"), textCol("s")]);
  for (const batch = data.batches(); batch.next(); ) {
    const i = batch.ints("i"), f = batch.floats("f"), b = batch.bools("b"), s = batch.texts("s");
    if (!i || !f || !b || !s) return;
    for (let row = 0; row < batch.rows; row++) {
      if (i.valid(row)) out.int(i.at(row)); else out.null();
      if (f.valid(row)) out.float(f.at(row)); else out.null();
      if (b.valid(row)) out.bool(b.at(row)); else out.null();
      if (s.valid(row)) out.text(s.at(row)); else out.null();
      if (!out.end()) return;
    }
  }
}

function kernels(c: Call, data: Table, e: Obj): void {
  const x = data.vector("i"), y = data.vector("f");
  if (!x || !y) return;
  const exact = x.sumInts();
  if (x.count == OVERFLOW) return c.fail("an integer overflows");
  const fit = x.linreg(y), line = List.floats(fit).float(<f64>x.count);
  e.int("sum_ints", exact).float("sum", y.sum()).list("minmax", List.floats(y.minmax())).float("dot", x.dot(y)).list("fit", line);
  e.list("histogram", List.ints(y.histogram(-10, 10, 5)));
  e.list("sorted", List.floats(y.sorted().subarray(0, 5)));
  const rows = y.argsort(), order = new List();
  for (let i = 0; i < min(rows.length, 5); i++) order.int(rows[i]);
  e.list("argsorted", order);
  const sums = x.cumsumInts();
  if (x.count == OVERFLOW) return c.fail("an integer overflows");
  e.list("cumsum", List.ints(sums.subarray(max(0, sums.length - 5))));
  const groups = x.group(0, 10, y);
  if (x.count == RANGE) return c.fail("a key has no group");
  e.list("counts", List.ints(groups.counts)).list("sums", List.floats(groups.sums));
  const own = new Float64Array(3), validity = new Uint8Array(1);
  own[0] = 1; own[1] = 2; own[2] = 4; validity[0] = 5;
  e.float("own", Vector.ofFloats(own).withNulls(validity).sum());
}

plugin("exercise", "1.0.0", "Uses the SDK", "", [
  analysis("all", params, all).title("All")
    .input(new Input("data").minRows(1).require("i", "int64").require("f", "number").require("b", "bool").require("s", ""))
    .input(new Input("more").optional())
    .output("copy", ""),
]);
