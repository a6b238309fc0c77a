//! Uses what the SDK has and the example does not: each SDK has this routine, and a test
//! holds them against each other.

use thresher::vector::{self, Vector};
use thresher::{analysis, bool_col, float_col, int_col, text_col, Call, Input, Json, Plugin, Result, Table, Value};

thresher::params! {
    struct Params {
        whole: Vec<i64> { optional: true },
        numbers: Vec<f64> { optional: true, title: "Numbers", unit: "m" },
        flags: Vec<bool> { optional: true },
        words: Vec<String> { optional: true },
        mode: String { standard: "fast", choices: &["fast", "slow"] },
        ratio: f64 { standard: "0.5", above: "0", maximum: "2" },
        loud: bool { standard: "true" },
    }
}

fn all(c: &mut Call, p: Params) -> Result<Json> {
    let data = c.input("data")?;
    let mut e = Json::object()
        .with("whole", p.whole)
        .with("numbers", p.numbers)
        .with("flags", p.flags)
        .with("words", p.words)
        .with("mode", p.mode)
        .with("ratio", p.ratio)
        .with("loud", p.loud)
        .with("more", c.has_input("more"));
    e = read_whole(&data, e)?;
    copy_batches(c, &data)?;
    e = kernels(&data, e)?;
    let mut random = c.random();
    let numbers: Vec<u64> = [1 << 63, 3, 1000, (1 << 63) + 1].iter().map(|n| random.below(*n) % 1000).collect();
    c.artifact("hello.txt", "text/plain", b"hello\n");
    Ok(e.with("random", numbers))
}

fn read_whole(data: &Table, e: Json) -> Result<Json> {
    let ints = data.ints("i")?.into_iter().flatten().fold(0.0, |sum, v| sum + v as f64);
    let floats = data.floats("f")?.into_iter().flatten().fold(0.0, |sum, v| sum + v);
    let set = data.bools("b")?.into_iter().flatten().filter(|v| *v).count();
    let texts: Vec<String> = data.strings("s")?.into_iter().flatten().collect();
    Ok(e.with("read", vec![ints, floats, set as f64, texts.len() as f64]).with("text", texts.concat()))
}

fn copy_batches(c: &mut Call, data: &Table) -> Result<()> {
    let mut out = c.output("copy", &[int_col("i"), float_col("f"), bool_col("b"), text_col("s")]);
    let mut batches = data.batches();
    while let Some(batch) = batches.next() {
        let (i, iv) = batch.ints("i")?;
        let (f, fv) = batch.floats("f")?;
        let (b, bv) = batch.bools("b")?;
        let (s, sv) = batch.texts("s")?;
        for row in 0..batch.rows() {
            let mut values = [Value::Null, Value::Null, Value::Null, Value::Null];
            if iv.at(row) {
                values[0] = i[row].into();
            }
            if fv.at(row) {
                values[1] = f[row].into();
            }
            if bv.at(row) {
                values[2] = b.at(row).into();
            }
            if sv.at(row) {
                values[3] = s.at(row).into();
            }
            out.append(&values)?;
        }
    }
    Ok(())
}

fn kernels(data: &Table, e: Json) -> Result<Json> {
    let (x, y) = (data.vector("i")?, data.vector("f")?);
    let (low, high) = vector::minmax(&y);
    let fit = vector::linreg(&x, &y);
    let cumsum = vector::cumsum_ints(&x)?;
    let (counts, sums) = vector::group(&x, 0, 10, &y)?;
    let five = |n: usize| n.min(5);
    let (sorted, argsorted) = (vector::sorted(&y), vector::argsort(&y));
    Ok(e.with("sum_ints", vector::sum_ints(&x)?)
        .with("sum", vector::sum(&y))
        .with("minmax", vec![low, high])
        .with("dot", vector::dot(&x, &y))
        .with("fit", vec![fit.slope, fit.intercept, fit.correlation, fit.rows as f64])
        .with("histogram", vector::histogram(&y, -10.0, 10.0, 5))
        .with("sorted", &sorted[..five(sorted.len())])
        .with("argsorted", &argsorted[..five(argsorted.len())])
        .with("cumsum", &cumsum[cumsum.len() - five(cumsum.len())..])
        .with("counts", counts)
        .with("sums", sums)
        .with("own", vector::sum(&Vector::of_floats(&[1.0, 2.0, 4.0]).with_nulls(&[0b101]))))
}

thresher::plugin! {
    Plugin::new("exercise", "1.0.0").summary("Uses the SDK").routine(analysis("all", all)
        .title("All")
        .input(Input::new("data").min_rows(1).require("i", "int64").require("f", "number").require("b", "bool").require("s", ""))
        .input(Input::new("more").optional())
        .output("copy", ""))
}
