use crate::{Call, Error, Json, Result};

/// A plugin, as it is declared.
pub struct Plugin {
    name: &'static str,
    version: &'static str,
    summary: &'static str,
    license: &'static str,
    routines: Vec<Routine>,
}

impl Plugin {
    /// A plugin: its name (lower case letters, digits, dashes), and its semantic version.
    pub fn new(name: &'static str, version: &'static str) -> Plugin {
        Plugin { name, version, summary: "", license: "", routines: Vec::new() }
    }

    pub fn summary(mut self, summary: &'static str) -> Plugin {
        self.summary = summary;
        self
    }

    /// The licence, as an SPDX identifier.
    pub fn license(mut self, license: &'static str) -> Plugin {
        self.license = license;
        self
    }

    pub fn routine(mut self, routine: Routine) -> Plugin {
        self.routines.push(routine);
        self
    }

    /// What the host is told of the plugin.
    pub fn manifest(&self) -> Json {
        let mut m = Json::object().with("name", self.name).with("version", self.version).with("summary", self.summary);
        if !self.license.is_empty() {
            m = m.with("license", self.license);
        }
        m.with("routines", self.routines.iter().map(Routine::manifest).collect::<Vec<_>>())
    }

    fn begin(&self, number: i32) -> Result<(&Routine, Call)> {
        let routine = usize::try_from(number).ok().and_then(|n| self.routines.get(n));
        let routine = routine.ok_or_else(|| Error(format!("there is no routine {}", number)))?;
        Ok((routine, Call::read()?))
    }

    #[doc(hidden)]
    pub fn run(&self, number: i32) -> Result<()> {
        let (routine, mut call) = self.begin(number)?;
        match &routine.body {
            Body::Analysis(run) => {
                let result = run(&mut call)?;
                call.finish(result);
                Ok(())
            }
            Body::Simulation(_) => Err(Error(format!("{} is a simulation", routine.name))),
        }
    }

    #[doc(hidden)]
    pub fn start(&self, number: i32) -> Result<(Call, Box<dyn Simulation>)> {
        let (routine, mut call) = self.begin(number)?;
        match &routine.body {
            Body::Simulation(start) => {
                let simulation = start(&mut call)?;
                Ok((call, simulation))
            }
            Body::Analysis(_) => Err(Error(format!("{} is not a simulation", routine.name))),
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn find(&self, name: &str) -> Option<(i32, bool)> {
        let at = self.routines.iter().position(|r| r.name == name)?;
        Some((at as i32, matches!(self.routines[at].body, Body::Simulation(_))))
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn examples(&self) -> Vec<(&'static str, Example)> {
        self.routines.iter().flat_map(|r| r.examples.iter().map(move |x| (r.name, x.clone()))).collect()
    }
}

/// Takes up to so many steps, and says whether that was the end.
pub(crate) fn step(call: &mut Call, simulation: &mut dyn Simulation, steps: i32) -> Result<bool> {
    for _ in 0..steps {
        if simulation.step(call)? {
            let result = simulation.result(call)?;
            call.finish(result);
            return Ok(true);
        }
    }
    call.flush(); // so that rows can be read while it runs
    Ok(false)
}

/// A running simulation. Between steps it can be paused.
pub trait Simulation {
    /// Takes one step, and says whether it was the last.
    fn step(&mut self, call: &mut Call) -> Result<bool>;
    /// Called after the last step.
    fn result(&mut self, call: &mut Call) -> Result<Json>;
}

type Run = Box<dyn Fn(&mut Call) -> Result<Json>>;
type Start = Box<dyn Fn(&mut Call) -> Result<Box<dyn Simulation>>>;

enum Body {
    Analysis(Run),
    Simulation(Start),
}

/// A routine: see [`analysis`] and [`simulation`].
pub struct Routine {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    fields: Vec<Field>,
    inputs: Vec<Input>,
    outputs: Vec<(&'static str, &'static str)>,
    examples: Vec<Example>,
    body: Body,
}

fn routine(name: &'static str, fields: Vec<Field>, body: Body) -> Routine {
    Routine { name, title: "", summary: "", fields, inputs: Vec::new(), outputs: Vec::new(), examples: Vec::new(), body }
}

/// A routine that is called once. What it returns becomes the result.
pub fn analysis<P: Params + 'static>(name: &'static str, run: fn(&mut Call, P) -> Result<Json>) -> Routine {
    routine(name, P::fields(), Body::Analysis(Box::new(move |call| {
        let params = P::decode(call.params())?;
        run(call, params)
    })))
}

/// A routine that runs step by step.
pub fn simulation<P: Params + 'static, S: Simulation + 'static>(name: &'static str, start: fn(&mut Call, P) -> Result<S>) -> Routine {
    routine(name, P::fields(), Body::Simulation(Box::new(move |call| {
        let params = P::decode(call.params())?;
        Ok(Box::new(start(call, params)?))
    })))
}

impl Routine {
    pub fn title(mut self, title: &'static str) -> Routine {
        self.title = title;
        self
    }

    pub fn summary(mut self, summary: &'static str) -> Routine {
        self.summary = summary;
        self
    }

    pub fn input(mut self, input: Input) -> Routine {
        self.inputs.push(input);
        self
    }

    /// A table that it may write.
    pub fn output(mut self, name: &'static str, title: &'static str) -> Routine {
        self.outputs.push((name, title));
        self
    }

    pub fn example(mut self, example: Example) -> Routine {
        self.examples.push(example);
        self
    }

    fn manifest(&self) -> Json {
        let kind = if matches!(self.body, Body::Analysis(_)) { "analysis" } else { "simulation" };
        let mut m = Json::object().with("name", self.name).with("kind", kind).with("title", self.title);
        if !self.summary.is_empty() {
            m = m.with("summary", self.summary);
        }
        m = m.with("params", schema(&self.fields));
        if !self.inputs.is_empty() {
            m = m.with("inputs", self.inputs.iter().map(Input::manifest).collect::<Vec<_>>());
        }
        if !self.outputs.is_empty() {
            let one = |(name, title): &(&str, &str)| {
                let out = Json::object().with("name", *name);
                if title.is_empty() { out } else { out.with("title", *title) }
            };
            m = m.with("outputs", self.outputs.iter().map(one).collect::<Vec<_>>());
        }
        if !self.examples.is_empty() {
            m = m.with("examples", self.examples.iter().map(Example::manifest).collect::<Vec<_>>());
        }
        m
    }
}

/// An input table.
#[derive(Debug, Clone, Default)]
pub struct Input {
    name: &'static str,
    title: &'static str,
    optional: bool,
    min_rows: i64,
    columns: Vec<Column>,
}

/// A column: of a table, or one that an input must have.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    /// int64, float64, bool, string, date or timestamp
    pub kind: String,
}

impl Input {
    pub fn new(name: &'static str) -> Input {
        Input { name, ..Input::default() }
    }

