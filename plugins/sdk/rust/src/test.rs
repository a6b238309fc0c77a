//! Runs a plugin's routines in its own tests: natively, with tables made of text.
//!
//! ```ignore
//! let run = Job::new("greet").csv("data", "name,age\nAnn,31\nBob,\n").params(r#"{"times": 2}"#).run(plugin());
//! assert_eq!(run.error, None);
//! assert_eq!(run.result, r#"{"greeted":4}"#);
//! ```
//!
//! Params get their defaults. That they keep their limits, pausing and the sandbox's own
//! limits are not tested; sums and variances may differ from the host's in their last
//! digits.

use crate::{Json, Plugin};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What a routine is run with.
#[derive(Default)]
pub struct Job {
    routine: String,
    params: String,
    seed: u64,
    inputs: Vec<Input>,
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Why it failed.
    pub error: Option<String>,
    /// JSON; empty: there is none.
    pub result: String,
    /// Output tables, as CSV with a header.
    pub tables: BTreeMap<String, String>,
    pub artifacts: BTreeMap<String, Vec<u8>>,
    pub log: String,
    /// Every report.
    pub progress: Vec<f64>,
}

impl Job {
    pub fn new(routine: &str) -> Job {
        Job { routine: routine.to_string(), params: "{}".to_string(), ..Job::default() }
    }

    /// Params, as JSON.
    pub fn params(mut self, json: &str) -> Job {
        self.params = json.to_string();
        self
    }

    pub fn seed(mut self, seed: u64) -> Job {
        self.seed = seed;
        self
    }

    /// A table, as CSV with a header. An empty field is null.
    pub fn csv(mut self, name: &str, text: &str) -> Job {
        self.inputs.push(Input::read(name, text));
        self
    }

    /// Runs the routine to its end, a simulation step by step.
    pub fn run(self, plugin: Plugin) -> Run {
        let (number, simulation) = plugin.find(&self.routine).unwrap_or_else(|| panic!("there is no routine {}", self.routine));
        HOST.with(|h| *h.borrow_mut() = Host { info: self.info(), inputs: self.inputs, run: Run::default() });
        let ended = if simulation {
            plugin.start(number).and_then(|(mut call, mut s)| {
                while !crate::declare::step(&mut call, s.as_mut(), 1)? {}
                Ok(())
            })
        } else {
            plugin.run(number)
        };
        let mut run = HOST.with(|h| std::mem::take(&mut h.borrow_mut().run));
        run.error = ended.err().map(|e| e.0);
        run
    }

    fn info(&self) -> String {
        let inputs: Vec<Json> = self.inputs.iter().map(Input::describe).collect();
        Json::object().with("params", Json::Raw(self.params.clone())).with("seed", self.seed).with("inputs", inputs).to_string()
    }
}

/// Runs every example that the plugin declares. Results must be the same but for spaces
/// and the order of keys; a server allows numbers their tolerance.
pub fn examples(plugin: fn() -> Plugin) {
    for (routine, x) in plugin().examples() {
        let mut job = Job::new(routine).seed(x.seed);
        if !x.params.is_empty() {
            job = job.params(x.params);
        }
        for (name, csv) in &x.inputs {
            job = job.csv(name, csv);
        }
        let run = job.run(plugin());
        if x.result.is_empty() {
            assert!(run.error.is_some(), "example {} of {}: it did not fail", x.name, routine);
        } else {
            assert_eq!(run.error, None, "example {} of {}", x.name, routine);
            assert_eq!(Json::parse(&run.result), Json::parse(x.result), "example {} of {}", x.name, routine);
        }
    }
}

#[derive(Clone)]
struct Column {
    name: String,
    kind: &'static str,
    fields: Vec<String>, // empty: null
    spans: [[i64; 2]; 3],
}

struct Input {
    name: String,
    rows: usize,
    columns: Vec<Column>,
    file: Vec<u8>,
}

impl Input {
    fn read(name: &str, text: &str) -> Input {
        let mut lines = text.lines().map(fields);
        let header = lines.next().unwrap_or_default();
        let mut columns: Vec<Column> =
            header.into_iter().map(|name| Column { name, kind: "", fields: Vec::new(), spans: [[0; 2]; 3] }).collect();
        let mut rows = 0;
        for line in lines {
            for (i, c) in columns.iter_mut().enumerate() {
                c.fields.push(line.get(i).cloned().unwrap_or_default());
            }
            rows += 1;
        }
        let mut file = Vec::new();
        for c in &mut columns {
            c.kind = infer(&c.fields);
            for (i, part) in c.parts().into_iter().enumerate() {
                file.resize((file.len() + 7) / 8 * 8, 0);
                c.spans[i] = [file.len() as i64, part.len() as i64];
                file.extend(part);
            }
        }
        Input { name: name.to_string(), rows, columns, file }
    }

