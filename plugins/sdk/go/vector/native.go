//go:build !wasip1

package vector

import (
	"thresher/core/stats/kernel"
	"thresher/plugins/abi"
)

// Outside the sandbox the kernels are called directly. Nothing ends them: what
// errors there are, are about the arguments.

func (v Vector[T]) descriptor() abi.Vector { panic("vector: this needs the host") }

// Pieces makes a vector of what is in memory in several pieces. It is there outside the
// sandbox only: there a column of an input is such a vector without being copied.
func Pieces[T Element](pieces kernel.Vector[T]) Vector[T] { return Vector[T]{pieces: pieces} }

func floats(v Numbers, from int, into []float64) int {
	n, _ := kernel.Floats(v.numbers(from), into, nil)
	return n
}

func sum(v Vector[float64]) (float64, int) {
	sum, n, _ := kernel.Sum(v.from(0), nil)
	return sum, n
}

func sumInts(v Vector[int64]) (int64, int, error) { return kernel.SumInts(v.from(0), nil) }

func variance(v Numbers, ddof int) (mean, variance float64, n int) {
	mean, variance, n, _ = kernel.Variance(v.numbers(0), ddof, nil)
	return mean, variance, n
}

func minMax(v Vector[float64]) (low, high float64, n int) {
	low, high, n, _ = kernel.MinMax(v.from(0), nil)
	return low, high, n
}

func minMaxInts(v Vector[int64]) (low, high int64, n int) {
	low, high, n, _ = kernel.MinMaxInts(v.from(0), nil)
	return low, high, n
}

func dot(x, y Numbers) float64 {
	sum, _, _ := kernel.Dot(x.numbers(0), y.numbers(0), nil)
	return sum
}

func histogram(v Numbers, low, high float64, counts []int64) error {
	_, err := kernel.Histogram(v.numbers(0), low, high, counts, nil)
	return err
}

func sortTo[T Element](v Vector[T], out []T) int {
	n, _ := kernel.Sort(v.from(0), out, nil)
	return n
}

func argsort[T Element](v Vector[T], out []uint32, room []T) int {
	n, _ := kernel.Argsort(v.from(0), out, room, nil)
	return n
}

func quantiles(v Numbers, shares, out, room []float64) error {
	_, err := kernel.Quantiles(v.numbers(0), shares, out, room, nil)
	return err
}

func cumsum[T Element](v Vector[T], out []T) error { return kernel.Cumsum(v.from(0), out, nil) }

func group(keys Vector[int64], base int64, values Numbers, counts []int64, sums, room []float64) error {
	_, err := kernel.Group(keys.from(0), base, values.numbers(0), counts, sums, room, nil)
	return err
}

func linreg(x, y Numbers) (Fit, int) {
	fit, n, _ := kernel.Linreg(x.numbers(0), y.numbers(0), nil)
	return fit, n
}

func distinct(t Texts, rows []uint32, counts, room []int64, slots []uint32) (int, error) {
	return kernel.Distinct(t.pieces, rows, counts, room, slots, nil)
}

func elementwise(op Operation, x, y, out []float64) error {
	return kernel.Elementwise(op, x, y, out, nil)
}

func rolling(x []float64, window int, means, variances, room []float64) error {
	return kernel.Rolling(x, window, means, variances, room, nil)
}
