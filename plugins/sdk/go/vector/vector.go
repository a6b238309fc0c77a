// Package vector does arithmetic on long columns at the host's own speed: ordinary
// functions, whose work is done by the host's kernels when the plugin runs in a
// sandbox, and by the same code in Go when it runs in a test. Both give the same
// bits. Package thresher/core/stats/kernel says how nulls, NaN and rounding are
// treated, and in what order sums are added.
//
// A [Vector] is a slice of the plugin's, or a column of an input, which then need
// not be read into the plugin's memory at all: see the method Vector of sdk.Table.
//
// The functions panic where the caller is wrong whatever the data: vectors of
// different lengths, a quantile above 1.
package vector

import (
	"errors"

	"thresher/core/stats/kernel"
	"thresher/plugins/abi"
)

// Element is what vectors are of.
type Element = kernel.Element

// ErrOverflow is returned where a sum of integers does not fit one.
var ErrOverflow = kernel.ErrOverflow

// ErrRange is returned for a key without a group.
var ErrRange = kernel.ErrRange

// Fit is a least-squares line.
type Fit = kernel.Fit

// Vector is a column of numbers. Nulls are as if they were not there.
type Vector[T Element] struct {
	pieces kernel.Vector[T]
	column *column // nil: it is in pieces
}

// column is a column of an input.
type column struct {
	input, number int32
	rows          int
}

// Of makes a vector of a slice, which it does not copy.
func Of[T Element](values []T) Vector[T] { return Vector[T]{pieces: kernel.Of(values)} }

// WithNulls makes a vector of a slice of which some values are null: validity has a
// bit for each, least significant first; 0 is null.
func WithNulls[T Element](values []T, validity []byte) Vector[T] {
	if len(validity) < (len(values)+7)/8 {
		panic("vector: the validity bitmap is too short")
	}
	return Vector[T]{pieces: kernel.Vector[T]{{Values: values, Validity: validity}}}
}

// Column makes a vector of a column of an input, by numbers.
func Column[T Element](input, number int32, rows int) Vector[T] {
	return Vector[T]{column: &column{input, number, rows}}
}

// Len is the number of rows, nulls among them.
func (v Vector[T]) Len() int {
	if v.column != nil {
		return v.column.rows
	}
	return v.pieces.Len()
}

// Numbers is a vector of either type. Functions that take one read integers as
// floats.
type Numbers interface {
	Len() int
	descriptor() abi.Vector
	numbers(from int) kernel.Numbers
}

// from is the vector, from a row on, as the kernels know it.
func (v Vector[T]) from(row int) kernel.Vector[T] {
	if v.column != nil {
		panic("vector: a column of an input needs the host: build with GOOS=wasip1 GOARCH=wasm")
	}
	return v.pieces.From(row)
}

func (v Vector[T]) numbers(from int) kernel.Numbers { return v.from(from) }

// Floats reads rows from one on, as many as there is room for, as floats. A null is 0.
// It returns how many of them are not null.
func Floats(v Numbers, from int, into []float64) (n int) {
	if from < 0 || from+len(into) > v.Len() {
		panic("vector: rows out of range")
	}
	return floats(v, from, into)
}

// Sum adds the values.
func Sum(v Vector[float64]) float64 {
	sum, _ := sum(v)
	return sum
}

// SumInts adds the values exactly, or returns [ErrOverflow].
func SumInts(v Vector[int64]) (int64, error) {
	sum, _, err := sumInts(v)
	return sum, err
}

// Variance returns the mean, the variance with divisor n - ddof, and n.
func Variance(v Numbers, ddof int) (mean, squared float64, n int) { return variance(v, ddof) }

// MinMax returns the smallest and the largest value: of nothing, NaN.
func MinMax(v Vector[float64]) (low, high float64) {
	low, high, _ = minMax(v)
	return low, high
}

// MinMaxInts returns the smallest and the largest value: of nothing, zeros.
func MinMaxInts(v Vector[int64]) (low, high int64) {
	low, high, _ = minMaxInts(v)
	return low, high
}

// Dot is the sum of the products.
func Dot(x, y Numbers) float64 {
	sameLength(x, y)
	return dot(x, y)
}

// Histogram counts the values between two finite limits in bins of equal width.
func Histogram(v Numbers, low, high float64, bins int) []int64 {
	counts := make([]int64, bins)
	mustBe(histogram(v, low, high, counts))
	return counts
}

