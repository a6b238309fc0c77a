// A plugin with one routine: NAME/summary. Change it, and run `thresher plugins dev`.
import { analysis, plugin, Call, Example, Floats, Input, List, Obj, Params } from "../thresher/assembly";
export * from "../thresher/assembly/exports";

// What whoever runs the routine can choose.
const params = new Params();
const column = params.text("column").title("Column").doc("Which column to sum up.");

function summary(c: Call): void {
  const data = c.input("data");
  if (!data) return;
  const x = data.floats(column.value);
  if (!x) return;
  let rows = 0, sum = 0.0;
  for (let i = 0; i < x.rows; i++) {
    if (!x.valid(i)) continue;
    rows++;
    sum += x.at(i);
  }
  if (rows == 0) return c.fail("column " + column.value + " has no values");
  c.log(rows.toString() + " rows have a value");
  c.chart("values", chart(column.value, x));
  c.result(new Obj().int("rows", rows).float("mean", sum / rows));
}

// Draws the first values as Vega-Lite, a bar a row.
function chart(title: string, x: Floats): Obj {
  const bars = new List();
  for (let i = 0; i < min(x.rows, 100); i++) if (x.valid(i)) bars.obj(new Obj().int("row", i).float("value", x.at(i)));
  const across = new Obj().text("field", "row").text("type", "ordinal");
  const up = new Obj().text("field", "value").text("type", "quantitative");
  return new Obj()
    .text("$schema", "https://vega.github.io/schema/vega-lite/v6.json")
    .text("title", title)
    .text("mark", "bar")
    .obj("encoding", new Obj().obj("x", across).obj("y", up))
    .obj("data", new Obj().list("values", bars));
}

plugin("NAME", "0.1.0", "Sums up a column", "Apache-2.0", [
  analysis("summary", params, summary)
    .title("A column in short")
    .input(new Input("data").title("Any table").minRows(1))
    .example(new Example("small").params('{"column": "height"}').input("data", "name,height\nAda,2\nBo,4\nCy,9\n")
      .result('{"rows": 3, "mean": 5}')),
]);