    fn describe(&self) -> Json {
        let columns = self.columns.iter().map(|c| Json::object().with("name", &c.name).with("type", c.kind)).collect::<Vec<_>>();
        Json::object()
            .with("name", &self.name)
            .with("rows", self.rows)
            .with("bytes", self.file.len())
            .with("batches", (self.rows > 0) as i64)
            .with("columns", columns)
    }
}

/// The fields of a line of CSV.
fn fields(line: &str) -> Vec<String> {
    let (mut out, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            c => out.last_mut().unwrap().push(c),
        }
    }
    out
}

/// The narrowest type that all values have.
fn infer(fields: &[String]) -> &'static str {
    let all = |fits: fn(&str) -> bool| fields.iter().filter(|f| !f.is_empty()).all(|f| fits(f));
    if fields.iter().all(String::is_empty) {
        "string"
    } else if all(|f| f.parse::<i64>().is_ok()) {
        "int64"
    } else if all(|f| f.parse::<f64>().is_ok()) {
        "float64"
    } else if all(|f| f == "true" || f == "false") {
        "bool"
    } else {
        "string"
    }
}

fn bits(of: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, set) in of.enumerate() {
        if i % 8 == 0 {
            out.push(0);
        }
        out[i / 8] |= (set as u8) << (i % 8);
    }
    out
}

impl Column {
    /// Validity, values and offsets, as they are in a file.
    fn parts(&self) -> [Vec<u8>; 3] {
        let nulls = self.fields.iter().any(String::is_empty);
        let validity = if nulls { bits(self.fields.iter().map(|f| !f.is_empty())) } else { Vec::new() };
        let mut ends = vec![0i32];
        let values = match self.kind {
            "int64" => self.fields.iter().flat_map(|f| f.parse::<i64>().unwrap_or(0).to_le_bytes()).collect(),
            "float64" => self.fields.iter().flat_map(|f| f.parse::<f64>().unwrap_or(0.0).to_le_bytes()).collect(),
            "bool" => bits(self.fields.iter().map(|f| f == "true")),
            _ => {
                for f in &self.fields {
                    ends.push(ends[ends.len() - 1] + f.len() as i32);
                }
                self.fields.concat().into_bytes()
            }
        };
        let offsets = if self.kind == "string" { ends.iter().flat_map(|e| e.to_le_bytes()).collect() } else { Vec::new() };
        [validity, values, offsets]
    }
}

#[derive(Default)]
struct Host {
    info: String,
    inputs: Vec<Input>,
    run: Run,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::default());
}

/// The host's functions, as module host has them in the sandbox.
pub(crate) mod host {
    use super::HOST;
    use crate::json::number;
    use crate::vector::{Place, Vector};
    use crate::writer::Buffer;
    use crate::Json;

    pub fn call_info() -> String {
        HOST.with(|h| h.borrow().info.clone())
    }

    pub fn column_read(input: i32, column: i32, _rows: i64, part: i32, out: &mut [u8]) {
        HOST.with(|h| {
            let input = &h.borrow().inputs[input as usize];
            let [at, n] = input.columns[column as usize].spans[part as usize];
            if n == 0 && part == 0 {
                out.fill(0xff);
            } else {
                out.copy_from_slice(&input.file[at as usize..(at + n) as usize]);
            }
        })
    }

    pub fn input_layout(input: i32, _batch: i32, out: &mut [u8]) {
        HOST.with(|h| {
            let input = &h.borrow().inputs[input as usize];
            let mut words = vec![input.rows as i64];
            words.extend(input.columns.iter().flat_map(|c| c.spans.concat()));
            out.copy_from_slice(&words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>());
        })
    }

    pub fn input_map(input: i32, offset: i64, bytes: i64, buffer: &mut [u8]) -> usize {
        HOST.with(|h| {
            let from = offset as usize;
            buffer[..bytes as usize].copy_from_slice(&h.borrow().inputs[input as usize].file[from..from + bytes as usize]);
        });
        0
    }

    pub fn result_write(text: &str) {
        HOST.with(|h| h.borrow_mut().run.result = text.to_string())
    }

