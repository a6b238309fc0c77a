//go:build !wasip1

package vector

import (
	"thresher/core/stats/kernel"
	"thresher/plugins/abi"
)

// Outside the sandbox the kernels are called directly. Nothing ends them: what
// errors there are, are about the arguments.

func (v Vector[T]) descriptor() abi.Vector { panic("vector: this needs the host") }

func sum(v Vector[float64]) (float64, int) {
	sum, n, _ := kernel.Sum(v.pieces(), nil)
	return sum, n
}

func sumInts(v Vector[int64]) (int64, int, error) { return kernel.SumInts(v.pieces(), nil) }

func variance(v Numbers, ddof int) (mean, variance float64, n int) {
	mean, variance, n, _ = kernel.Variance(v.numbers(), ddof, nil)
	return mean, variance, n
}

func minMax(v Vector[float64]) (low, high float64, n int) {
	low, high, n, _ = kernel.MinMax(v.pieces(), nil)
	return low, high, n
}

func minMaxInts(v Vector[int64]) (low, high int64, n int) {
	low, high, n, _ = kernel.MinMaxInts(v.pieces(), nil)
	return low, high, n
}

func dot(x, y Numbers) float64 {
	sum, _, _ := kernel.Dot(x.numbers(), y.numbers(), nil)
	return sum
}

func histogram(v Numbers, low, high float64, counts []int64) error {
	_, err := kernel.Histogram(v.numbers(), low, high, counts, nil)
	return err
}

func sortTo[T Element](v Vector[T], out []T) int {
	n, _ := kernel.Sort(v.pieces(), out, nil)
	return n
}

func argsort[T Element](v Vector[T], out []uint32, room []T) int {
	n, _ := kernel.Argsort(v.pieces(), out, room, nil)
	return n
}

func quantiles(v Numbers, shares, out, room []float64) error {
	_, err := kernel.Quantiles(v.numbers(), shares, out, room, nil)
	return err
}

func cumsum[T Element](v Vector[T], out []T) error { return kernel.Cumsum(v.pieces(), out, nil) }

func group(keys Vector[int64], base int64, values Numbers, counts []int64, sums, room []float64) error {
	_, err := kernel.Group(keys.pieces(), base, values.numbers(), counts, sums, room, nil)
	return err
}

func linreg(x, y Numbers) (Fit, int) {
	fit, n, _ := kernel.Linreg(x.numbers(), y.numbers(), nil)
	return fit, n
}
