package kernel

import "math"

// MinMax returns the smallest and the largest value. With a NaN among them both are
// NaN; of nothing they are NaN.
func MinMax(v Values[float64], pause Pause) (low, high float64, n int, err error) {
	low, high = math.Inf(1), math.Inf(-1)
	isNaN := false
	n, err = blocks(v.cursor(), pause, func(x []float64) {
		l, h, ok := minMaxBlock(x)
		isNaN = isNaN || !ok
		low, high = min(low, l), max(high, h)
	})
	if isNaN || n == 0 {
		low, high = nan, nan
	}
	return low, high, n, err
}

// minMaxBlock compares so that NaN fails: it costs nothing until there is one.
func minMaxBlock(x []float64) (low, high float64, ok bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for len(x) >= 4 {
		p := (*[4]float64)(x)
		if a := p[0]; !(a >= low && a <= high) {
			if a != a {
				return 0, 0, false
			}
			low, high = min(low, a), max(high, a)
		}
		if a := p[1]; !(a >= low && a <= high) {
			if a != a {
				return 0, 0, false
			}
			low, high = min(low, a), max(high, a)
		}
		if a := p[2]; !(a >= low && a <= high) {
			if a != a {
				return 0, 0, false
			}
			low, high = min(low, a), max(high, a)
		}
		if a := p[3]; !(a >= low && a <= high) {
			if a != a {
				return 0, 0, false
			}
			low, high = min(low, a), max(high, a)
		}
		x = x[4:]
	}
	for _, a := range x {
		if a != a {
			return 0, 0, false
		}
		low, high = min(low, a), max(high, a)
	}
	return low, high, true
}

// MinMaxInts returns the smallest and the largest value; of nothing, zeros.
func MinMaxInts(v Values[int64], pause Pause) (low, high int64, n int, err error) {
	low, high = math.MaxInt64, math.MinInt64
	n, err = blocks(v.cursor(), pause, func(x []int64) {
		l, h := minMaxInts(x)
		low, high = min(low, l), max(high, h)
	})
	if n == 0 {
		low, high = 0, 0
	}
	return low, high, n, err
}

func minMaxInts(x []int64) (low, high int64) {
	low, high = math.MaxInt64, math.MinInt64
	low2, high2 := low, high
	for len(x) >= 4 {
		p := (*[4]int64)(x)
		low, low2 = min(low, p[0]), min(low2, p[1])
		high, high2 = max(high, p[0]), max(high2, p[1])
		low, low2 = min(low, p[2]), min(low2, p[3])
		high, high2 = max(high, p[2]), max(high2, p[3])
		x = x[4:]
	}
	for _, v := range x {
		low, high = min(low, v), max(high, v)
	}
	return min(low, low2), max(high, high2)
}
