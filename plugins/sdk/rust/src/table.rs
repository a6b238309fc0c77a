use crate::vector::{self, Vector};
use crate::{host, Column, Error, Json, Result};
use std::rc::Rc;

/// What the host says of an input.
pub(crate) struct Input {
    pub number: i32,
    pub name: String,
    pub rows: usize,
    pub bytes: i64,
    pub batches: i32,
    pub columns: Vec<Column>,
}

impl Input {
    pub fn read(number: i32, v: &Json) -> Input {
        let columns = v.items("columns").iter();
        Input {
            number,
            name: v.text("name"),
            rows: v.int("rows") as usize,
            bytes: v.int("bytes") as i64,
            batches: v.int("batches") as i32,
            columns: columns.map(|c| Column { name: c.text("name"), kind: c.text("type") }).collect(),
        }
    }
}

const VALIDITY: i32 = 0;
const VALUES: i32 = 1;
const OFFSETS: i32 = 2;

/// An input table. Columns are read whole into the plugin's memory; [`Table::vector`]
/// leaves them where they are, and [`Table::batches`] maps them without copying.
#[derive(Clone)]
pub struct Table {
    pub(crate) input: Rc<Input>,
}

impl Table {
    pub fn rows(&self) -> usize {
        self.input.rows
    }

    /// The columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.input.columns
    }

    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    fn find(&self, name: &str) -> Result<(i32, &str)> {
        let at = self.input.columns.iter().position(|c| c.name == name);
        let at = at.ok_or_else(|| Error(format!("the table {} has no column \"{}\"", self.input.name, name)))?;
        Ok((at as i32, &self.input.columns[at].kind))
    }

    fn want(&self, name: &str, kinds: &[&str], word: &str) -> Result<(i32, &str)> {
        let (at, kind) = self.find(name)?;
        if !kinds.contains(&kind) {
            return Err(Error(format!("column \"{}\" is {}, want {}", name, kind, word)));
        }
        Ok((at, kind))
    }

    /// Reads a part of a column as values of a type.
    fn part<T: Plain>(&self, column: i32, part: i32, count: usize) -> Vec<T> {
        let mut out = vec![T::default(); count];
        host::column_read(self.input.number, column, self.rows() as i64, part, bytes_of(&mut out));
        out
    }

    fn bits(&self, column: i32, part: i32) -> Vec<bool> {
        let packed: Vec<u8> = self.part(column, part, (self.rows() + 7) / 8);
        (0..self.rows()).map(|i| packed[i / 8] >> (i % 8) & 1 == 1).collect()
    }

    /// A column of numbers or booleans as floats. A null row is None.
    pub fn floats(&self, name: &str) -> Result<Vec<Option<f64>>> {
        let (at, kind) = self.want(name, &["int64", "float64", "bool"], "a number")?;
        let values = match kind {
            "float64" => self.part(at, VALUES, self.rows()),
            "int64" => vector::floats(&Vector::column(&self.input, at, true)),
            _ => self.bits(at, VALUES).into_iter().map(|b| b as i64 as f64).collect(),
        };
        Ok(self.with_nulls(at, values))
    }

    /// A column of integers, timestamps (microseconds since 1970) or dates (days since
    /// 1970). A null row is None.
    pub fn ints(&self, name: &str) -> Result<Vec<Option<i64>>> {
        let (at, kind) = self.want(name, &["int64", "timestamp", "date"], "integers")?;
        let values = match kind {
            "date" => self.part::<i32>(at, VALUES, self.rows()).into_iter().map(i64::from).collect(),
            _ => self.part(at, VALUES, self.rows()),
        };
        Ok(self.with_nulls(at, values))
    }

    /// A column of booleans. A null row is None.
    pub fn bools(&self, name: &str) -> Result<Vec<Option<bool>>> {
        let (at, _) = self.want(name, &["bool"], "booleans")?;
        Ok(self.with_nulls(at, self.bits(at, VALUES)))
    }

    /// A column of text. A null row is None.
    pub fn strings(&self, name: &str) -> Result<Vec<Option<String>>> {
        let (at, _) = self.want(name, &["string"], "text")?;
        let offsets: Vec<i32> = self.part(at, OFFSETS, self.rows() + 1);
        let text: Vec<u8> = self.part(at, VALUES, offsets[self.rows()] as usize);
        let of = |w: &[i32]| String::from_utf8_lossy(&text[w[0] as usize..w[1] as usize]).into_owned();
        Ok(self.with_nulls(at, offsets.windows(2).map(of).collect()))
    }

    fn with_nulls<T>(&self, column: i32, values: Vec<T>) -> Vec<Option<T>> {
        let valid = self.bits(column, VALIDITY);
        values.into_iter().zip(valid).map(|(v, ok)| if ok { Some(v) } else { None }).collect()
    }

    /// A column of numbers or timestamps for the functions of [`crate::vector`], which
    /// read it where it is.
    pub fn vector(&self, name: &str) -> Result<Vector<'static>> {
        let (at, kind) = self.want(name, &["int64", "float64", "timestamp"], "a number")?;
        Ok(Vector::column(&self.input, at, kind != "float64"))
    }

    /// The rows in order, a batch at a time, as they are in the table's file: nothing of
    /// them is copied. `while let Some(batch) = batches.next() { … }`
    pub fn batches(&self) -> Batches {
        Batches { table: self.clone(), number: -1, first: 0, rows: 0, layout: Vec::new(), buffer: Vec::new(), view: 0, from: 0, to: 0 }
    }
}

