package kernel

import "math"

// Variance returns the mean and the variance with divisor n - ddof: 0 for a
// population, 1 for a sample. The mean of nothing is NaN, and so is the variance
// of no more than ddof values. It passes twice over the values: the second time
// over their distances from the mean.
func Variance(v Numbers, ddof int, pause Pause) (mean, variance float64, n int, err error) {
	sum, n, err := sumOf(v.floats(), pause)
	if err != nil {
		return 0, 0, n, err
	}
	mean = canonical(sum / float64(n))
	var squares total
	_, err = blocks(v.floats(), pause, func(x []float64) { squares.add(squaresBlock(x, mean)) })
	if n <= ddof {
		return mean, nan, n, err
	}
	return mean, canonical(squares.value() / float64(n-ddof)), n, err
}

func squaresBlock(x []float64, mean float64) float64 {
	var lanes [8]float64
	for len(x) >= 8 {
		p := (*[8]float64)(x)
		a, b, c, d := p[0]-mean, p[1]-mean, p[2]-mean, p[3]-mean
		e, f, g, h := p[4]-mean, p[5]-mean, p[6]-mean, p[7]-mean
		lanes[0] += float64(a * a)
		lanes[1] += float64(b * b)
		lanes[2] += float64(c * c)
		lanes[3] += float64(d * d)
		lanes[4] += float64(e * e)
		lanes[5] += float64(f * f)
		lanes[6] += float64(g * g)
		lanes[7] += float64(h * h)
		x = x[8:]
	}
	for i, v := range x {
		lanes[i] += float64((v - mean) * (v - mean))
	}
	return pairwise(&lanes)
}

// Fit is a least-squares line.
type Fit struct {
	Slope, Intercept float64
	R                float64 // Pearson's correlation
}

// Linreg fits y = Intercept + Slope x. Below two rows the line is level and R is
// NaN. If x does not vary, all three are NaN.
func Linreg(x, y Numbers, pause Pause) (fit Fit, n int, err error) {
	var sx, sy total
	n, err = pairs(x.floats(), y.floats(), pause, func(x, y []float64) error {
		sx.add(sumBlock(x))
		sy.add(sumBlock(y))
		return nil
	})
	if err != nil {
		return Fit{}, n, err
	}
	mx, my := canonical(sx.value()/float64(n)), canonical(sy.value()/float64(n))
	if n < 2 {
		return Fit{0, my, nan}, n, nil
	}
	var xx, xy, yy total
	dx, dy := make([]float64, block), make([]float64, block)
	_, err = pairs(x.floats(), y.floats(), pause, func(x, y []float64) error {
		for i := range x {
			dx[i], dy[i] = x[i]-mx, y[i]-my
		}
		dx, dy := dx[:len(x)], dy[:len(x)]
		xx.add(dotBlock(dx, dx))
		xy.add(dotBlock(dx, dy))
		yy.add(dotBlock(dy, dy))
		return nil
	})
	slope := xy.value() / xx.value()
	return Fit{
		Slope:     canonical(slope),
		Intercept: canonical(my - float64(slope*mx)),
		R:         canonical(xy.value() / float64(math.Sqrt(xx.value())*math.Sqrt(yy.value()))),
	}, n, err
}
