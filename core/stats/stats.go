// Package stats holds statistics in plain Go, shared by the host and by plugins
// written in Go. They are pure functions of slices. Where there is too little data
// for a statistic it is NaN, as in numpy and pandas. What is done to long columns,
// and can be interrupted, is in package kernel.
package stats

import (
	"math"
	"sort"
	"strconv"

	"thresher/core/stats/kernel"
)

// Mean is the arithmetic mean.
func Mean(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	return Sum(x) / float64(len(x))
}

// Sum adds as [kernel.Sum] does: the error does not grow with the length.
func Sum(x []float64) float64 {
	sum, _, _ := kernel.Sum(kernel.Of(x), nil) // nothing ends it
	return sum
}

// Std is the standard deviation with divisor len(x) - ddof: 0 for a population, 1
// for a sample.
func Std(x []float64, ddof int) float64 {
	_, variance, _, _ := kernel.Variance(kernel.Of(x), ddof, nil) // nothing ends it
	return math.Sqrt(variance)
}

// Quantile interpolates linearly between the two nearest values of a sorted slice
// (Hyndman and Fan, 1996, type 7: the default of numpy and pandas).
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	low, high, share := kernel.Place(len(sorted), q)
	return kernel.Between(sorted[low], sorted[high], share)
}

// Bin is one bar of a histogram: values from ≤ v < To; the last bin includes To.
type Bin struct {
	From, To float64
	Count    int
}

// Histogram counts the values of a sorted slice in bins of equal width. Their
// number is Sturges' rule, ⌈log2 n⌉ + 1, at most 40 (Sturges, 1926). Infinite
// values and NaN are left out.
func Histogram(sorted []float64) []Bin {
	finite := finiteOf(sorted)
	if len(finite) == 0 {
		return nil
	}
	low, high := finite[0], finite[len(finite)-1]
	if low == high {
		return []Bin{{low, high, len(finite)}}
	}
	bins := make([]Bin, min(int(math.Ceil(math.Log2(float64(len(finite)))))+1, 40))
	// Halves, and edges as weighted means, so that nothing overflows.
	start, span := low/2, high/2-low/2
	edge := func(i int) float64 {
		share := float64(i) / float64(len(bins))
		return float64(low*(1-share)) + float64(high*share)
	}
	counted := 0
	for i := range bins {
		bins[i].From, bins[i].To = edge(i), edge(i+1)
		end := len(finite)
		if i < len(bins)-1 { // where a value lies never falls as the value grows
			end = sort.Search(len(finite), func(n int) bool {
				return !((finite[n]/2-start)/span*float64(len(bins)) < float64(i+1))
			})
		}
		bins[i].Count, counted = end-counted, end
	}
	return bins
}

// finiteOf is a sorted slice without the infinities and NaN at its ends.
func finiteOf(sorted []float64) []float64 {
	infinite := func(v float64) bool { return math.IsInf(v, 0) || math.IsNaN(v) }
	for len(sorted) > 0 && infinite(sorted[0]) {
		sorted = sorted[1:]
	}
	for len(sorted) > 0 && infinite(sorted[len(sorted)-1]) {
		sorted = sorted[:len(sorted)-1]
	}
	return sorted
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
