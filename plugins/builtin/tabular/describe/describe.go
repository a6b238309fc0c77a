// Package describe summarises columns, as pandas' describe does: pure functions of
// slices.
package describe

import (
	"cmp"
	"slices"

	"thresher/core/stats"
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

// OfNumbers summarises values, which it sorts.
func OfNumbers(values []float64) (n *Numbers, distinct int) {
	mean, std := stats.Mean(values), stats.Std(values, 1)
	slices.Sort(values)
	for i, v := range values {
		if i == 0 || v != values[i-1] {
			distinct++
		}
	}
	q := func(at float64) stats.Number { return stats.Number(stats.Quantile(values, at)) }
	return &Numbers{
		Mean: stats.Number(mean), Std: stats.Number(std),
		Min: q(0), Q25: q(0.25), Median: q(0.5), Q75: q(0.75), Max: q(1),
	}, distinct
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
