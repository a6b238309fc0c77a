package kernel

import (
	"encoding/binary"
	"math/bits"
)

// Texts is a column of text, in pieces.
type Texts interface {
	Pieces() int
	Piece(i int) TextPiece
}

// Text is a column of text whose pieces are all at hand.
type Text []TextPiece

// Pieces implements [Texts].
func (t Text) Pieces() int { return len(t) }

// Piece implements [Texts].
func (t Text) Piece(i int) TextPiece { return t[i] }

// TextPiece is a stretch of it. Row i is Bytes from Offsets[i] to Offsets[i+1].
type TextPiece struct {
	Offsets  []int32 // one more than there are rows
	Bytes    []byte
	Validity []byte // as that of a Piece
	Offset   int
}

// Rows is the number of rows.
func (p TextPiece) Rows() int { return max(len(p.Offsets)-1, 0) }

func (p TextPiece) at(row int) []byte { return p.Bytes[p.Offsets[row]:p.Offsets[row+1]] }

func (p TextPiece) valid(row int) bool {
	at := p.Offset + row
	return p.Validity == nil || p.Validity[at/8]>>(at%8)&1 == 1
}

// Distinct finds the texts that differ, in the order of their first rows: it writes
// those rows, and how many rows have the text, and returns how many texts there are. If
// there are more than rows and counts have room for, that is [ErrRange]. room must be as
// long as those, and slots twice as long.
func Distinct(t Texts, rows []uint32, counts, room []int64, slots []uint32, pause Pause) (n int, err error) {
	if len(counts) != len(rows) || len(room) != len(rows) || len(slots) != 2*len(rows) {
		return 0, ErrLengths
	}
	d := distinct{text: t, rows: rows, counts: counts, places: room, slots: slots, near: make([]nearPiece, min(t.Pieces(), maxNear)), pace: pacer{pause: pause}}
	defer d.pace.end(&err)
	if err := inParts(slots, &d.pace, func(part []uint32) { clear(part) }); err != nil {
		return 0, err
	}
	first := 0
	for i := range t.Pieces() {
		p := *d.piece(i)
		for row := range p.Rows() {
			if !p.valid(row) {
				if err := d.pace.add(1); err != nil {
					return d.n, err
				}
				continue
			}
			if err := d.add(p.at(row), uint32(first+row), int64(i)<<32|int64(row)); err != nil {
				return d.n, err
			}
		}
		first += p.Rows()
	}
	return d.n, d.pace.flush()
}

type distinct struct {
	text   Texts
	near   []nearPiece // of those with texts that were compared
	n      int
	rows   []uint32
	counts []int64
	places []int64  // of each text's first row: piece, and row in it
	slots  []uint32 // by hash: a text's number and one; 0 where there is none
	pace   pacer
}

// add counts a text. What it costs grows with the text, and with the slots that it
// finds taken, and with the texts there that are as long: whoever makes texts collide
// pays for it.
func (d *distinct) add(text []byte, row uint32, place int64) error {
	slot := 0
	if len(d.slots) > 0 {
		high, _ := bits.Mul64(hash(text), uint64(len(d.slots)))
		slot = int(high)
	}
	work := 1 + len(text)/8
	for d.n > 0 && d.slots[slot] != 0 {
		number := d.slots[slot] - 1
		at := d.places[number]
		other := d.piece(int(at >> 32)).at(int(uint32(at)))
		if len(other) == len(text) {
			work += len(text) / 8
		}
		if string(other) == string(text) {
			d.counts[number]++
			return d.pace.add(work)
		}
		if slot++; slot == len(d.slots) {
			slot = 0
		}
		if work++; work >= pauseEvery {
			if err := d.pace.add(work); err != nil {
				return err
			}
			work = 0
		}
	}
	if err := d.pace.add(work); err != nil {
		return err
	}
	if d.n == len(d.rows) {
		return ErrRange
	}
	d.rows[d.n], d.counts[d.n], d.places[d.n] = row, 1, place
	d.n++
	d.slots[slot] = uint32(d.n)
	return nil
}

// maxNear bounds the pieces that are kept at hand.
const maxNear = 1024

// nearPiece is a piece of the text, and one more than its number.
type nearPiece struct {
	next  int
	piece TextPiece
}

// piece returns a piece of the text. It keeps some at hand: to find one may take long.
func (d *distinct) piece(i int) *TextPiece {
	near := &d.near[i%len(d.near)]
	if near.next != i+1 {
		*near = nearPiece{i + 1, d.text.Piece(i)}
	}
	return &near.piece
}

// hash mixes eight bytes at a time. Nothing that is told depends on it.
func hash(text []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15
	h := uint64(len(text)) * odd
	for len(text) >= 8 {
		h = mix(h ^ binary.LittleEndian.Uint64(text))
		text = text[8:]
	}
	var last uint64
	for i, b := range text {
		last |= uint64(b) << (8 * i)
	}
	return mix(h ^ last)
}

func mix(h uint64) uint64 {
	high, low := bits.Mul64(h, 0xd6e8feb86659fd93)
	return (high ^ low) * 0x9e3779b97f4a7c15
}
