package ledger

import (
	"math/bits"
	"slices"
	"strings"
)

// chunk is some neighbouring records in the order of their keys, and for each term
// that any of them shares with another record, which of them have it.
type chunk[T any] struct {
	items []*item[T]
	terms map[*shared]*bitset
}

// shared is a term that more than one record has had.
type shared struct{ n int } // how many have it

// bitset has a bit for each place in a chunk.
type bitset [chunkSize / 64]uint64

// chunkSize is the most records in a chunk: large enough for the sets to cost
// little beside them, small enough to look through in a microsecond.
const chunkSize = 512

// place finds a key, or where it belongs.
func (c *chunk[T]) place(key string) (at int, found bool) {
	return slices.BinarySearchFunc(c.items, key, func(it *item[T], key string) int { return strings.Compare(it.key, key) })
}

func (c *chunk[T]) insert(at int, it *item[T]) {
	if at == len(c.items) {
		c.items = append(c.items, it)
		return
	}
	c.items = slices.Insert(c.items, at, it)
	for _, set := range c.terms {
		set.insert(at)
	}
}

func (c *chunk[T]) remove(at int) {
	c.items = slices.Delete(c.items, at, at+1)
	for _, set := range c.terms {
		set.remove(at)
	}
}

// half moves the upper half of a full chunk to a new one.
func (c *chunk[T]) half() *chunk[T] {
	const words = len(bitset{}) / 2
	upper := &chunk[T]{items: slices.Clone(c.items[chunkSize/2:]), terms: map[*shared]*bitset{}}
	clear(c.items[chunkSize/2:])
	c.items = c.items[:chunkSize/2]
	for t, set := range c.terms {
		moved := bitset{}
		copy(moved[:words], set[words:])
		clear(set[words:])
		if moved != (bitset{}) {
			upper.terms[t] = &moved
		}
		if *set == (bitset{}) {
			delete(c.terms, t)
		}
	}
	return upper
}

func (c *chunk[T]) mark(t *shared, at int) {
	set, ok := c.terms[t]
	if !ok {
		set = &bitset{}
		c.terms[t] = set
	}
	set[at/64] |= 1 << (at % 64)
}

func (c *chunk[T]) unmark(t *shared, at int) {
	set := c.terms[t]
	set[at/64] &^= 1 << (at % 64)
	if *set == (bitset{}) {
		delete(c.terms, t)
	}
}

// with returns the places from low up to, and without, high whose records have all
// of some terms.
func (c *chunk[T]) with(terms []*shared, low, high int) (set bitset) {
	if low >= high {
		return set
	}
	for w := range set {
		set[w] = ^uint64(0)
	}
	for _, t := range terms {
		has, ok := c.terms[t]
		if !ok {
			return bitset{}
		}
		for w := range set {
			set[w] &= has[w]
		}
	}
	for w := range set {
		set[w] &= ^mask(low-64*w) & mask(high-64*w)
	}
	return set
}

// mask has the lowest n bits of a word.
func mask(n int) uint64 {
	if n <= 0 {
		return 0
	}
	return ^uint64(0) >> (64 - min(n, 64))
}

// insert makes room at a place, moving those above it up.
func (b *bitset) insert(at int) {
	w := at / 64
	low := mask(at % 64)
	carry := b[w] >> 63
	b[w] = b[w]&low | b[w]&^low<<1
	for w++; w < len(b); w++ {
		b[w], carry = b[w]<<1|carry, b[w]>>63
	}
}

// remove takes a place out, moving those above it down.
func (b *bitset) remove(at int) {
	w := at / 64
	low := mask(at % 64)
	b[w] = b[w]&low | b[w]>>1&^low
	for ; w+1 < len(b); w++ {
		b[w] |= b[w+1] << 63
		b[w+1] >>= 1
	}
}

// lowest takes the lowest place out, and highest the highest.
func (b *bitset) lowest() (at int, ok bool) {
	for w := range b {
		if b[w] != 0 {
			at = bits.TrailingZeros64(b[w])
			b[w] &^= 1 << at
			return 64*w + at, true
		}
	}
	return 0, false
}

func (b *bitset) highest() (at int, ok bool) {
	for w := len(b) - 1; w >= 0; w-- {
		if b[w] != 0 {
			at = bits.Len64(b[w]) - 1
			b[w] &^= 1 << at
			return 64*w + at, true
		}
	}
	return 0, false
}
