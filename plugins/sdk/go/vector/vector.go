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
	values   []T
	validity []byte
	column   *column // nil: it is in values
}

// column is a column of an input.
type column struct {
	input, number int32
	rows          int
}

// Of makes a vector of a slice, which it does not copy.
func Of[T Element](values []T) Vector[T] { return Vector[T]{values: values} }

// WithNulls makes a vector of a slice of which some values are null: validity has a
// bit for each, least significant first; 0 is null.
func WithNulls[T Element](values []T, validity []byte) Vector[T] {
	if len(validity) < (len(values)+7)/8 {
		panic("vector: the validity bitmap is too short")
	}
	return Vector[T]{values: values, validity: validity}
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
	return len(v.values)
}

// Numbers is a vector of either type. Functions that take one read integers as
// floats.
type Numbers interface {
	Len() int
	descriptor() abi.Vector
	numbers() kernel.Numbers
}

// pieces is the vector as the kernels know it.
func (v Vector[T]) pieces() kernel.Vector[T] {
	if v.column != nil {
		panic("vector: a column of an input needs the host: build with GOOS=wasip1 GOARCH=wasm")
	}
	return kernel.Vector[T]{{Values: v.values, Validity: v.validity}}
}

func (v Vector[T]) numbers() kernel.Numbers { return v.pieces() }

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
	if err := cumsum(v, out); err != nil {
		return nil, err
	}
	return out, nil
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

func sameLength(x, y Numbers) {
	if x.Len() != y.Len() {
		panic("vector: lengths differ")
	}
}

func mustBe(err error) {
	if errors.Is(err, ErrRange) {
		panic("vector: limits or quantiles out of range")
	}
}
