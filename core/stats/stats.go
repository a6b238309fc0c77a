// Package stats holds numeric kernels in plain Go, shared by the host and by
// plugins written in Go. They are pure functions of slices. Where there is too
// little data for a statistic it is NaN, as in numpy and pandas.
package stats

import (
	"math"
	"slices"
	"strconv"
)

// Mean is the arithmetic mean.
func Mean(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	return Sum(x) / float64(len(x))
}

// Sum adds pairwise, as numpy does: the error grows with the logarithm of the
// length, not with the length (Higham, Accuracy and Stability of Numerical
// Algorithms, 4.2).
func Sum(x []float64) float64 {
	const block = 128
	if len(x) <= block {
		sum := 0.0
		for _, v := range x {
			sum += v
		}
		return sum
	}
	half := len(x) / 2
	return Sum(x[:half]) + Sum(x[half:])
}

// Std is the standard deviation with divisor len(x) - ddof: 0 for a population, 1
// for a sample.
func Std(x []float64, ddof int) float64 {
	if len(x) <= ddof {
		return math.NaN()
	}
	mean := Mean(x)
	squares := make([]float64, len(x))
	for i, v := range x {
		squares[i] = (v - mean) * (v - mean)
	}
	return math.Sqrt(Sum(squares) / float64(len(x)-ddof))
}

// Quantile interpolates linearly between the two nearest values of a sorted slice
// (Hyndman and Fan, 1996, type 7: the default of numpy and pandas).
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	share := at - float64(low)
	if share == 0 {
		return sorted[low] // so that an infinite neighbour does not matter
	}
	return sorted[low] + (sorted[high]-sorted[low])*share
}

// Slope is the least-squares slope of y over its index; 0 for fewer than two
// values.
func Slope(y []float64) float64 {
	index := make([]float64, len(y))
	for i := range index {
		index[i] = float64(i)
	}
	slope, _ := Line(index, y)
	return slope
}

// Line is the least-squares line of y over x. For fewer than two values it is
// level.
func Line(x, y []float64) (slope, intercept float64) {
	if len(y) < 2 {
		return 0, Mean(y)
	}
	xMean, yMean := Mean(x), Mean(y)
	var up, down float64
	for i := range y {
		d := x[i] - xMean
		up += d * (y[i] - yMean)
		down += d * d
	}
	slope = up / down
	return slope, yMean - slope*xMean
}

// Diff returns the differences between neighbours. The first is 0.
func Diff(x []float64) []float64 {
	d := make([]float64, len(x))
	for i := 1; i < len(x); i++ {
		d[i] = x[i] - x[i-1]
	}
	return d
}

// RollingMean averages the values of each window that ends at an index; at the
// start, those there are.
func RollingMean(x []float64, window int) []float64 {
	means := make([]float64, len(x))
	for i := range x {
		means[i] = Mean(x[max(0, i+1-window) : i+1])
	}
	return means
}

// Bin is one bar of a histogram: values from ≤ v < To; the last bin includes To.
type Bin struct {
	From, To float64
	Count    int
}

// Histogram counts the values of a sorted slice in bins of equal width. Their
// number is Sturges' rule, ⌈log2 n⌉ + 1, at most 40 (Sturges, 1926). Infinite
// values are left out.
func Histogram(sorted []float64) []Bin {
	finite := slices.DeleteFunc(slices.Clone(sorted), func(v float64) bool { return math.IsInf(v, 0) || math.IsNaN(v) })
	if len(finite) == 0 {
		return nil
	}
	low, high := finite[0], finite[len(finite)-1]
	if low == high {
		return []Bin{{low, high, len(finite)}}
	}
	bins := make([]Bin, min(int(math.Ceil(math.Log2(float64(len(finite)))))+1, 40))
	// Halves, and edges as weighted means, so that nothing overflows.
	span := high/2 - low/2
	edge := func(i int) float64 {
		share := float64(i) / float64(len(bins))
		return low*(1-share) + high*share
	}
	for i := range bins {
		bins[i].From, bins[i].To = edge(i), edge(i+1)
	}
	for _, v := range finite {
		at := (v/2 - low/2) / span * float64(len(bins))
		i := len(bins) - 1
		if at < float64(i) {
			i = max(int(at), 0)
		}
		bins[i].Count++
	}
	return bins
}

// Number is a float that is null in JSON where it is not finite.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(n), 'g', -1, 64), nil
}
