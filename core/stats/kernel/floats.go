package kernel

// Floats writes as many rows as out has room for, as floats: a null is 0. It returns
// how many of them are not null. There must be so many rows. It is called for every few
// thousand rows, so it has no room of its own.
func Floats(v Numbers, out []float64, pause Pause) (n int, err error) {
	if ints, ok := v.(Values[int64]); ok {
		return floats(ints.cursor(), out, pause)
	}
	return floats(v.floats(), out, pause)
}

func floats[T Element](c cursor[T], out []float64, pause Pause) (n int, err error) {
	pace := pacer{pause: pause}
	defer pace.end(&err)
	for len(out) > 0 {
		take := min(c.left(), block, len(out))
		if take == 0 {
			return n, ErrLengths
		}
		p := c.take(take)
		n += copyOrZero(p, out)
		out = out[take:]
		if err := pace.add(take); err != nil {
			return n, err
		}
	}
	return n, pace.flush()
}

// copyOrZero writes the values, and zeros for nulls. It returns how many values there
// were.
func copyOrZero[T, To Element](p Piece[T], out []To) (n int) {
	for i, v := range p.Values {
		out[i] = To(v)
	}
	if p.Validity == nil {
		return len(p.Values)
	}
	for i := range p.Values {
		set := p.set(i)
		if n += set; set == 0 {
			out[i] = 0
		}
	}
	return n
}

// From returns the vector without its first rows.
func (v Vector[T]) From(row int) Vector[T] {
	for len(v) > 0 && row >= len(v[0].Values) {
		row -= len(v[0].Values)
		v = v[1:]
	}
	if row == 0 || len(v) == 0 {
		return v
	}
	first := Piece[T]{Values: v[0].Values[row:], Validity: v[0].Validity, Offset: v[0].Offset + row}
	return append(Vector[T]{first}, v[1:]...)
}