    pub fn title(mut self, title: &'static str) -> Input {
        self.title = title;
        self
    }

    /// It may be left out.
    pub fn optional(mut self) -> Input {
        self.optional = true;
        self
    }

    /// How many rows it must have.
    pub fn min_rows(mut self, rows: i64) -> Input {
        self.min_rows = rows;
        self
    }

    /// A column that it must have: of a type, of `number`, or with "" of any.
    pub fn require(mut self, name: &str, kind: &str) -> Input {
        self.columns.push(Column { name: name.to_string(), kind: kind.to_string() });
        self
    }

    fn manifest(&self) -> Json {
        let mut m = Json::object().with("name", self.name);
        if !self.title.is_empty() {
            m = m.with("title", self.title);
        }
        if self.optional {
            m = m.with("optional", true);
        }
        if !self.columns.is_empty() {
            let one = |c: &Column| {
                let column = Json::object().with("name", &c.name);
                if c.kind.is_empty() { column } else { column.with("type", &c.kind) }
            };
            m = m.with("columns", self.columns.iter().map(one).collect::<Vec<_>>());
        }
        if self.min_rows > 0 {
            m = m.with("min_rows", self.min_rows);
        }
        m
    }
}

/// A call of a routine, and what must come of it. A server runs it before it takes the
/// plugin; [`crate::test::examples`] runs it in the plugin's tests.
#[derive(Debug, Clone, Default)]
pub struct Example {
    pub name: &'static str,
    /// JSON; default {}
    pub params: &'static str,
    pub seed: u64,
    /// Inputs and their tables, as CSV.
    pub inputs: Vec<(&'static str, &'static str)>,
    /// JSON, all of the result; or else `error`.
    pub result: &'static str,
    /// The code that it fails with, such as guest_error.
    pub error: &'static str,
    /// Of each number of the result, relative; default 1e-9.
    pub tolerance: f64,
}

impl Example {
    fn manifest(&self) -> Json {
        let mut m = Json::object().with("name", self.name);
        if !self.params.is_empty() {
            m = m.with("params", Json::Raw(self.params.to_string()));
        }
        if self.seed != 0 {
            m = m.with("seed", self.seed);
        }
        if !self.inputs.is_empty() {
            m = m.with("inputs", self.inputs.iter().fold(Json::object(), |o, (name, csv)| o.with(name, *csv)));
        }
        if !self.result.is_empty() {
            m = m.with("result", Json::Raw(self.result.to_string()));
        }
        if !self.error.is_empty() {
            m = m.with("error", self.error);
        }
        if self.tolerance != 0.0 {
            m = m.with("tolerance", self.tolerance);
        }
        m
    }
}

/// A struct of params: see [`crate::params!`].
pub trait Params: Sized {
    fn fields() -> Vec<Field>;
    fn decode(json: &Json) -> Result<Self>;
}

/// What is said of a param. Values are text as it would be in JSON, without quotes.
#[derive(Debug, Clone)]
pub struct Field {
    pub key: &'static str,
    pub kind: &'static str,
    /// The value it has where none is given.
    pub standard: &'static str,
    pub minimum: &'static str,
    pub maximum: &'static str,
    /// An exclusive minimum.
    pub above: &'static str,
    /// The values it may have.
    pub choices: &'static [&'static str],
    pub unit: &'static str,
    pub title: &'static str,
    pub doc: &'static str,
    /// It may be left out: it is then 0, empty or false.
    pub optional: bool,
}