/// The batches of a table: see [`Table::batches`].
pub struct Batches {
    table: Table,
    number: i32,
    first: usize,
    rows: usize,
    layout: Vec<i64>,
    buffer: Vec<u64>, // aligned
    view: usize,      // where in it, in bytes, the part of the file is
    from: i64,
    to: i64,
}

const MAP_ROOM: usize = 128 << 10;
const MAP_AT_ONCE: i64 = 64 << 20;

impl Batches {
    /// The next batch, until there is none.
    #[allow(clippy::should_implement_trait)] // a batch is read before the next: it is no iterator
    pub fn next(&mut self) -> Option<Batch<'_>> {
        let input = self.table.input.clone();
        if self.number + 1 >= input.batches {
            return None;
        }
        self.number += 1;
        self.first += self.rows;
        self.layout = vec![0; 1 + 6 * input.columns.len()];
        host::input_layout(input.number, self.number, bytes_of(&mut self.layout));
        self.rows = self.layout[0] as usize;
        let (mut from, mut to) = (input.bytes, 0);
        for span in self.layout[1..].chunks(2).filter(|s| s[1] > 0) {
            from = from.min(span[0]);
            to = to.max(span[0] + span[1]);
        }
        self.show(from, to.max(from), &input);
        Some(Batch { of: self })
    }

    /// Makes sure that a range of the file is in view, and as much behind it as there is
    /// room for.
    fn show(&mut self, from: i64, to: i64, input: &Input) {
        if !self.buffer.is_empty() && self.from <= from && to <= self.to {
            return;
        }
        let to = to.max((from + MAP_AT_ONCE).min(input.bytes));
        let words = ((to - from) as usize + MAP_ROOM + 7) / 8;
        if words > self.buffer.len() {
            self.buffer = vec![0; words];
        }
        self.from = from;
        self.to = to;
        self.view = host::input_map(input.number, from, to - from, bytes_of(&mut self.buffer));
    }

    fn part<T: Plain>(&self, column: i32, part: i32) -> &[T] {
        let span = &self.layout[(1 + 6 * column + 2 * part) as usize..];
        let size = std::mem::size_of::<T>();
        if span[1] == 0 {
            return &[];
        }
        let start = self.view + (span[0] - self.from) as usize;
        let (at, bytes) = (self.buffer.as_ptr() as usize + start, span[1] as usize);
        assert!(at % size == 0 && start + bytes <= 8 * self.buffer.len());
        // It is inside the buffer and aligned, and any bytes are a T.
        unsafe { std::slice::from_raw_parts(at as *const T, bytes / size) }
    }
}

/// A run of rows of a table.
pub struct Batch<'a> {
    of: &'a Batches,
}

impl<'a> Batch<'a> {
    /// The number of its first row in the table.
    pub fn first(&self) -> usize {
        self.of.first
    }

    pub fn rows(&self) -> usize {
        self.of.rows
    }

    /// A column of floats, and which rows are not null. The value of a null row is 0.
    pub fn floats(&self, name: &str) -> Result<(&'a [f64], Bits<'a>)> {
        self.fixed(name, &["float64"], "float64")
    }

    /// A column of integers, or of timestamps in microseconds since 1970.
    pub fn ints(&self, name: &str) -> Result<(&'a [i64], Bits<'a>)> {
        self.fixed(name, &["int64", "timestamp"], "int64 or timestamp")
    }

    /// A column of dates, in days since 1970.
    pub fn dates(&self, name: &str) -> Result<(&'a [i32], Bits<'a>)> {
        self.fixed(name, &["date"], "date")
    }

    fn fixed<T: Plain>(&self, name: &str, kinds: &[&str], word: &str) -> Result<(&'a [T], Bits<'a>)> {
        let (at, _) = self.of.table.want(name, kinds, word)?;
        Ok((self.of.part(at, VALUES), self.valid(at)))
    }

    /// A column of booleans: their values, and which rows are not null.
    pub fn bools(&self, name: &str) -> Result<(Bits<'a>, Bits<'a>)> {
        let (at, _) = self.of.table.want(name, &["bool"], "bool")?;
        Ok((Bits { set: self.of.part(at, VALUES), all: false }, self.valid(at)))
    }

    /// A column of text.
    pub fn texts(&self, name: &str) -> Result<(Texts<'a>, Bits<'a>)> {
        let (at, _) = self.of.table.want(name, &["string"], "string")?;
        Ok((Texts { offsets: self.of.part(at, OFFSETS), bytes: self.of.part(at, VALUES) }, self.valid(at)))
    }

    fn valid(&self, column: i32) -> Bits<'a> {
        let set: &[u8] = self.of.part(column, VALIDITY);
        Bits { set, all: set.is_empty() }
    }
}

/// A bit for each row of a batch.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    set: &'a [u8],
    all: bool,
}

impl Bits<'_> {
    pub fn at(&self, row: usize) -> bool {
        self.all || self.set[row / 8] >> (row % 8) & 1 == 1
    }
}

/// A column of text of a batch.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    offsets: &'a [i32],
    bytes: &'a [u8],
}

impl<'a> Texts<'a> {
    pub fn at(&self, row: usize) -> &'a str {
        let text = &self.bytes[self.offsets[row] as usize..self.offsets[row + 1] as usize];
        std::str::from_utf8(text).expect("the host gives UTF-8")
    }
}

/// Types of which any bytes are a value.
pub(crate) trait Plain: Copy + Default {}
impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for i32 {}
impl Plain for i64 {}
impl Plain for u64 {}
impl Plain for f64 {}

/// A view of values as bytes. WebAssembly is little endian, as the layout is.
pub(crate) fn bytes_of<T: Plain>(values: &mut [T]) -> &mut [u8] {
    let bytes = std::mem::size_of_val(values);
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr() as *mut u8, bytes) }
}
