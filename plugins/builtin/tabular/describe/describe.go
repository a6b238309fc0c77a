// Package describe summarises columns, as pandas' describe does: pure functions of
// columns.
package describe

import (
	"cmp"
	"math"
	"slices"

	"thresher/core/stats"
	"thresher/plugins/sdk/go/vector"
)

// Column is the summary of a column. What does not apply to its type is nil.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Count    int    `json:"count"` // values that are not null
	Nulls    int    `json:"nulls"`
	Distinct int    `json:"distinct"` // among those

	*Numbers
	Range *Range `json:"range,omitempty"` // of dates and timestamps
	Top   []Top  `json:"top,omitempty"`   // of text and booleans
}

// Numbers is the summary of numbers. Std has divisor n-1; quartiles are
// interpolated linearly.
type Numbers struct {
	Mean   stats.Number `json:"mean"`
	Std    stats.Number `json:"std"`
	Min    stats.Number `json:"min"`
	Q25    stats.Number `json:"q25"`
	Median stats.Number `json:"median"`
	Q75    stats.Number `json:"q75"`
	Max    stats.Number `json:"max"`
}

// Range is the first and the last moment, as text (ISO 8601).
type Range struct {
	Min string `json:"min"`
	Max string `json:"max"`
}

// Top is a value and how often it stands there.
type Top struct {
	Value any `json:"value"` // text or boolean
	Count int `json:"count"`
}

// Valid keeps the values that are not null.
func Valid[T any](values []T, valid []bool) []T {
	kept := make([]T, 0, len(values))
	for i, v := range values {
		if valid[i] {
			kept = append(kept, v)
		}
	}
	return kept
}

// OfNumbers summarises a column. It returns the values that are not null, sorted,
// NaN last, and how many of them are distinct.
func OfNumbers(v vector.Numbers) (n *Numbers, sorted []float64, distinct int) {
	mean, variance, _ := vector.Variance(v, 1)
	sorted = sortedFloats(v)
	for i, x := range sorted {
		if i == 0 || x != sorted[i-1] && !(x != x && sorted[i-1] != sorted[i-1]) {
			distinct++
		}
	}
	q := func(at float64) stats.Number {
		if len(sorted) > 0 && math.IsNaN(sorted[len(sorted)-1]) {
			return stats.Number(math.NaN()) // as the mean is
		}
		return stats.Number(stats.Quantile(sorted, at))
	}
	return &Numbers{
		Mean: stats.Number(mean), Std: stats.Number(math.Sqrt(variance)),
		Min: q(0), Q25: q(0.25), Median: q(0.5), Q75: q(0.75), Max: q(1),
	}, sorted, distinct
}

func sortedFloats(v vector.Numbers) []float64 {
	switch v := v.(type) {
	case vector.Vector[float64]:
		return vector.Sorted(v)
	case vector.Vector[int64]:
		ints := vector.Sorted(v)
		floats := make([]float64, len(ints))
		for i, n := range ints {
			floats[i] = float64(n)
		}
		return floats
	}
	return nil
}

// Counts counts the values: the most frequent first, equals by value.
func Counts[T cmp.Ordered](values []T) (tops []Top, distinct int) {
	counts := map[T]int{}
	for _, v := range values {
		counts[v]++
	}
	keys := make([]T, 0, len(counts))
	for v := range counts {
		keys = append(keys, v)
	}
	slices.SortFunc(keys, func(a, b T) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for _, v := range keys {
		tops = append(tops, Top{v, counts[v]})
	}
	return tops, len(keys)
}
