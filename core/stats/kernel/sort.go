package kernel

import (
	"cmp"
	"math"
	"slices"
)

// Sort writes the values in ascending order to out, which has room for as many as the
// vector has rows, and may be the vector's memory if that is one piece. It returns
// how many there are. Equal values are alike, so there is nothing to keep stable.
func Sort[T Element](v Values[T], out []T, pause Pause) (n int, err error) {
	n, err = gather(v.cursor(), out, pause)
	if err != nil {
		return n, err
	}
	out = out[:n]
	s := sorter{pace: pacer{pause: pause}}
	defer s.pace.end(&err)
	if err := inParts(out, &s.pace, func(part []T) { toKeys(part) }); err != nil {
		return n, err
	}
	if err := s.sort(keysOf(out), 0); err != nil {
		return n, err
	}
	if err := inParts(out, &s.pace, func(part []T) { fromKeys(part) }); err != nil {
		return n, err
	}
	return n, s.pace.flush()
}

// gather copies the values that are not null to out. It does not write ahead of
// what it reads: out may be the memory that it reads.
func gather[T Element](c cursor[T], out []T, pause Pause) (n int, err error) {
	pace := pacer{pause: pause}
	defer pace.end(&err)
	for {
		take := min(c.left(), block)
		if take == 0 {
			return n, pace.flush()
		}
		if len(out)-n < take {
			return n, ErrLengths
		}
		n = len(c.take(take).appendTo(out[:n]))
		if err := pace.add(take); err != nil {
			return n, err
		}
	}
}

func inParts[T any](values []T, pace *pacer, fn func([]T)) error {
	for len(values) > 0 {
		part := values[:min(len(values), pauseEvery)]
		fn(part)
		values = values[len(part):]
		if err := pace.add(len(part)); err != nil {
			return err
		}
	}
	return nil
}

// Quantiles writes, for each q between 0 and 1, the value that lies at that share of
// the sorted values, interpolated linearly between the two nearest (Hyndman and Fan,
// 1996, type 7: the default of numpy and pandas). Of nothing, and with a NaN among the
// values, they are NaN. It needs room for as many values as the vector has rows,
// which may be the vector's own memory; the room's content is lost.
func Quantiles(v Numbers, q, out, room []float64, pause Pause) (n int, err error) {
	if len(out) < len(q) {
		return 0, ErrLengths
	}
	s := sorter{pace: pacer{pause: pause}}
	defer s.pace.end(&err)
	outside := false
	err = inParts(q, &s.pace, func(part []float64) {
		outside = outside || slices.ContainsFunc(part, func(q float64) bool { return !(q >= 0 && q <= 1) })
	})
	if outside {
		return 0, ErrRange
	}
	if err = cmp.Or(err, s.pace.flush()); err != nil {
		return 0, err
	}
	if n, err = gather(v.floats(), room, pause); err != nil {
		return n, err
	}
	room = room[:n]
	isNaN := n == 0
	err = inParts(room, &s.pace, func(part []float64) {
		for _, v := range part {
			isNaN = isNaN || v != v
		}
		toKeys(part)
	})
	if err != nil {
		return n, err
	}
	if !isNaN {
		if err := s.toRanks(keysOf(room), q); err != nil {
			return n, err
		}
	}
	keys, i := keysOf(room), 0
	err = inParts(q, &s.pace, func(part []float64) {
		for _, q := range part {
			if out[i] = nan; !isNaN {
				low, high, share := Place(n, q)
				out[i] = Between(keyFloat(keys[low]), keyFloat(keys[high]), share)
			}
			i++
		}
	})
	return n, err
}

// maxRanks bounds the quantiles whose ranks are listed. For more quantiles everything is
// sorted: the list would take room.
const maxRanks = 1024

// toRanks sorts keys as far as quantiles need it.
func (s *sorter) toRanks(keys []uint64, q []float64) error {
	if len(q) <= maxRanks {
		s.ranks = make([]int, 0, 2*len(q))
		for _, q := range q {
			low, high, _ := Place(len(keys), q)
			s.ranks = append(s.ranks, low, high)
		}
		slices.Sort(s.ranks)
	}
	return s.sort(keys, 0)
}

// Place says where quantile q of n sorted values lies: a share of the way from the
// value at low to the value at high.
func Place(n int, q float64) (low, high int, share float64) {
	at := float64(q * float64(n-1))
	low = min(int(math.Floor(at)), n-1)
	return low, min(low+1, n-1), at - float64(low)
}

// Between returns what lies a share of the way from low to high.
func Between(low, high, share float64) float64 {
	switch {
	case share == 0:
		return low // so that an infinite neighbour does not matter
	case math.IsInf(high-low, 0) && !math.IsInf(low, 0) && !math.IsInf(high, 0):
		return float64(low*(1-share)) + float64(high*share) // their distance overflows
	}
	return canonical(low + float64((high-low)*share))
}
