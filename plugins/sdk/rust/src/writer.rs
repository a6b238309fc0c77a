#[cfg(target_arch = "wasm32")]
use crate::table::bytes_of;
use crate::{host, Error, Json, Result};
use std::cell::RefCell;
use std::rc::Rc;

/// A column of an output table.
#[derive(Debug, Clone)]
pub struct Col {
    name: String,
    kind: &'static str,
}

pub fn int_col(name: &str) -> Col {
    Col { name: name.to_string(), kind: "int64" }
}
pub fn float_col(name: &str) -> Col {
    Col { name: name.to_string(), kind: "float64" }
}
pub fn bool_col(name: &str) -> Col {
    Col { name: name.to_string(), kind: "bool" }
}
pub fn text_col(name: &str) -> Col {
    Col { name: name.to_string(), kind: "string" }
}

/// A value of a row: `5.into()`, `2.5.into()`, `"text".into()`, `None.into()`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl From<i64> for Value {
    fn from(v: i64) -> Value {
        Value::Int(v)
    }
}
impl From<f64> for Value {
    fn from(v: f64) -> Value {
        Value::Float(v)
    }
}
impl From<bool> for Value {
    fn from(v: bool) -> Value {
        Value::Bool(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Value {
        Value::Text(v.to_string())
    }
}
impl From<String> for Value {
    fn from(v: String) -> Value {
        Value::Text(v)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Value {
        v.map_or(Value::Null, Into::into)
    }
}

const FLUSH_ROWS: usize = 1024;
const FLUSH_TEXT: usize = 1 << 20;

/// A column of the rows that were not yet handed over, in Arrow's layout.
#[derive(Default)]
pub struct Buffer {
    pub kind: &'static str,
    pub nulls: bool,
    pub validity: Vec<u8>,
    pub ints: Vec<i64>,
    pub floats: Vec<f64>,
    pub bits: Vec<u8>,
    pub offsets: Vec<i32>,
    pub text: Vec<u8>,
}

impl Buffer {
    fn new(kind: &'static str) -> Buffer {
        Buffer { kind, offsets: vec![0], ..Buffer::default() }
    }

    fn fits(&self, v: &Value) -> bool {
        matches!(
            (v, self.kind),
            (Value::Null, _) | (Value::Int(_), "int64") | (Value::Int(_), "float64") | (Value::Float(_), "float64") | (Value::Bool(_), "bool") | (Value::Text(_), "string")
        )
    }

    /// Adds a value that fits. A null leaves what it would be 0.
    fn push(&mut self, row: usize, v: &Value) {
        if row % 8 == 0 {
            self.validity.push(0);
            self.bits.push(0);
        }
        if *v == Value::Null {
            self.nulls = true;
        } else {
            self.validity[row / 8] |= 1 << (row % 8);
        }
        match self.kind {
            "int64" => self.ints.push(if let Value::Int(n) = v { *n } else { 0 }),
            "float64" => self.floats.push(match v {
                Value::Float(f) => *f,
                Value::Int(n) => *n as f64,
                _ => 0.0,
            }),
            "bool" => self.bits[row / 8] |= ((*v == Value::Bool(true)) as u8) << (row % 8),
            _ => {
                if let Value::Text(t) = v {
                    self.text.extend_from_slice(t.as_bytes());
                }
                self.offsets.push(self.text.len() as i32);
            }
        }
    }

    /// Validity, values and offsets.
    #[cfg(target_arch = "wasm32")]
    pub fn parts(&mut self) -> [&[u8]; 3] {
        let validity: &[u8] = if self.nulls { &self.validity } else { &[] };
        match self.kind {
            "int64" => [validity, bytes_of(&mut self.ints), &[]],
            "float64" => [validity, bytes_of(&mut self.floats), &[]],
            "bool" => [validity, &self.bits, &[]],
            _ => [validity, &self.text, bytes_of(&mut self.offsets)],
        }
    }
}

/// The rows of an output table.
pub(crate) struct Rows {
    name: String,
    schema: Json,
    columns: Vec<Buffer>,
    rows: usize,
}

pub(crate) type Shared = Rc<RefCell<Rows>>;

impl Rows {
    pub fn flush(&mut self) {
        if self.rows == 0 {
            return;
        }
        host::table_append(&self.name, &self.schema.to_string(), self.rows, &mut self.columns);
        for c in &mut self.columns {
            *c = Buffer::new(c.kind);
        }
        self.rows = 0;
    }
}

/// An output table: see [`crate::Call::output`]. Rows are handed to the host in batches.
pub struct Writer {
    rows: Shared,
}

impl Writer {
    pub(crate) fn new(name: &str, columns: &[Col]) -> Writer {
        let schema: Vec<Json> = columns.iter().map(|c| Json::object().with("name", &c.name).with("type", c.kind)).collect();
        let columns = columns.iter().map(|c| Buffer::new(c.kind)).collect();
        Writer { rows: Rc::new(RefCell::new(Rows { name: name.to_string(), schema: schema.into(), columns, rows: 0 })) }
    }

    pub(crate) fn shared(&self) -> Shared {
        self.rows.clone()
    }

    /// Adds a row: a value for each column. One that does not fit adds nothing.
    pub fn append(&mut self, values: &[Value]) -> Result<()> {
        let mut w = self.rows.borrow_mut();
        if values.len() != w.columns.len() {
            return Err(Error(format!("table {}: {} values for {} columns", w.name, values.len(), w.columns.len())));
        }
        if let Some(i) = (0..values.len()).find(|i| !w.columns[*i].fits(&values[*i])) {
            return Err(Error(format!("table {}, column {}: {:?} is not of type {}", w.name, i, values[i], w.columns[i].kind)));
        }
        let (row, mut text) = (w.rows, 0);
        for (c, v) in w.columns.iter_mut().zip(values) {
            c.push(row, v);
            text += c.text.len();
        }
        w.rows += 1;
        if w.rows == FLUSH_ROWS || text >= FLUSH_TEXT {
            w.flush();
        }
        Ok(())
    }

    /// Hands over the rows so far, so that readers see them.
    pub fn flush(&mut self) {
        self.rows.borrow_mut().flush();
    }
}
