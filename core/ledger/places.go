package ledger

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// blockSize is how many positions a block has: enough that a term's sets cost little
// beside the records, few enough that a block is read in some ten milliseconds.
const blockSize = 4096

func blockAt(position uint64) uint32 { return uint32(position / blockSize) }
func placeAt(position uint64) uint16 { return uint16(position % blockSize) }

func positionOf(block uint32, place int) uint64 { return uint64(block)*blockSize + uint64(place) }

// bitset has a bit for each place of a block.
type bitset [blockSize / 64]uint64

func (b *bitset) add(place uint16)    { b[place/64] |= 1 << (place % 64) }
func (b *bitset) remove(place uint16) { b[place/64] &^= 1 << (place % 64) }
func (b *bitset) empty() bool         { return *b == bitset{} }

func (b *bitset) and(o *bitset) {
	for i := range b {
		b[i] &= o[i]
	}
}

func (b *bitset) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// from keeps the places from low up to, and without, high.
func (b *bitset) from(low, high int) {
	for i := range b {
		b[i] &= ^mask(low-64*i) & mask(high-64*i)
	}
}

// mask has the lowest n bits of a word.
func mask(n int) uint64 {
	if n <= 0 {
		return 0
	}
	return ^uint64(0) >> (64 - min(n, 64))
}

// takeLowest removes the lowest place and returns it, and takeHighest the highest.
func (b *bitset) takeLowest() (place int, ok bool) {
	for i := range b {
		if b[i] != 0 {
			at := bits.TrailingZeros64(b[i])
			b[i] &^= 1 << at
			return 64*i + at, true
		}
	}
	return 0, false
}

func (b *bitset) takeHighest() (place int, ok bool) {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0 {
			at := bits.Len64(b[i]) - 1
			b[i] &^= 1 << at
			return 64*i + at, true
		}
	}
	return 0, false
}

// places is a set of places of a block. Most terms are those of few records: up to
// fewPlaces are a sorted list.
type places struct {
	few  []uint16
	many *bitset // if not nil, few is not used
}

const fewPlaces = 32

func (p *places) add(place uint16) {
	if p.many != nil {
		p.many.add(place)
		return
	}
	at, found := slices.BinarySearch(p.few, place)
	switch {
	case found:
	case len(p.few) < fewPlaces:
		p.few = slices.Insert(p.few, at, place)
	default:
		many := &bitset{}
		p.addTo(many)
		many.add(place)
		p.few, p.many = nil, many
	}
}

func (p *places) remove(place uint16) {
	if p.many != nil {
		p.many.remove(place)
		return
	}
	if at, found := slices.BinarySearch(p.few, place); found {
		p.few = slices.Delete(p.few, at, at+1)
	}
}

func (p *places) empty() bool {
	return len(p.few) == 0 && (p.many == nil || p.many.empty())
}

func (p *places) count() int {
	if p.many != nil {
		return p.many.count()
	}
	return len(p.few)
}

// addTo adds the places to a bitset.
func (p *places) addTo(b *bitset) {
	if p.many != nil {
		for i := range b {
			b[i] |= p.many[i]
		}
		return
	}
	for _, place := range p.few {
		b.add(place)
	}
}

// An index entry is the id of the seal that it is of, and then the places: their
// number; and each, two bytes, or a bit for each of the block where that is shorter.
func (p *places) encode(seal uint64) []byte {
	n := p.count()
	b := binary.AppendUvarint(make([]byte, 0, 16+min(2*n, blockSize/8)), seal)
	b = binary.AppendUvarint(b, uint64(n))
	if 2*n < blockSize/8 {
		var set bitset
		p.addTo(&set)
		for place, ok := set.takeLowest(); ok; place, ok = set.takeLowest() {
			b = binary.LittleEndian.AppendUint16(b, uint16(place))
		}
		return b
	}
	for _, w := range p.many { // so many are never few
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// entryHead reads of an index entry whose seal it is of and how many places it has.
func entryHead(b []byte) (seal uint64, n int, rest []byte, err error) {
	seal, used := binary.Uvarint(b)
	count, more := binary.Uvarint(b[max(used, 0):])
	if used <= 0 || more <= 0 || count > blockSize {
		return 0, 0, nil, fmt.Errorf("%w: an index entry of %d bytes", ErrCorrupt, len(b))
	}
	return seal, int(count), b[used+more:], nil
}

// decodeEntry adds the places of an index entry to a bitset.
func decodeEntry(b []byte, into *bitset) error {
	_, n, rest, err := entryHead(b)
	if err != nil {
		return err
	}
	switch {
	case 2*n < blockSize/8 && len(rest) == 2*n:
		for ; len(rest) > 0; rest = rest[2:] {
			into.add(binary.LittleEndian.Uint16(rest) % blockSize)
		}
	case 2*n >= blockSize/8 && len(rest) == blockSize/8:
		for i := range into {
			into[i] |= binary.LittleEndian.Uint64(rest[8*i:])
		}
	default:
		return fmt.Errorf("%w: an index entry of %d places has %d bytes", ErrCorrupt, n, len(b))
	}
	return nil
}

// placesOf are the places of a bitset.
func placesOf(b *bitset) *places {
	if b.count() > fewPlaces {
		return &places{many: b}
	}
	p := &places{}
	for place, ok := b.takeLowest(); ok; place, ok = b.takeLowest() {
		p.few = append(p.few, uint16(place))
	}
	return p
}
