//! A plugin with one routine: NAME/summary. Change it, and run `thresher plugins dev`.

use thresher::{analysis, Call, Error, Example, Input, Json, Plugin, Result};

thresher::params! {
    /// What whoever runs the routine can choose.
    struct Params {
        column: String { title: "Column", doc: "Which column to sum up." },
    }
}

fn summary(c: &mut Call, p: Params) -> Result<Json> {
    let values = c.input("data")?.floats(&p.column)?;
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    if known.is_empty() {
        return Err(Error(format!("column {} has no values", p.column)));
    }
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    c.log(&format!("{} rows of {} have a value", known.len(), values.len()));
    c.chart("values", &chart(&p.column, &values));
    Ok(Json::object().with("rows", known.len()).with("mean", mean))
}

/// Draws the first values as Vega-Lite, a bar a row.
fn chart(column: &str, values: &[Option<f64>]) -> Json {
    let bar = |(row, value): (usize, &Option<f64>)| value.map(|v| Json::object().with("row", row).with("value", v));
    let bars: Vec<Json> = values.iter().enumerate().take(100).filter_map(bar).collect();
    let channel = |field: &str, kind: &str| Json::object().with("field", field).with("type", kind);
    Json::object()
        .with("$schema", "https://vega.github.io/schema/vega-lite/v6.json")
        .with("title", column)
        .with("mark", "bar")
        .with("encoding", Json::object().with("x", channel("row", "ordinal")).with("y", channel("value", "quantitative")))
        .with("data", Json::object().with("values", bars))
}

thresher::plugin! {
    Plugin::new("NAME", "0.1.0").summary("Sums up a column").license("Apache-2.0")
        .routine(analysis("summary", summary)
            .title("A column in short")
            .input(Input::new("data").title("Any table").min_rows(1))
            .example(Example {
                name: "small", params: r#"{"column": "height"}"#,
                inputs: vec![("data", "name,height\nAda,2\nBo,4\nCy,9\n")], result: r#"{"rows": 3, "mean": 5}"#,
                ..Example::default()
            }))
}

#[cfg(test)]
mod tests;
