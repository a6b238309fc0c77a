package kernel

import (
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// Numbers are sorted by keys: unsigned integers in the same order. Float keys put -0
// before 0 and NaN last.

const signBit = 1 << 63

func floatKey(v float64) uint64 {
	if v != v {
		v = nan
	}
	b := math.Float64bits(v)
	return b ^ (uint64(int64(b)>>63) | signBit) // negative: all bits; positive: the sign
}

func keyFloat(k uint64) float64 {
	return math.Float64frombits(k ^ (^uint64(int64(k)>>63) | signBit))
}

// keysOf is the memory of numbers as that of keys.
func keysOf[T Element](values []T) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(values))), len(values))
}

// toKeys turns numbers into keys where they are.
func toKeys[T Element](values []T) []uint64 {
	keys := keysOf(values)
	switch values := any(values).(type) {
	case []float64:
		for i, v := range values {
			keys[i] = floatKey(v)
		}
	case []int64:
		for i := range keys {
			keys[i] ^= signBit
		}
	}
	return keys
}

// fromKeys turns them back.
func fromKeys[T Element](values []T) {
	keys := keysOf(values)
	switch values := any(values).(type) {
	case []float64:
		for i, k := range keys {
			values[i] = keyFloat(k)
		}
	case []int64:
		for i := range keys {
			keys[i] ^= signBit
		}
	}
}

// sorter sorts keys. Many are split in place by their first digit that differs
// (American flag sort: McIlroy, Bostic and McIlroy, 1993), until they are few enough
// to be sorted from the last digit on beside a fixed room. So it needs no room that
// grows, has no bad input, and can stop anywhere.
type sorter struct {
	pace  pacer
	ranks []int // sort as much as puts the right keys at these; nil: all
	room  []uint64
}

const (
	small = 64      // so many are sorted sooner by the standard library
	local = 1 << 15 // so many stay in the second cache
)

// sort sorts keys, the first of which has that rank among all.
func (s *sorter) sort(keys []uint64, first int) error {
	if !s.wanted(first, first+len(keys)) {
		return nil
	}
	if len(keys) <= small {
		slices.Sort(keys)
		return s.pace.add(4 * len(keys))
	}
	differ, err := s.survey(keys)
	if err != nil || differ == 0 {
		return err
	}
	if len(keys) <= local {
		return s.pace.add(s.sortLocal(keys, differ))
	}
	shift := uint(max(bits.Len64(differ)-8, 0))
	ends, err := s.split(keys, shift)
	if err != nil || shift == 0 {
		return err
	}
	start := 0
	for _, end := range ends {
		if end-start > 1 {
			if err := s.sort(keys[start:end], first+start); err != nil {
				return err
			}
		}
		start = end
	}
	return nil
}

// sortLocal sorts from the last digit in which keys differ to the first, and returns
// how much work that was.
func (s *sorter) sortLocal(keys []uint64, differ uint64) (work int) {
	if s.room == nil {
		s.room = make([]uint64, local)
	}
	from, to := keys, s.room[:len(keys)]
	for shift := 0; shift < 64; shift += 8 {
		if byte(differ>>shift) == 0 {
			continue
		}
		var next [256]uint32
		for _, k := range from {
			next[byte(k>>shift)]++
		}
		starts(&next)
		for _, k := range from {
			d := byte(k >> shift)
			to[next[d]] = k
			next[d]++
		}
		from, to = to, from
		work += len(keys)
	}
	if &from[0] != &keys[0] {
		copy(keys, from)
	}
	return work
}

// starts turns counts into where each begins.
func starts(counts *[256]uint32) {
	sum := uint32(0)
	for d, n := range counts {
		counts[d] = sum
		sum += n
	}
}

// wanted reports whether a rank within the limits is asked for.
func (s *sorter) wanted(from, to int) bool {
	if s.ranks == nil {
		return true
	}
	i, _ := slices.BinarySearch(s.ranks, from)
	return i < len(s.ranks) && s.ranks[i] < to
}

// survey returns the bits in which keys differ, or 0 if they are sorted already.
func (s *sorter) survey(keys []uint64) (differ uint64, err error) {
	sorted := true
	first, last := keys[0], keys[0]
	for rest := keys; len(rest) > 0; {
		part := rest[:min(len(rest), pauseEvery)]
		for _, k := range part {
			differ |= k ^ first
			sorted = sorted && k >= last
			last = k
		}
		rest = rest[len(part):]
		if err := s.pace.add(len(part)); err != nil {
			return 0, err
		}
	}
	if sorted {
		differ = 0
	}
	return differ, nil
}

// split puts keys in the order of one digit and returns where each of its values
// ends.
func (s *sorter) split(keys []uint64, shift uint) (ends [256]int, err error) {
	for rest := keys; len(rest) > 0; {
		part := rest[:min(len(rest), pauseEvery)]
		for _, k := range part {
			ends[byte(k>>shift)]++
		}
		rest = rest[len(part):]
		if err := s.pace.add(len(part)); err != nil {
			return ends, err
		}
	}
	next := begins(&ends)
	steps := 0
	for d := range next {
		for next[d] < ends[d] {
			k := keys[next[d]]
			if at := int(byte(k >> shift)); at != d {
				keys[next[d]], keys[next[at]] = keys[next[at]], k
				next[at]++
			} else {
				next[d]++
			}
			if steps++; steps == pauseEvery {
				steps = 0
				if err := s.pace.add(2 * pauseEvery); err != nil {
					return ends, err
				}
			}
		}
	}
	return ends, s.pace.add(2 * steps)
}

// begins turns counts into where each ends, and returns where each begins.
func begins(counts *[256]int) (next [256]int) {
	sum := 0
	for d, n := range counts {
		next[d] = sum
		sum += n
		counts[d] = sum
	}
	return next
}