    pub fn table_append(name: &str, schema: &str, rows: usize, columns: &mut [Buffer]) {
        let mut text = String::new();
        for row in 0..rows {
            for (i, c) in columns.iter().enumerate() {
                text.push_str(if i > 0 { "," } else { "" });
                if c.nulls && c.validity[row / 8] >> (row % 8) & 1 == 0 {
                    continue;
                }
                text.push_str(&match c.kind {
                    "int64" => c.ints[row].to_string(),
                    "float64" => number(c.floats[row]),
                    "bool" => (c.bits[row / 8] >> (row % 8) & 1 == 1).to_string(),
                    _ => String::from_utf8_lossy(&c.text[c.offsets[row] as usize..c.offsets[row + 1] as usize]).into_owned(),
                });
            }
            text.push('\n');
        }
        let names = match Json::parse(schema) {
            Ok(Json::Array(columns)) => columns.iter().map(|c| c.text("name")).collect::<Vec<_>>().join(","),
            _ => String::new(),
        };
        HOST.with(|h| h.borrow_mut().run.tables.entry(name.to_string()).or_insert_with(|| names + "\n").push_str(&text))
    }

    pub fn artifact_write(name: &str, _media: &str, content: &[u8]) {
        HOST.with(|h| {
            let before = h.borrow_mut().run.artifacts.insert(name.to_string(), content.to_vec());
            assert!(before.is_none(), "two artifacts are named {}", name);
        })
    }

    pub fn progress(fraction: f64, _message: &str) {
        HOST.with(|h| h.borrow_mut().run.progress.push(fraction))
    }

    pub fn log(text: &str) {
        HOST.with(|h| h.borrow_mut().run.log.push_str(text))
    }

    // The kernels, as plainly as can be.

    /// The rows that are not null: their number, and the value as float and as integer.
    fn gather(v: &Vector) -> Vec<(usize, f64, i64)> {
        let valid = |i: usize| v.validity.map_or(true, |b| b[i / 8] >> (i % 8) & 1 == 1);
        match &v.place {
            Place::Floats(values) => values.iter().enumerate().filter(|(i, _)| valid(*i)).map(|(i, x)| (i, *x, 0)).collect(),
            Place::Ints(values) => values.iter().enumerate().filter(|(i, _)| valid(*i)).map(|(i, x)| (i, *x as f64, *x)).collect(),
            Place::Column { input, column, .. } => HOST.with(|h| {
                let fields = &h.borrow().inputs[input.number as usize].columns[*column as usize].fields;
                let given = fields.iter().enumerate().filter(|(_, f)| !f.is_empty());
                given.map(|(i, f)| (i, f.parse().unwrap_or(0.0), f.parse().unwrap_or(0))).collect()
            }),
        }
    }

    fn sorted(v: &Vector) -> Vec<(usize, f64, i64)> {
        let mut all = gather(v);
        if v.ints() {
            all.sort_by_key(|x| x.2);
        } else {
            all.sort_by(|a, b| a.1.is_nan().cmp(&b.1.is_nan()).then(a.1.total_cmp(&b.1)));
        }
        all
    }

    fn pairs(x: &Vector, y: &Vector) -> Vec<(f64, f64, i64)> {
        let y = gather(y);
        let other = |row: usize| y.binary_search_by_key(&row, |v| v.0).ok().map(|i| y[i].1);
        gather(x).into_iter().filter_map(|(row, a, key)| other(row).map(|b| (a, b, key))).collect()
    }

    fn add(values: impl Iterator<Item = f64>) -> f64 {
        let (mut sum, mut rest) = (0.0f64, 0.0);
        for v in values {
            let t = sum + v;
            rest += if sum.abs() >= v.abs() { (sum - t) + v } else { (v - t) + sum };
            sum = t;
        }
        if rest.is_finite() { sum + rest } else { sum }
    }

    pub fn vector_floats(v: &Vector, out: &mut [f64]) -> i64 {
        let all = gather(v);
        for (row, x, _) in &all {
            out[*row] = *x;
        }
        all.len() as i64
    }

    pub fn vector_sum_floats(v: &Vector, out: &mut [f64]) -> i64 {
        let all = gather(v);
        out[0] = add(all.iter().map(|x| x.1));
        all.len() as i64
    }

    pub fn vector_sum_ints(v: &Vector, out: &mut [i64]) -> i64 {
        let all = gather(v);
        match i64::try_from(all.iter().map(|x| x.2 as i128).sum::<i128>()) {
            Ok(sum) => out[0] = sum,
            Err(_) => return -2,
        }
        all.len() as i64
    }

    pub fn vector_variance(v: &Vector, ddof: i32, out: &mut [f64]) -> i64 {
        let all = gather(v);
        let n = all.len() as f64;
        out[0] = add(all.iter().map(|x| x.1)) / n;
        let mean = out[0];
        let divisor = n - ddof as f64;
        out[1] = if divisor > 0.0 { add(all.iter().map(|x| (x.1 - mean) * (x.1 - mean))) / divisor } else { f64::NAN };
        all.len() as i64
    }

