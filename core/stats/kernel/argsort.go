package kernel

import (
	"math/bits"
	"slices"
)

// Argsort writes the rows that are not null to out, in the ascending order of their
// values and, where those are equal, of the rows. It needs room for as many values
// as the vector has rows. It returns how many rows it wrote.
func Argsort[T Element](v Values[T], out []uint32, room []T, pause Pause) (n int, err error) {
	rows := v.Len()
	if len(out) < rows || len(room) < rows {
		return 0, ErrLengths
	}
	a := argsorter{pace: pacer{pause: pause}}
	defer a.pace.end(&err)
	c := v.cursor()
	row := 0
	for {
		take := min(c.left(), block)
		if take == 0 {
			break
		}
		p := c.take(take)
		for i, v := range p.Values {
			if p.valid(i) {
				out[n], room[n] = uint32(row+i), v
				n++
			}
		}
		row += take
		if err := a.pace.add(take); err != nil {
			return n, err
		}
	}
	if err := inParts(room[:n], &a.pace, func(part []T) { toKeys(part) }); err != nil {
		return n, err
	}
	if err := a.sort(keysOf(room[:n]), out[:n]); err != nil {
		return n, err
	}
	return n, a.pace.flush()
}

// argsorter sorts keys together with rows, as sorter does: by key, then by row.
type argsorter struct {
	pace pacer
	keys []uint64 // room
	rows []uint32
}

// few is how many pairs are sorted by insertion.
const few = 24

func (a *argsorter) sort(keys []uint64, rows []uint32) error {
	if len(keys) <= few {
		insert(keys, rows)
		return a.pace.add(4 * len(keys))
	}
	differ, rowsDiffer, err := a.survey(keys, rows)
	if err != nil || differ == 0 && rowsDiffer == 0 {
		return err
	}
	if len(keys) <= local {
		return a.pace.add(a.sortLocal(keys, rows, differ))
	}
	var ends [256]int
	last := false
	if differ != 0 {
		shift := uint(max(bits.Len64(differ)-8, 0))
		ends, err = a.split(keys, rows, func(k uint64, _ uint32) byte { return byte(k >> shift) })
	} else {
		shift := uint(max(bits.Len32(rowsDiffer)-8, 0))
		ends, err = a.split(keys, rows, func(_ uint64, r uint32) byte { return byte(r >> shift) })
		last = shift == 0
	}
	if err != nil || last {
		return err
	}
	start := 0
	for _, end := range ends {
		if end-start > 1 {
			if err := a.sort(keys[start:end], rows[start:end]); err != nil {
				return err
			}
		}
		start = end
	}
	return nil
}

// sortLocal sorts by key from the last digit on, and then the rows of equal keys.
func (a *argsorter) sortLocal(keys []uint64, rows []uint32, differ uint64) (work int) {
	if a.keys == nil {
		a.keys, a.rows = make([]uint64, local), make([]uint32, local)
	}
	from, to := keys, a.keys[:len(keys)]
	fromRows, toRows := rows, a.rows[:len(rows)]
	for shift := 0; shift < 64; shift += 8 {
		if byte(differ>>shift) == 0 {
			continue
		}
		var next [256]uint32
		for _, k := range from {
			next[byte(k>>shift)]++
		}
		starts(&next)
		for i, k := range from {
			d := byte(k >> shift)
			at := next[d]
			to[at], toRows[at] = k, fromRows[i]
			next[d]++
		}
		from, to, fromRows, toRows = to, from, toRows, fromRows
		work += 2 * len(keys)
	}
	if &from[0] != &keys[0] {
		copy(keys, from)
		copy(rows, fromRows)
	}
	for start := 0; start < len(keys); {
		end := start + 1
		for end < len(keys) && keys[end] == keys[start] {
			end++
		}
		slices.Sort(rows[start:end])
		start = end
	}
	return work + 4*len(keys)
}

func insert(keys []uint64, rows []uint32) {
	for i := 1; i < len(keys); i++ {
		k, r := keys[i], rows[i]
		at := i
		for ; at > 0 && (keys[at-1] > k || keys[at-1] == k && rows[at-1] > r); at-- {
			keys[at], rows[at] = keys[at-1], rows[at-1]
		}
		keys[at], rows[at] = k, r
	}
}

// survey returns the bits in which the keys and the rows differ, or zeros if they
// are sorted already.
func (a *argsorter) survey(keys []uint64, rows []uint32) (differ uint64, rowsDiffer uint32, err error) {
	sorted := true
	for start := 0; start < len(keys); start += pauseEvery {
		end := min(start+pauseEvery, len(keys))
		for i := max(start, 1); i < end; i++ {
			k, r := keys[i], rows[i]
			differ |= k ^ keys[0]
			rowsDiffer |= r ^ rows[0]
			sorted = sorted && (k > keys[i-1] || k == keys[i-1] && r > rows[i-1])
		}
		if err := a.pace.add(end - start); err != nil {
			return 0, 0, err
		}
	}
	if sorted {
		return 0, 0, nil
	}
	return differ, rowsDiffer, nil
}

// split puts pairs in the order of one digit and returns where each of its values
// ends.
func (a *argsorter) split(keys []uint64, rows []uint32, digit func(uint64, uint32) byte) (ends [256]int, err error) {
	for start := 0; start < len(keys); start += pauseEvery {
		end := min(start+pauseEvery, len(keys))
		for i := start; i < end; i++ {
			ends[digit(keys[i], rows[i])]++
		}
		if err := a.pace.add(end - start); err != nil {
			return ends, err
		}
	}
	next := begins(&ends)
	steps := 0
	for d := range next {
		for next[d] < ends[d] {
			from := next[d]
			k, r := keys[from], rows[from]
			if at := int(digit(k, r)); at != d {
				to := next[at]
				keys[from], keys[to] = keys[to], k
				rows[from], rows[to] = rows[to], r
				next[at]++
			} else {
				next[d]++
			}
			if steps++; steps == pauseEvery {
				steps = 0
				if err := a.pace.add(4 * pauseEvery); err != nil {
					return ends, err
				}
			}
		}
	}
	return ends, a.pace.add(4 * steps)
}
