package kernel

import "cmp"

// block is how many values a kernel is given at once: few enough to stay in the
// first cache, and that sums within it lose little.
const block = 1024

// blocks calls fn with the values that are not null, in order. All blocks but the
// last are full, wherever the pieces end and the nulls are: so an answer does not
// depend on that. It returns how many values there were.
func blocks[T Element](c cursor[T], pause Pause, fn func([]T)) (n int, err error) {
	pace := pacer{pause: pause}
	defer pace.end(&err)
	var held []T // of a block that is not full
	for {
		take := min(c.left(), block)
		if take == 0 {
			break
		}
		p := c.take(take)
		if p.Validity == nil && len(held) == 0 && (take == block || c.left() == 0) {
			fn(p.Values)
			n += take
		} else {
			if held == nil {
				held = make([]T, 0, 2*block)
			}
			held = p.appendTo(held)
			if len(held) >= block {
				fn(held[:block])
				n += block
				held = held[:copy(held, held[block:])]
			}
		}
		if err := pace.add(take); err != nil {
			return n, err
		}
	}
	if len(held) > 0 {
		fn(held)
	}
	return n + len(held), pace.flush()
}

// appendTo appends the values that are not null to a slice with room for all.
func (p Piece[T]) appendTo(held []T) []T {
	if p.Validity == nil {
		return append(held, p.Values...)
	}
	n := len(held)
	room := held[:n+len(p.Values)]
	for i, v := range p.Values {
		room[n] = v // kept if n moves on
		n += p.set(i)
	}
	return room[:n]
}

// pairs calls fn with the rows in which neither vector is null, in blocks as above.
func pairs[A, B Element](a cursor[A], b cursor[B], pause Pause, fn func([]A, []B) error) (n int, err error) {
	pace := pacer{pause: pause}
	defer pace.end(&err)
	var as []A
	var bs []B
	for {
		take := min(a.left(), b.left(), block)
		if take == 0 {
			break
		}
		p, q := a.take(take), b.take(take)
		if p.Validity == nil && q.Validity == nil && len(as) == 0 && (take == block || a.left() == 0) {
			err = fn(p.Values, q.Values)
			n += take
		} else {
			if as == nil {
				as, bs = make([]A, 0, 2*block), make([]B, 0, 2*block)
			}
			as, bs = appendPairs(as, bs, p, q)
			if len(as) >= block {
				err = fn(as[:block], bs[:block])
				n += block
				as, bs = as[:copy(as, as[block:])], bs[:copy(bs, bs[block:])]
			}
		}
		if err = cmp.Or(err, pace.add(take)); err != nil {
			return n, err
		}
	}
	if a.left() != b.left() {
		return n, ErrLengths
	}
	if len(as) > 0 {
		if err := fn(as, bs); err != nil {
			return n, err
		}
	}
	return n + len(as), pace.flush()
}

func appendPairs[A, B Element](as []A, bs []B, p Piece[A], q Piece[B]) ([]A, []B) {
	for i, v := range p.Values {
		if p.valid(i) && q.valid(i) {
			as, bs = append(as, v), append(bs, q.Values[i])
		}
	}
	return as, bs
}
