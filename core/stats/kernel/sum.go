package kernel

import (
	"math"
	"math/bits"
)

// nan is the NaN that kernels answer with: what an operation makes of NaN or of
// infinities differs between machines.
var nan = math.NaN()

func canonical(v float64) float64 {
	if v != v {
		return nan
	}
	return v
}

// total adds numbers with Neumaier's compensation (Neumaier, 1974): the error does
// not grow with how many there are.
type total struct{ sum, lost float64 }

func (t *total) add(v float64) {
	sum := t.sum + v
	if math.Abs(t.sum) >= math.Abs(v) {
		t.lost += (t.sum - sum) + v
	} else {
		t.lost += (v - sum) + t.sum
	}
	t.sum = sum
}

func (t *total) value() float64 {
	if v := t.sum + t.lost; !math.IsNaN(v) {
		return v
	}
	return canonical(t.sum) // infinite, and what was lost is not a number
}

// Sum adds the values. Blocks of 1024 are added in 8 lanes (a value's place in the
// block, modulo 8), the lanes pairwise, and the blocks with Neumaier's
// compensation. Of nothing it is 0. A sum that overflows on the way is infinite.
func Sum(v Values[float64], pause Pause) (sum float64, n int, err error) {
	return sumOf(v.cursor(), pause)
}

func sumOf(c cursor[float64], pause Pause) (float64, int, error) {
	var t total
	n, err := blocks(c, pause, func(x []float64) { t.add(sumBlock(x)) })
	return t.value(), n, err
}

func sumBlock(x []float64) float64 {
	var a, b, c, d, e, f, g, h float64
	for len(x) >= 8 {
		p := (*[8]float64)(x)
		a += p[0]
		b += p[1]
		c += p[2]
		d += p[3]
		e += p[4]
		f += p[5]
		g += p[6]
		h += p[7]
		x = x[8:]
	}
	lanes := [8]float64{a, b, c, d, e, f, g, h}
	for i, v := range x {
		lanes[i] += v
	}
	return pairwise(&lanes)
}

func pairwise(l *[8]float64) float64 {
	return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]))
}

// SumInts adds the values exactly. It returns [ErrOverflow] if the sum, not what
// is added up on the way, does not fit.
func SumInts(v Values[int64], pause Pause) (sum int64, n int, err error) {
	var high, low uint64 // of 128 bits
	n, err = blocks(v.cursor(), pause, func(x []int64) {
		h, l := high, low
		for _, v := range x {
			var carry uint64
			l, carry = bits.Add64(l, uint64(v), 0)
			h += uint64(v>>63) + carry
		}
		high, low = h, l
	})
	if err == nil && high != uint64(int64(low)>>63) {
		err = ErrOverflow
	}
	return int64(low), n, err
}

// Dot is the sum of the products of two vectors of one length, added as [Sum] adds.
func Dot(x, y Numbers, pause Pause) (sum float64, n int, err error) {
	var t total
	n, err = pairs(x.floats(), y.floats(), pause, func(x, y []float64) error {
		t.add(dotBlock(x, y))
		return nil
	})
	return t.value(), n, err
}

func dotBlock(x, y []float64) float64 {
	var a, b, c, d, e, f, g, h float64
	for len(x) >= 8 && len(y) >= 8 {
		p, q := (*[8]float64)(x), (*[8]float64)(y)
		a += float64(p[0] * q[0]) // rounded: not fused
		b += float64(p[1] * q[1])
		c += float64(p[2] * q[2])
		d += float64(p[3] * q[3])
		e += float64(p[4] * q[4])
		f += float64(p[5] * q[5])
		g += float64(p[6] * q[6])
		h += float64(p[7] * q[7])
		x, y = x[8:], y[8:]
	}
	lanes := [8]float64{a, b, c, d, e, f, g, h}
	for i, v := range x {
		lanes[i] += float64(v * y[i])
	}
	return pairwise(&lanes)
}
