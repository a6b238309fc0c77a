package table

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Span is a range of bytes of a sealed file. An empty one is nowhere.
type Span struct{ Offset, Bytes int64 }

// Part names a part of a column, in Arrow's physical layout.
type Part int

// The parts of a column.
const (
	Validity Part = iota // a bit a row; empty where no row is null
	Values
	Offsets // of text only
	parts
)

// Layout says where the rows of a record batch are in the file.
type Layout struct {
	Rows    int64
	Columns [][parts]Span
}

// Encode returns the layout as the plugin contract has it: as little-endian int64s the
// rows, and then of each column and part where it begins and how many bytes it has.
func (l Layout) Encode() []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(l.Rows))
	for _, column := range l.Columns {
		for _, part := range column {
			out = binary.LittleEndian.AppendUint64(out, uint64(part.Offset))
			out = binary.LittleEndian.AppendUint64(out, uint64(part.Bytes))
		}
	}
	return out
}

// LayoutBytes is how many bytes the layout of a batch takes with that many columns.
func LayoutBytes(columns int) int { return 8 + 16*int(parts)*columns }

// Size returns the size of the file in bytes.
func (f *File) Size() int64 { return int64(len(f.data)) }

// OS returns the file, so that it can be mapped a second time. It is sealed: nobody
// may write to it or cut it short. It is the table's, and closed with it.
func (f *File) OS() *os.File { return f.file }

// Layout returns the layout of a record batch.
func (f *File) Layout(i int) (Layout, error) {
	batch, err := f.Batch(i)
	if err != nil {
		return Layout{}, err
	}
	defer batch.Release()
	l := Layout{Rows: batch.NumRows()}
	for c, column := range batch.Columns() {
		spans, err := f.spans(column)
		if err != nil {
			return Layout{}, fmt.Errorf("batch %d, column %q: %w", i, batch.ColumnName(c), err)
		}
		l.Columns = append(l.Columns, spans)
	}
	return l, nil
}

func (f *File) spans(column arrow.Array) (spans [parts]Span, err error) {
	buffers := column.Data().Buffers()
	if column.NullN() > 0 {
		if spans[Validity], err = f.span(buffers[0]); err != nil {
			return spans, err
		}
	}
	values := len(buffers) - 1 // text has its offsets before it
	if values > int(Values) {
		if spans[Offsets], err = f.span(buffers[1]); err != nil {
			return spans, err
		}
	}
	spans[Values], err = f.span(buffers[values])
	return spans, err
}

// span finds a buffer in the mapping.
func (f *File) span(b *memory.Buffer) (Span, error) {
	if b == nil || b.Len() == 0 {
		return Span{}, nil
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b.Bytes())))
	base := uintptr(unsafe.Pointer(unsafe.SliceData(f.data)))
	if start < base || start+uintptr(b.Len()) > base+uintptr(len(f.data)) {
		return Span{}, fmt.Errorf("%w: a column is not in the file as it is in memory", ErrMalformed)
	}
	return Span{Offset: int64(start - base), Bytes: int64(b.Len())}, nil
}
