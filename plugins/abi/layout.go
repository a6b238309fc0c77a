package abi

import "encoding/binary"

// Span is a range of bytes of an input's file. An empty one is nowhere.
type Span struct{ Offset, Bytes int64 }

// Layout says where the rows of a record batch are in an input's file: of each
// column the validity (empty: no row is null), the values and, of text, the offsets,
// as Validity, Values and Offsets number them. input_layout writes it as int64: the
// rows, then offset and bytes of each span.
type Layout struct {
	Rows    int64
	Columns [][3]Span
}

// LayoutSize is the size in bytes of a layout of so many columns.
func LayoutSize(columns int) int { return 8 + 48*columns }

// DecodeLayout reads what input_layout writes.
func DecodeLayout(raw []byte) Layout {
	at := func(n int) int64 { return int64(binary.LittleEndian.Uint64(raw[8*n:])) }
	l := Layout{Rows: at(0), Columns: make([][3]Span, (len(raw)-8)/48)}
	for c := range l.Columns {
		for s := range l.Columns[c] {
			n := 1 + 6*c + 2*s
			l.Columns[c][s] = Span{Offset: at(n), Bytes: at(n + 1)}
		}
	}
	return l
}
