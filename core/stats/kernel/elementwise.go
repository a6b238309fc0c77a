package kernel

import "math"

// Operation is what [Elementwise] does.
type Operation int32

// The operations.
const (
	Add Operation = iota
	Sub
	Mul
	Ratio // x / y, and 0 where both are 0
	Sqrt  // of x
	Abs   // of x
)

// Elementwise writes what an operation makes of each row of x and y, or of x alone. All
// have one length. Rows are taken in order, and out may be the memory of x or y.
func Elementwise(op Operation, x, y, out []float64, pause Pause) (err error) {
	if op < Add || op > Abs {
		return ErrRange
	}
	if len(x) != len(out) || len(y) != len(out) {
		return ErrLengths
	}
	pace := pacer{pause: pause}
	defer pace.end(&err)
	for len(out) > 0 {
		n := min(len(out), pauseEvery)
		operate(op, x[:n], y[:n], out[:n])
		x, y, out = x[n:], y[n:], out[n:]
		if err := pace.add(n); err != nil {
			return err
		}
	}
	return pace.flush()
}

func operate(op Operation, x, y, out []float64) {
	y, out = y[:len(x)], out[:len(x)]
	switch op {
	case Add:
		for i, v := range x {
			out[i] = canonical(v + y[i])
		}
	case Sub:
		for i, v := range x {
			out[i] = canonical(v - y[i])
		}
	case Mul:
		for i, v := range x {
			out[i] = canonical(v * y[i])
		}
	case Ratio:
		for i, v := range x {
			out[i] = ratio(v, y[i])
		}
	case Sqrt:
		for i, v := range x {
			out[i] = canonical(math.Sqrt(v))
		}
	case Abs:
		for i, v := range x {
			out[i] = canonical(math.Abs(v))
		}
	}
}

func ratio(x, y float64) float64 {
	if x == 0 && y == 0 {
		return 0
	}
	return canonical(x / y)
}