// Sort sorts a slice where it is: NaN last.
func Sort[T Element](values []T) { sortTo(Of(values), values) }

// Sorted returns the values that are not null, sorted.
func Sorted[T Element](v Vector[T]) []T {
	out := make([]T, v.Len())
	return out[:sortTo(v, out)]
}

// Argsort returns the rows that are not null in the order of their values, equal
// ones in the order of rows.
func Argsort[T Element](v Vector[T]) []uint32 {
	out := make([]uint32, v.Len())
	return out[:argsort(v, out, make([]T, v.Len()))]
}

// Quantiles returns, for each share between 0 and 1, the value there.
func Quantiles(v Numbers, shares ...float64) []float64 {
	out := make([]float64, len(shares))
	mustBe(quantiles(v, shares, out, make([]float64, v.Len())))
	return out
}

// Cumsum returns for each row the sum of the rows up to it; a null adds nothing. Of
// integers it may be [ErrOverflow].
func Cumsum[T Element](v Vector[T]) ([]T, error) {
	out := make([]T, v.Len())
	if err := CumsumTo(v, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CumsumTo writes what Cumsum returns to a slice of the vector's length.
func CumsumTo[T Element](v Vector[T], out []T) error {
	if len(out) != v.Len() {
		panic("vector: lengths differ")
	}
	return cumsum(v, out)
}

// Group adds values up by group, which is the key less base, and counts them. A key
// that is in none of the groups is [ErrRange].
func Group(keys Vector[int64], base int64, groups int, values Numbers) (counts []int64, sums []float64, err error) {
	sameLength(keys, values)
	counts, sums = make([]int64, groups), make([]float64, groups)
	if err := group(keys, base, values, counts, sums, make([]float64, groups)); err != nil {
		return nil, nil, err
	}
	return counts, sums, nil
}

// Linreg fits a line by least squares, and returns how many rows took part.
func Linreg(x, y Numbers) (Fit, int) {
	sameLength(x, y)
	return linreg(x, y)
}

// Elementwise writes to out what an operation makes of each row of x and y. The three
// have one length, and out may be x or y. Operations on x alone take it for y too.
func Elementwise(op Operation, x, y, out []float64) {
	if len(x) != len(out) || len(y) != len(out) {
		panic("vector: lengths differ")
	}
	mustBe(elementwise(op, x, y, out))
}

// Operation is what [Elementwise] does.
type Operation = kernel.Operation

// The operations.
const (
	Add   = kernel.Add
	Sub   = kernel.Sub
	Mul   = kernel.Mul
	Ratio = kernel.Ratio // x / y, and 0 where both are 0
	Sqrt  = kernel.Sqrt  // of x
	Abs   = kernel.Abs   // of x
)

// Rolling returns, for each row, the mean and the variance (divisor n - 1) of the window
// of rows that ends there: at the start, of those there are.
func Rolling(x []float64, window int) (means, variances []float64) {
	means, variances = make([]float64, len(x)), make([]float64, len(x))
	window = min(window, max(len(x), 1)) // none is longer
	mustBe(rolling(x, window, means, variances, make([]float64, 2*max(window+1, 0))))
	return means, variances
}

// Texts is a column of text.
type Texts struct {
	pieces kernel.Text
	column *column // nil: it is in pieces
}

// TextPieces makes texts of what is in memory, which it does not copy.
func TextPieces(pieces kernel.Text) Texts { return Texts{pieces: pieces} }

// TextColumn makes texts of a column of an input, by numbers.
func TextColumn(input, number int32, rows int) Texts {
	return Texts{column: &column{input, number, rows}}
}

// Distinct returns, for each text of those that differ, its first row and how many rows
// have it, in the order of those rows.
func Distinct(t Texts) (rows []uint32, counts []int64) {
	for room := 1 << 12; ; room *= 16 { // most columns have few: more room takes longer to clear
		rows, counts = make([]uint32, room), make([]int64, room)
		n, err := distinct(t, rows, counts, make([]int64, room), make([]uint32, 2*room))
		if !errors.Is(err, ErrRange) {
			return rows[:n], counts[:n]
		}
	}
}

func sameLength(x, y Numbers) {
	if x.Len() != y.Len() {
		panic("vector: lengths differ")
	}
}

func mustBe(err error) {
	if errors.Is(err, ErrRange) {
		panic("vector: an argument is out of range")
	}
}
