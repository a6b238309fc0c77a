package kernel

import "cmp"

// Cumsum writes the sum of each row and those before it, added from the first to
// the last. A null adds nothing. out has the vector's length and may be its own
// memory. Integers that overflow on the way are [ErrOverflow].
func Cumsum[T Element](v Values[T], out []T, pause Pause) (err error) {
	if len(out) < v.Len() {
		return ErrLengths
	}
	pace := pacer{pause: pause}
	defer pace.end(&err)
	c := v.cursor()
	var sum T
	for {
		take := min(c.left(), block)
		if take == 0 {
			return pace.flush()
		}
		p := c.take(take)
		copyOrZero(p, out)
		var err error
		switch out := any(out[:take]).(type) {
		case []float64:
			sum = T(cumulate(out, float64(sum)))
		case []int64:
			var s int64
			s, err = cumulateInts(out, int64(sum))
			sum = T(s)
		}
		if err = cmp.Or(err, pace.add(take)); err != nil {
			return err
		}
		out = out[take:]
	}
}

func cumulate(x []float64, sum float64) float64 {
	for i, v := range x {
		sum += v
		x[i] = sum
	}
	if sum == sum {
		return sum
	}
	for i, v := range x { // it stays NaN: make it the one
		x[i] = canonical(v)
	}
	return nan
}

func cumulateInts(x []int64, sum int64) (int64, error) {
	for i, v := range x {
		next := sum + v
		if (next < sum) != (v < 0) {
			return 0, ErrOverflow
		}
		sum = next
		x[i] = sum
	}
	return sum, nil
}
