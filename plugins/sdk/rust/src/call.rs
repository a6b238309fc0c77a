use crate::writer::Shared;
use crate::{host, Col, Error, Json, Random, Result, Table, Writer};
use std::rc::Rc;

/// One call of a routine: its inputs, and where what it finds goes.
pub struct Call {
    params: Json,
    seed: u64,
    inputs: Vec<Rc<crate::table::Input>>,
    outputs: Vec<Shared>,
}

impl Call {
    /// Reads what the routine was called with.
    pub(crate) fn read() -> Result<Call> {
        let info = Json::parse(&host::call_info()).map_err(Error)?;
        let inputs = info.items("inputs").iter().enumerate();
        Ok(Call {
            seed: info.int("seed") as u64,
            inputs: inputs.map(|(i, v)| Rc::new(crate::table::Input::read(i as i32, v))).collect(),
            params: info.get("params").cloned().unwrap_or(Json::Null),
            outputs: Vec::new(),
        })
    }

    pub(crate) fn params(&self) -> &Json {
        &self.params
    }

    /// The job's seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator that follows from the job's seed alone.
    pub fn random(&self) -> Random {
        Random::new(self.seed)
    }

    /// Whether an optional input was given.
    pub fn has_input(&self, name: &str) -> bool {
        self.inputs.iter().any(|i| i.name == name)
    }

    /// An input table.
    pub fn input(&self, name: &str) -> Result<Table> {
        let found = self.inputs.iter().find(|i| i.name == name);
        found.map(|i| Table { input: i.clone() }).ok_or_else(|| Error(format!("there is no input \"{}\"", name)))
    }

    /// An output table.
    pub fn output(&mut self, name: &str, columns: &[Col]) -> Writer {
        let writer = Writer::new(name, columns);
        self.outputs.push(writer.shared());
        writer
    }

    /// Keeps a file under a name.
    pub fn artifact(&self, name: &str, media: &str, content: &[u8]) {
        host::artifact_write(name, media, content);
    }

    /// Keeps a Vega-Lite specification as the artifact NAME.vl.json.
    pub fn chart(&self, name: &str, spec: &Json) {
        self.artifact(&format!("{}.vl.json", name), "application/vnd.vegalite.v6+json", spec.to_string().as_bytes());
    }

    /// Says how far the routine is, from 0 to 1.
    pub fn progress(&self, fraction: f64, message: &str) {
        host::progress(fraction, message);
    }

    /// Writes a line to the job's log.
    pub fn log(&self, line: &str) {
        host::log(&format!("{}\n", line));
    }

    /// Hands over the rows that output tables still hold.
    pub(crate) fn flush(&mut self) {
        for w in &self.outputs {
            w.borrow_mut().flush();
        }
    }

    pub(crate) fn finish(&mut self, result: Json) {
        self.flush();
        host::result_write(&result.to_string());
    }
}