impl Field {
    /// A field of which nothing is said.
    pub const NONE: Field = Field {
        key: "", kind: "", standard: "", minimum: "", maximum: "", above: "", choices: &[], unit: "", title: "", doc: "", optional: false,
    };

    /// A literal of the field's kind: text is quoted.
    fn literal(&self, text: &str) -> Json {
        if self.kind == "string" { Json::from(text) } else { Json::Raw(text.to_string()) }
    }

    fn property(&self) -> Json {
        let (kind, items) = match self.kind.strip_prefix("array of ") {
            Some(items) => ("array", items),
            None => (self.kind, ""),
        };
        let mut p = Json::object().with("type", kind);
        for (key, text) in [("title", self.title), ("description", self.doc)] {
            if !text.is_empty() {
                p = p.with(key, text);
            }
        }
        let limits = [("default", self.standard), ("minimum", self.minimum), ("maximum", self.maximum), ("exclusiveMinimum", self.above)];
        for (key, text) in limits {
            if !text.is_empty() {
                p = p.with(key, self.literal(text));
            }
        }
        p = bounded(p, kind, self.minimum.is_empty() && self.above.is_empty(), self.maximum.is_empty());
        if !self.choices.is_empty() {
            p = p.with("enum", self.choices.iter().map(|c| self.literal(c)).collect::<Vec<_>>());
        }
        if !self.unit.is_empty() {
            p = p.with("x-unit", self.unit);
        }
        if !items.is_empty() {
            p = p.with("items", bounded(Json::object().with("type", items), items, true, true));
        }
        p
    }

    /// The param's value in the params of a call.
    pub fn decode<T: Param>(&self, params: &Json) -> Result<T> {
        let wrong = |_| Error(format!("params: {} is not of type {}", self.key, self.kind));
        match params.get(self.key) {
            Some(v) => T::from_json(v).ok_or(()).map_err(wrong),
            None if !self.standard.is_empty() => {
                let text = self.literal(self.standard).to_string();
                Json::parse(&text).ok().and_then(|v| T::from_json(&v)).ok_or(()).map_err(wrong)
            }
            None if self.optional => Ok(T::default()),
            None => Err(Error(format!("params: {} is missing", self.key))),
        }
    }
}

/// Adds to a schema the bounds of an integer's type, where the field has none of its own:
/// what does not fit is refused before the routine is called.
fn bounded(mut schema: Json, kind: &str, below: bool, over: bool) -> Json {
    if kind == "integer" && below {
        schema = schema.with("minimum", i64::MIN);
    }
    if kind == "integer" && over {
        schema = schema.with("maximum", i64::MAX);
    }
    schema
}

/// The JSON Schema of params.
fn schema(fields: &[Field]) -> Json {
    let keys = |of: &dyn Fn(&Field) -> bool| fields.iter().filter(|f| of(f)).map(|f| f.key).collect::<Vec<_>>();
    Json::object()
        .with("$schema", "https://json-schema.org/draft/2020-12/schema")
        .with("additionalProperties", false)
        .with("properties", fields.iter().fold(Json::object(), |o, f| o.with(f.key, f.property())))
        .with("required", keys(&|f| f.standard.is_empty() && !f.optional))
        .with("type", "object")
        .with("x-order", keys(&|_| true))
}

/// A type that a param can have.
pub trait Param: Default {
    const KIND: &'static str;
    fn from_json(v: &Json) -> Option<Self>;
}

impl Param for i64 {
    const KIND: &'static str = "integer";
    fn from_json(v: &Json) -> Option<i64> {
        match v {
            Json::Int(n) => i64::try_from(*n).ok(),
            Json::Float(f) if *f == f.trunc() => Some(*f as i64),
            _ => None,
        }
    }
}

impl Param for f64 {
    const KIND: &'static str = "number";
    fn from_json(v: &Json) -> Option<f64> {
        match v {
            Json::Int(n) => Some(*n as f64),
            Json::Float(f) => Some(*f),
            _ => None,
        }
    }
}

impl Param for bool {
    const KIND: &'static str = "boolean";
    fn from_json(v: &Json) -> Option<bool> {
        if let Json::Bool(b) = v { Some(*b) } else { None }
    }
}

impl Param for String {
    const KIND: &'static str = "string";
    fn from_json(v: &Json) -> Option<String> {
        if let Json::Text(t) = v { Some(t.clone()) } else { None }
    }
}

macro_rules! lists {
    ($($type:ty => $kind:expr),*) => { $(impl Param for Vec<$type> {
        const KIND: &'static str = $kind;
        fn from_json(v: &Json) -> Option<Vec<$type>> {
            if let Json::Array(items) = v { items.iter().map(<$type>::from_json).collect() } else { None }
        }
    })* };
}

lists! { i64 => "array of integer", f64 => "array of number", bool => "array of boolean", String => "array of string" }
