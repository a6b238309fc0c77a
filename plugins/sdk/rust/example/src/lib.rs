//! The three routines that each SDK has as its example: describe, histogram and sir. A test
//! holds the four against each other.

use thresher::{analysis, float_col, int_col, simulation, text_col, vector, Call, Error, Example, Input, Json, NoParams, Plugin, Result, Simulation, Value};

mod sir;

fn describe(c: &mut Call, _: NoParams) -> Result<Json> {
    const NAMES: [&str; 7] = ["mean", "std", "min", "q25", "median", "q75", "max"];
    let data = c.input("data")?;
    let mut columns = vec![text_col("name"), int_col("count"), int_col("nulls")];
    columns.extend(NAMES.map(float_col));
    let mut out = c.output("summary", &columns);
    let mut found = Vec::new();
    for (i, column) in data.columns().iter().enumerate() {
        if column.kind != "int64" && column.kind != "float64" {
            continue;
        }
        let v = data.vector(&column.name)?;
        let (mean, variance, n) = vector::variance(&v, 1);
        let mut numbers = vec![mean, variance.sqrt()];
        numbers.extend(vector::quantiles(&v, &[0.0, 0.25, 0.5, 0.75, 1.0]).0);
        let nulls = data.rows() - n;
        let mut row: Vec<Value> = vec![column.name.as_str().into(), (n as i64).into(), (nulls as i64).into()];
        let mut described = Json::object().with("name", &column.name).with("count", n).with("nulls", nulls);
        for (name, x) in NAMES.iter().zip(numbers) {
            row.push(if x.is_nan() { Value::Null } else { x.into() });
            described = described.with(name, x);
        }
        out.append(&row)?;
        found.push(described);
        c.progress((i + 1) as f64 / data.columns().len() as f64, &column.name);
    }
    c.log(&format!("{} of {} columns have numbers", found.len(), data.columns().len()));
    Ok(Json::object().with("rows", data.rows()).with("columns", found))
}

thresher::params! {
    struct HistogramParams {
        column: String { title: "Column", doc: "A column of numbers." },
        bins: i64 { standard: "10", minimum: "1", maximum: "1000", unit: "bins", title: "Bins" },
    }
}

fn histogram(c: &mut Call, p: HistogramParams) -> Result<Json> {
    let v = c.input("data")?.vector(&p.column)?;
    let (limits, n) = vector::quantiles(&v, &[0.0, 1.0]);
    if n == 0 {
        return Ok(Json::object().with("edges", Vec::<f64>::new()).with("counts", Vec::<i64>::new()));
    }
    let (mut low, mut high) = (limits[0], limits[1]);
    if !low.is_finite() || !high.is_finite() {
        return Err(Error(format!("column \"{}\" has values that are not finite", p.column)));
    }
    if low == high {
        // a bin needs a width
        let around = (low.abs() / 1048576.0).max(0.5);
        low -= around;
        high += around;
    }
    let counts = vector::histogram(&v, low, high, p.bins as usize);
    let share = |i: i64| i as f64 / p.bins as f64;
    let edges: Vec<f64> = (0..=p.bins).map(|i| low * (1.0 - share(i)) + high * share(i)).collect();
    c.chart("histogram", &chart(&p.column, &edges, &counts));
    Ok(Json::object().with("edges", edges).with("counts", counts))
}

/// Draws the bins as Vega-Lite, keys in the order of the alphabet as Go writes them.
fn chart(column: &str, edges: &[f64], counts: &[i64]) -> Json {
    let bar = |(i, n): (usize, &i64)| Json::object().with("from", edges[i]).with("to", edges[i + 1]).with("count", *n);
    let bars: Vec<Json> = counts.iter().enumerate().map(bar).collect();
    let x = Json::object().with("bin", Json::object().with("binned", true)).with("field", "from").with("title", column).with("type", "quantitative");
    let y = Json::object().with("field", "count").with("title", "rows").with("type", "quantitative");
    Json::object()
        .with("$schema", "https://vega.github.io/schema/vega-lite/v6.json")
        .with("data", Json::object().with("values", bars))
        .with("encoding", Json::object().with("x", x).with("x2", Json::object().with("field", "to")).with("y", y))
        .with("height", 260)
        .with("mark", Json::object().with("tooltip", true).with("type", "bar"))
        .with("title", column)
        .with("width", "container")
}

thresher::plugin! {
    Plugin::new("trio-rust", "0.1.0").summary("Two analyses and a simulation").license("Apache-2.0")
        .routine(analysis("describe", describe)
            .title("Describe the numbers of a table")
            .summary("Count, nulls, mean, standard deviation and quartiles of each column of numbers.")
            .input(Input::new("data").title("Any table"))
            .output("summary", "A row for each column of numbers"))
        .routine(analysis("histogram", histogram)
            .title("Histogram of a column")
            .summary("Counts the values of a column of numbers in bins of equal width, and draws them.")
            .input(Input::new("data").title("Any table"))
            .example(Example {
                name: "two-bins", params: r#"{"column": "x", "bins": 2}"#, inputs: vec![("data", "x,y\n0,a\n1,b\n,c\n9,d\n10,e\n")],
                result: r#"{"edges": [0, 5, 10], "counts": [2, 2]}"#, ..Example::default()
            }))
        .routine(simulation("sir", sir::start)
            .title("SIR epidemic")
            .summary("Well-mixed agents that are susceptible, infected or recovered (Kermack and McKendrick, 1927).")
            .output("steps", "Agents in each state, a row a step"))
}

#[cfg(test)]
mod tests;