    pub fn vector_minmax_floats(v: &Vector, out: &mut [f64]) -> i64 {
        let all = sorted(v);
        let nan = all.last().map_or(true, |x| x.1.is_nan());
        out[0] = if nan { f64::NAN } else { all[0].1 };
        out[1] = if nan { f64::NAN } else { all[all.len() - 1].1 };
        all.len() as i64
    }

    pub fn vector_minmax_ints(v: &Vector, out: &mut [i64]) -> i64 {
        let all = sorted(v);
        out[0] = all.first().map_or(0, |x| x.2);
        out[1] = all.last().map_or(0, |x| x.2);
        all.len() as i64
    }

    pub fn vector_dot(x: &Vector, y: &Vector, out: &mut [f64]) -> i64 {
        let all = pairs(x, y);
        out[0] = add(all.iter().map(|p| p.0 * p.1));
        all.len() as i64
    }

    pub fn vector_linreg(x: &Vector, y: &Vector, out: &mut [f64]) -> i64 {
        let all = pairs(x, y);
        let n = all.len() as f64;
        let (mx, my) = (add(all.iter().map(|p| p.0)) / n, add(all.iter().map(|p| p.1)) / n);
        let xx = add(all.iter().map(|p| (p.0 - mx) * (p.0 - mx)));
        let xy = add(all.iter().map(|p| (p.0 - mx) * (p.1 - my)));
        let yy = add(all.iter().map(|p| (p.1 - my) * (p.1 - my)));
        if all.len() < 2 {
            out.copy_from_slice(&[0.0, my, f64::NAN]);
        } else {
            out.copy_from_slice(&[xy / xx, my - xy / xx * mx, xy / (xx * yy).sqrt()]);
        }
        all.len() as i64
    }

    pub fn vector_histogram(v: &Vector, low: f64, high: f64, counts: &mut [i64]) -> i64 {
        if !low.is_finite() || !high.is_finite() || low >= high || counts.is_empty() {
            return -3;
        }
        let last = counts.len() - 1;
        let mut n = 0;
        for (_, x, _) in gather(v).into_iter().filter(|x| x.1 >= low && x.1 <= high) {
            let bin = (x / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) * counts.len() as f64;
            counts[(bin as usize).min(last)] += 1;
            n += 1;
        }
        n
    }

    pub fn vector_sort_floats(v: &Vector, out: &mut [f64]) -> i64 {
        let all = sorted(v);
        for (o, x) in out.iter_mut().zip(&all) {
            *o = x.1;
        }
        all.len() as i64
    }

    pub fn vector_sort_ints(v: &Vector, out: &mut [i64]) -> i64 {
        let all = sorted(v);
        for (o, x) in out.iter_mut().zip(&all) {
            *o = x.2;
        }
        all.len() as i64
    }

    pub fn vector_argsort(v: &Vector, rows: &mut [u32]) -> i64 {
        let all = sorted(v);
        for (o, x) in rows.iter_mut().zip(&all) {
            *o = x.0 as u32;
        }
        all.len() as i64
    }

    pub fn vector_quantiles(v: &Vector, shares: &[f64], out: &mut [f64]) -> i64 {
        let all = sorted(v);
        for (o, share) in out.iter_mut().zip(shares) {
            if !(0.0..=1.0).contains(share) {
                return -3;
            }
            *o = f64::NAN;
            if all.last().map_or(true, |x| x.1.is_nan()) {
                continue;
            }
            let at = share * (all.len() - 1) as f64;
            let (low, rest) = (all[at as usize].1, at.fract());
            *o = if rest > 0.0 { low * (1.0 - rest) + all[at as usize + 1].1 * rest } else { low };
        }
        all.len() as i64
    }

    pub fn vector_cumsum_floats(v: &Vector, out: &mut [f64]) -> i64 {
        vector_floats(v, out);
        for i in 1..out.len() {
            out[i] += out[i - 1];
        }
        out.len() as i64
    }

    pub fn vector_cumsum_ints(v: &Vector, out: &mut [i64]) -> i64 {
        for (row, _, x) in gather(v) {
            out[row] = x;
        }
        for i in 1..out.len() {
            match out[i].checked_add(out[i - 1]) {
                Some(sum) => out[i] = sum,
                None => return -2,
            }
        }
        out.len() as i64
    }

    pub fn vector_group(keys: &Vector, base: i64, values: &Vector, counts: &mut [i64], sums: &mut [f64]) -> i64 {
        let all = pairs(keys, values);
        for (_, x, key) in &all {
            match usize::try_from(key - base).ok().filter(|g| *g < counts.len()) {
                Some(g) => {
                    counts[g] += 1;
                    sums[g] += x;
                }
                None => return -3,
            }
        }
        all.len() as i64
    }
}
