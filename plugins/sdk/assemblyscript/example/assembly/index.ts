// The three routines that each SDK has as its example: describe, histogram and sir. A test
// holds the four against each other.
import { analysis, simulation, plugin, Call, Example, Input, List, Obj, Params, Vector, floatCol, intCol, textCol } from "../../assembly";
import { sirParams, startSIR } from "./sir";
export * from "../../assembly/exports";

function describe(c: Call): void {
  const data = c.input("data");
  if (!data) return;
  const names = ["mean", "std", "min", "q25", "median", "q75", "max"];
  const columns = [textCol("name"), intCol("count"), intCol("nulls")];
  for (let i = 0; i < names.length; i++) columns.push(floatCol(names[i]));
  const out = c.output("summary", columns), found = new List();
  for (let i = 0; i < data.columns.length; i++) {
    const column = data.columns[i];
    if (column.kind != "int64" && column.kind != "float64") continue;
    const v = data.vector(column.name);
    if (!v) return;
    const spread = v.variance(1), n = v.count, quartiles = v.quantiles([0, 0.25, 0.5, 0.75, 1]);
    const described = new Obj().text("name", column.name).int("count", n).int("nulls", data.rows - n);
    out.text(column.name).int(n).int(data.rows - n);
    for (let k = 0; k < names.length; k++) {
      const x = k == 0 ? spread[0] : k == 1 ? Math.sqrt(spread[1]) : quartiles[k - 2];
      described.float(names[k], x);
      if (isNaN(x)) out.null();
      else out.float(x);
    }
    if (!out.end()) return;
    found.obj(described);
    c.progress(<f64>(i + 1) / <f64>data.columns.length, column.name);
  }
  c.log(found.length.toString() + " of " + data.columns.length.toString() + " columns have numbers");
  c.result(new Obj().int("rows", data.rows).list("columns", found));
}

const histogramParams = new Params();
const column = histogramParams.text("column").title("Column").doc("A column of numbers.");
const bins = histogramParams.integer("bins").default("10").minimum("1").maximum("1000").unit("bins").title("Bins");

function histogram(c: Call): void {
  const data = c.input("data");
  if (!data) return;
  const v = data.vector(column.value);
  if (!v) return;
  const limits = v.quantiles([0, 1]), n = <i32>bins.value;
  if (v.count == 0) return c.result(new Obj().list("edges", new List()).list("counts", new List()));
  let low = limits[0], high = limits[1];
  if (!isFinite(low) || !isFinite(high)) return c.fail('column "' + column.value + '" has values that are not finite');
  if (low == high) { // a bin needs a width
    const around = Math.max(Math.abs(low) / 1048576, 0.5);
    low -= around;
    high += around;
  }
  const counts = v.histogram(low, high, n), edges = new Float64Array(n + 1);
  for (let i = 0; i <= n; i++) {
    const share = <f64>i / <f64>n;
    edges[i] = low * (1 - share) + high * share;
  }
  c.chart("histogram", chart(column.value, edges, counts));
  c.result(new Obj().list("edges", List.floats(edges)).list("counts", List.ints(counts)));
}

// Draws the bins as Vega-Lite, keys in the order of the alphabet as Go writes them.
function chart(title: string, edges: Float64Array, counts: Int64Array): Obj {
  const bars = new List();
  for (let i = 0; i < counts.length; i++) bars.obj(new Obj().float("from", edges[i]).float("to", edges[i + 1]).int("count", counts[i]));
  const x = new Obj().obj("bin", new Obj().bool("binned", true)).text("field", "from").text("title", title).text("type", "quantitative");
  const y = new Obj().text("field", "count").text("title", "rows").text("type", "quantitative");
  return new Obj()
    .text("$schema", "https://vega.github.io/schema/vega-lite/v6.json")
    .obj("data", new Obj().list("values", bars))
    .obj("encoding", new Obj().obj("x", x).obj("x2", new Obj().text("field", "to")).obj("y", y))
    .int("height", 260)
    .obj("mark", new Obj().bool("tooltip", true).text("type", "bar"))
    .text("title", title)
    .text("width", "container");
}

plugin("trio-as", "0.1.0", "Two analyses and a simulation", "Apache-2.0", [
  analysis("describe", new Params(), describe)
    .title("Describe the numbers of a table")
    .summary("Count, nulls, mean, standard deviation and quartiles of each column of numbers.")
    .input(new Input("data").title("Any table"))
    .output("summary", "A row for each column of numbers"),
  analysis("histogram", histogramParams, histogram)
    .title("Histogram of a column")
    .summary("Counts the values of a column of numbers in bins of equal width, and draws them.")
    .input(new Input("data").title("Any table"))
    .example(new Example("two-bins").params('{"column": "x", "bins": 2}').input("data", "x,y\n0,a\n1,b\n,c\n9,d\n10,e\n")
      .result('{"edges": [0, 5, 10], "counts": [2, 2]}')),
  simulation("sir", sirParams, startSIR)
    .title("SIR epidemic")
    .summary("Well-mixed agents that are susceptible, infected or recovered (Kermack and McKendrick, 1927).")
    .output("steps", "Agents in each state, a row a step"),
]);
