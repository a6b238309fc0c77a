package ledger

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/s2"
)

// packer makes records at rest small. Records of a kind are much alike, so each is
// written as its difference from a dictionary of records seen before, and with its
// digests shortened: a quarter of its JSON, and unpacked in a microsecond. It may be
// used concurrently.
type packer struct {
	newest  atomic.Pointer[dictionary]
	scratch sync.Pool // of *scratch, so that only what is kept is allocated
}

type scratch struct{ short, packed []byte }

// dictionary is some records. It never changes: a new one takes its place where it
// no longer helps, and records packed with it keep it.
type dictionary struct {
	dict    *s2.Dict
	text    []byte
	changes int
}

const (
	dictionarySize = 32 << 10 // bytes; older text is dropped first
	largestPacked  = 8 << 10  // a larger record is no sample
	mostChanges    = 64       // of dictionaries, so that what does not pack well does not keep us busy
)

// pack returns data packed, and what with: a byte says how many digests are in it.
// The result is a copy that has no room to spare, also where data does not pack, and
// is returned as it is, with nil.
func (p *packer) pack(data []byte) ([]byte, *s2.Dict) {
	b, _ := p.scratch.Get().(*scratch)
	if b == nil {
		b = &scratch{}
	}
	defer p.scratch.Put(b)
	short, digests, ok := shorten(b.short[:0], data)
	if b.short = short; !ok {
		return exactly(data), nil
	}
	d := p.newest.Load()
	if d == nil || d.dict == nil && d.changes < mostChanges {
		d = p.learn(d, short)
	}
	if d.dict == nil {
		return exactly(data), nil
	}
	b.packed = slices.Grow(b.packed[:0], 1+s2.MaxEncodedLen(len(short)))
	b.packed = append(b.packed, byte(digests))
	n := len(d.dict.Encode(b.packed[1:cap(b.packed)], short))
	if n > len(short)/2 && len(short) <= largestPacked && d.changes < mostChanges {
		p.learn(d, short) // for those like it that come
	}
	if 1+n >= len(data) {
		return exactly(data), nil
	}
	return exactly(b.packed[:1+n]), d.dict
}

func exactly(data []byte) []byte { return append(make([]byte, 0, len(data)), data...) }

// learn adds a record to the dictionary, unless another has been added meanwhile.
func (p *packer) learn(old *dictionary, data []byte) *dictionary {
	next := &dictionary{}
	if old != nil {
		next.text, next.changes = old.text, old.changes+1
	}
	next.text = append(append([]byte{}, next.text...), data...)
	next.text = next.text[max(0, len(next.text)-dictionarySize):]
	next.dict = s2.MakeDict(next.text, nil) // nil for too short a text
	p.newest.CompareAndSwap(old, next)
	return p.newest.Load()
}

// unpack returns what was packed. It panics where that is not possible: packed
// data is ours and never leaves memory.
func unpack(into, packed []byte, with *s2.Dict) []byte {
	if with == nil {
		return append(into, packed...)
	}
	digests, packed := int(packed[0]), packed[1:]
	n, err := s2.DecodedLen(packed)
	if err != nil {
		panic("ledger: packed record: " + err.Error())
	}
	start, room := len(into), digests*digestSaves
	into = append(into, make([]byte, room+n)...)
	out, err := with.Decode(into[start+room:start+room:len(into)], packed)
	if err != nil || len(out) != n {
		panic("ledger: a packed record does not unpack")
	}
	lengthen(into[start:], digests)
	return into
}
