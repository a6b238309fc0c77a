// Package describe summarises columns, as pandas' describe does: pure functions of
// columns.
package describe

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sort"
	"time"

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

// OfNumbers summarises a column. It returns the values that are not null, sorted,
// NaN last, and how many of them are distinct.
func OfNumbers(v vector.Numbers) (n *Numbers, sorted []float64, distinct int) {
	mean, variance, _ := vector.Variance(v, 1)
	sorted, distinct = sortedFloats(v)
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

func sortedFloats(v vector.Numbers) (floats []float64, distinct int) {
	switch v := v.(type) {
	case vector.Vector[float64]:
		floats = vector.Sorted(v)
		numbers, _ := slices.BinarySearchFunc(floats, true, func(v float64, _ bool) int {
			if v != v {
				return 0
			}
			return -1
		})
		distinct = runs(floats[:numbers])
		if numbers < len(floats) {
			distinct++ // every NaN is the same
		}
	case vector.Vector[int64]:
		ints := vector.Sorted(v)
		floats = make([]float64, len(ints))
		vector.Floats(vector.Of(ints), 0, floats)
		distinct = runs(ints) // not of floats: those may be alike where these are not
	}
	return floats, distinct
}

// runs counts the stretches of equal values.
func runs[T int64 | float64](sorted []T) (n int) {
	if len(sorted) == 0 {
		return 0
	}
	before := sorted[0]
	for _, v := range sorted {
		if v != before {
			n++
		}
		before = v
	}
	return n + 1
}

// Moments is the summary of dates or timestamps.
type Moments struct {
	Count, Distinct int
	Range           *Range // nil if there are none
	Years           []Top  // how many are in each, in order
}

// OfMoments summarises moments that are not null, which it sorts. at is the time that
// one means; layout is how it is written.
func OfMoments(moments []int64, at func(int64) time.Time, layout string) Moments {
	vector.Sort(moments)
	m := Moments{Count: len(moments), Distinct: runs(moments)}
	if len(moments) == 0 {
		return m
	}
	m.Range = &Range{Min: at(moments[0]).Format(layout), Max: at(moments[len(moments)-1]).Format(layout)}
	for rest := moments; len(rest) > 0; {
		year := at(rest[0]).Year()
		end := sort.Search(len(rest), func(i int) bool { return at(rest[i]).Year() > year })
		m.Years = append(m.Years, Top{at(rest[0]).Format("2006"), end})
		rest = rest[end:]
	}
	return m
}

// OfTexts counts the texts of a column, and lists the most frequent of those that differ:
// equals by text. texts yields their text by the numbers of vector.Distinct, whose first
// rows it is given.
func OfTexts(t vector.Texts, most int, texts func(rows []uint32) iter.Seq2[int, []byte]) (tops []Top, count, distinct int) {
	rows, counts := vector.Distinct(t)
	for _, n := range counts {
		count += int(n)
	}
	before := func(a, b Top) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value.(string), b.Value.(string)))
	}
	for number, text := range texts(rows) {
		n := int(counts[number])
		if len(tops) == most && n < tops[most-1].Count {
			continue
		}
		top := Top{string(text), n}
		at, _ := slices.BinarySearchFunc(tops, top, before)
		if tops = slices.Insert(tops, at, top); len(tops) > most {
			tops = tops[:most]
		}
	}
	return tops, count, len(counts)
}
