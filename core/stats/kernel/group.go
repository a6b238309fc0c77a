package kernel

import "math"

// Histogram counts values in bins of equal width between two finite limits, the
// last of which includes the upper one: value v is in bin
// ⌊(v/2 − low/2) ÷ (high/2 − low/2) × bins⌋, halves so that nothing overflows. What
// is outside, or NaN, is not counted. It returns how many were.
func Histogram(v Numbers, low, high float64, counts []int64, pause Pause) (counted int, err error) {
	if !(low < high) || math.IsInf(low, 0) || math.IsInf(high, 0) || len(counts) == 0 {
		return 0, ErrRange
	}
	if err := zero(counts, pause); err != nil {
		return 0, err
	}
	bins := float64(len(counts))
	start, span := low/2, high/2-low/2
	_, err = blocks(v.floats(), pause, func(x []float64) {
		for _, v := range x {
			if !(v >= low && v <= high) {
				continue
			}
			i := len(counts) - 1
			if at := (v/2 - start) / span * bins; at < bins-1 {
				i = max(int(at), 0)
			}
			counts[i]++
			counted++
		}
	})
	return counted, err
}

// Group adds up values by group, a row's group being its key less base. It counts the
// rows of each group in counts, and adds their values in sums, in the order of rows and
// with Neumaier's compensation; lost is its room. All three have one length. A key
// without a group is [ErrRange]. NaN and infinities are as in [Sum].
func Group(keys Values[int64], base int64, values Numbers, counts []int64, sums, lost []float64, pause Pause) (n int, err error) {
	if len(counts) != len(sums) || len(counts) != len(lost) {
		return 0, ErrLengths
	}
	if err := zero(counts, pause); err != nil {
		return 0, err
	}
	for _, x := range [][]float64{sums, lost} {
		if err := zero(x, pause); err != nil {
			return 0, err
		}
	}
	groups := uint64(len(counts))
	n, err = pairs(keys.cursor(), values.floats(), pause, func(keys []int64, values []float64) error {
		for i, key := range keys {
			g := uint64(key) - uint64(base)
			if g >= groups || key < base {
				return ErrRange
			}
			counts[g]++
			t := total{sums[g], lost[g]}
			t.add(values[i])
			sums[g], lost[g] = t.sum, t.lost
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	pace, g := pacer{pause: pause}, 0
	defer pace.end(&err)
	if err := inParts(sums, &pace, func(part []float64) {
		for i, sum := range part {
			t := total{sum, lost[g]}
			part[i] = t.value()
			g++
		}
	}); err != nil {
		return n, err
	}
	return n, pace.flush()
}

// zero clears what may be large.
func zero[T Element](values []T, pause Pause) (err error) {
	pace := pacer{pause: pause}
	defer pace.end(&err)
	if err := inParts(values, &pace, func(part []T) { clear(part) }); err != nil {
		return err
	}
	return pace.flush()
}
