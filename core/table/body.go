package table

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
)

// body is what a record batch holds, as the file has it.
type body struct {
	nulls   []int64  // of each column
	buffers [][]byte // of all columns in order; not yet padded
	size    int64    // of the buffers with their padding
}

func bodyOf(batch arrow.RecordBatch) body {
	var b body
	for _, col := range batch.Columns() {
		b.nulls = append(b.nulls, int64(col.NullN()))
		b.add(validity(col))
		switch c := col.(type) {
		case *array.String:
			offsets, values := textBuffers(c)
			b.add(offsets)
			b.add(values)
		case *array.Boolean:
			b.add(boolBits(c))
		default:
			b.add(fixedValues(col))
		}
	}
	return b
}

func (b *body) add(buffer []byte) {
	b.buffers = append(b.buffers, buffer)
	b.size += int64(len(buffer)) + int64(padding(int64(len(buffer))))
}

// validity is a bit for each row that is not null; nothing if none is.
func validity(col arrow.Array) []byte {
	if col.NullN() == 0 {
		return nil
	}
	return copyBits(col.Data().Buffers()[0].Bytes(), col.Data().Offset(), col.Len())
}

func copyBits(bits []byte, offset, n int) []byte {
	out := make([]byte, bitutil.BytesForBits(int64(n)))
	bitutil.CopyBitmap(bits, offset, n, out, 0)
	return out
}

func boolBits(col *array.Boolean) []byte {
	if col.Len() == 0 {
		return nil
	}
	bits := copyBits(col.Data().Buffers()[1].Bytes(), col.Data().Offset(), col.Len())
	if col.NullN() > 0 {
		for i := range col.Len() {
			if col.IsNull(i) {
				bitutil.ClearBit(bits, i)
			}
		}
	}
	return bits
}

// fixedValues is the values of a column of numbers, dates or timestamps.
func fixedValues(col arrow.Array) []byte {
	if col.Len() == 0 {
		return nil
	}
	width := col.DataType().(arrow.FixedWidthDataType).Bytes()
	first := col.Data().Offset() * width
	values := col.Data().Buffers()[1].Bytes()[first : first+col.Len()*width]
	if col.NullN() == 0 {
		return values
	}
	values = append([]byte(nil), values...)
	for i := range col.Len() {
		if col.IsNull(i) {
			clear(values[i*width : (i+1)*width])
		}
	}
	return values
}

// textBuffers is the offsets, counted from 0, and the bytes between them.
func textBuffers(col *array.String) (offsets, values []byte) {
	if col.Len() == 0 {
		return zeros[:4], nil
	}
	list := col.ValueOffsets()
	offsets = make([]byte, 0, 4*len(list))
	for _, o := range list {
		offsets = binary.LittleEndian.AppendUint32(offsets, uint32(o-list[0]))
	}
	return offsets, col.ValueBytes()
}

// batchBytes is how much of a file a batch takes, without its padding.
func batchBytes(batch arrow.RecordBatch) (n int64) {
	rows := batch.NumRows()
	for _, col := range batch.Columns() {
		if col.NullN() > 0 {
			n += rows / 8
		}
		switch c := col.(type) {
		case *array.String:
			n += 4*rows + int64(len(c.ValueBytes()))
		case *array.Boolean:
			n += rows / 8
		default:
			n += rows * int64(col.DataType().(arrow.FixedWidthDataType).Bytes())
		}
	}
	return n
}
