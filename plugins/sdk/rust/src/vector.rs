//! Arithmetic on long columns at the host's speed: docs/abi.md says what each function
//! does. A [`Vector`] is a slice of the plugin's, or a column of an input, which is then
//! not read into its memory at all. The functions panic where the caller is wrong
//! whatever the data: vectors of different lengths, a share above 1.

use crate::table::Input;
use crate::{host, Error, Result};
use std::rc::Rc;

/// A column of numbers. Nulls are as if they were not there.
#[derive(Clone)]
pub struct Vector<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) validity: Option<&'a [u8]>,
}

#[derive(Clone)]
pub(crate) enum Place<'a> {
    Column { input: Rc<Input>, column: i32, ints: bool },
    Floats(&'a [f64]),
    Ints(&'a [i64]),
}

impl<'a> Vector<'a> {
    pub(crate) fn column(input: &Rc<Input>, column: i32, ints: bool) -> Vector<'static> {
        Vector { place: Place::Column { input: input.clone(), column, ints }, validity: None }
    }

    pub fn of_floats(values: &'a [f64]) -> Vector<'a> {
        Vector { place: Place::Floats(values), validity: None }
    }

    pub fn of_ints(values: &'a [i64]) -> Vector<'a> {
        Vector { place: Place::Ints(values), validity: None }
    }

    /// The same vector in memory, of which some values are null: a bit for each, least
    /// significant first; 0 is null.
    pub fn with_nulls(self, validity: &'a [u8]) -> Vector<'a> {
        assert!(!matches!(self.place, Place::Column { .. }) && validity.len() >= (self.len() + 7) / 8);
        Vector { validity: Some(validity), ..self }
    }

    /// The number of rows, nulls among them.
    pub fn len(&self) -> usize {
        match &self.place {
            Place::Column { input, .. } => input.rows,
            Place::Floats(v) => v.len(),
            Place::Ints(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is of integers.
    pub fn ints(&self) -> bool {
        match &self.place {
            Place::Column { ints, .. } => *ints,
            Place::Floats(_) => false,
            Place::Ints(_) => true,
        }
    }

    fn want(&self, ints: bool) {
        assert!(self.ints() == ints, "a vector of {} is wanted", if ints { "integers" } else { "floats" });
    }
}

const OVERFLOW: i64 = -2;
const RANGE: i64 = -3;

/// What a kernel answered: how many values took part.
fn count(answer: i64) -> Result<usize> {
    match answer {
        OVERFLOW => Err("a sum of integers does not fit 64 bits".into()),
        RANGE => Err("an argument, or a group's key, is out of range".into()),
        n => Ok(n as usize),
    }
}

fn must(answer: i64) -> usize {
    count(answer).unwrap_or_else(|Error(text)| panic!("{}", text))
}

fn same_length(x: &Vector, y: &Vector) {
    assert!(x.len() == y.len(), "vectors of {} and {} rows", x.len(), y.len());
}

/// The rows as floats; a null is 0.
pub fn floats(v: &Vector) -> Vec<f64> {
    let mut out = vec![0.0; v.len()];
    must(host::vector_floats(v, &mut out));
    out
}

/// The sum of floats.
pub fn sum(v: &Vector) -> f64 {
    v.want(false);
    let mut out = [0.0];
    must(host::vector_sum_floats(v, &mut out));
    out[0]
}

/// The sum of integers, exact.
pub fn sum_ints(v: &Vector) -> Result<i64> {
    v.want(true);
    let mut out = [0];
    count(host::vector_sum_ints(v, &mut out))?;
    Ok(out[0])
}

/// The mean, the variance with divisor n - ddof, and n.
pub fn variance(v: &Vector, ddof: i32) -> (f64, f64, usize) {
    let mut out = [0.0; 2];
    let n = must(host::vector_variance(v, ddof, &mut out));
    (out[0], out[1], n)
}

/// The smallest and the largest float: of nothing, NaN.
pub fn minmax(v: &Vector) -> (f64, f64) {
    v.want(false);
    let mut out = [0.0; 2];
    must(host::vector_minmax_floats(v, &mut out));
    (out[0], out[1])
}

/// The smallest and the largest integer: of nothing, zeros.
pub fn minmax_ints(v: &Vector) -> (i64, i64) {
    v.want(true);
    let mut out = [0; 2];
    must(host::vector_minmax_ints(v, &mut out));
    (out[0], out[1])
}

/// The sum of the products.
pub fn dot(x: &Vector, y: &Vector) -> f64 {
    same_length(x, y);
    let mut out = [0.0];
    must(host::vector_dot(x, y, &mut out));
    out[0]
}

/// A least-squares line.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    pub slope: f64,
    pub intercept: f64,
    pub correlation: f64,
    /// How many rows took part.
    pub rows: usize,
}

pub fn linreg(x: &Vector, y: &Vector) -> Fit {
    same_length(x, y);
    let mut out = [0.0; 3];
    let rows = must(host::vector_linreg(x, y, &mut out));
    Fit { slope: out[0], intercept: out[1], correlation: out[2], rows }
}

/// Counts the values between two finite limits in bins of equal width.
pub fn histogram(v: &Vector, low: f64, high: f64, bins: usize) -> Vec<i64> {
    let mut counts = vec![0; bins];
    must(host::vector_histogram(v, low, high, &mut counts));
    counts
}

/// The floats that are not null, sorted, NaN last.
pub fn sorted(v: &Vector) -> Vec<f64> {
    v.want(false);
    let mut out = vec![0.0; v.len()];
    let n = must(host::vector_sort_floats(v, &mut out));
    out.truncate(n);
    out
}

/// The integers that are not null, sorted.
pub fn sorted_ints(v: &Vector) -> Vec<i64> {
    v.want(true);
    let mut out = vec![0; v.len()];
    let n = must(host::vector_sort_ints(v, &mut out));
    out.truncate(n);
    out
}

/// The rows that are not null in the order of their values.
pub fn argsort(v: &Vector) -> Vec<u32> {
    let mut rows = vec![0; v.len()];
    let n = must(host::vector_argsort(v, &mut rows));
    rows.truncate(n);
    rows
}

/// For each share between 0 and 1 the value there, and how many values there are.
pub fn quantiles(v: &Vector, shares: &[f64]) -> (Vec<f64>, usize) {
    let mut out = vec![0.0; shares.len()];
    let n = must(host::vector_quantiles(v, shares, &mut out));
    (out, n)
}

/// For each row the sum of the rows up to it.
pub fn cumsum(v: &Vector) -> Vec<f64> {
    v.want(false);
    let mut out = vec![0.0; v.len()];
    must(host::vector_cumsum_floats(v, &mut out));
    out
}

/// For each row the exact sum of the rows up to it.
pub fn cumsum_ints(v: &Vector) -> Result<Vec<i64>> {
    v.want(true);
    let mut out = vec![0; v.len()];
    count(host::vector_cumsum_ints(v, &mut out))?;
    Ok(out)
}

/// Counts values by group, which is the key less base, and adds them up.
pub fn group(keys: &Vector, base: i64, groups: usize, values: &Vector) -> Result<(Vec<i64>, Vec<f64>)> {
    keys.want(true);
    same_length(keys, values);
    let (mut counts, mut sums) = (vec![0; groups], vec![0.0; groups]);
    count(host::vector_group(keys, base, values, &mut counts, &mut sums))?;
    Ok((counts, sums))
}
