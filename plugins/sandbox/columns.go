package sandbox

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/tetratelabs/wazero/api"

	"thresher/plugins/abi"
)

// columnRead copies a part of a range of rows of a column into guest memory:
// column_read(input, column, from, rows, part, buffer, room) → bytes. If the room
// is too small nothing is written; the number of bytes is returned all the same.
func columnRead(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	input, column := int(int32(stack[0])), int(int32(stack[1]))
	from, rows, part := int64(stack[2]), int64(stack[3]), int32(stack[4])
	ptr, room := uint32(stack[5]), uint32(stack[6])
	if input < 0 || input >= len(k.inputs) || column < 0 || column >= k.inputs[input].Schema().NumFields() {
		missing := abi.NotFound
		stack[0] = uint64(missing)
		return
	}
	f := k.inputs[input]
	if from < 0 || rows < 0 || rows > f.Rows()-from {
		panic(violation("column_read of %d rows from %d: the table has %d", rows, from, f.Rows()))
	}
	p := &columnPart{part: part, rows: rows}
	// The first look counts, the second copies.
	if err := f.Range(from, from+rows, p.measure(column)); err != nil {
		panic(hostError{err})
	}
	stack[0] = uint64(p.size)
	if p.size > int64(room) || p.size == 0 {
		return
	}
	p.out = readBuffer(guest, ptr, uint32(p.size))
	clear(p.out)
	err := f.Range(from, from+rows, func(b arrow.RecordBatch) error {
		k.charge(ctx, uint64(b.NumRows()))
		p.copy(b.Column(column))
		return nil
	})
	if err != nil {
		panic(hostError{err})
	}
}

// columnPart copies one part of a column, batch by batch.
type columnPart struct {
	part int32
	rows int64
	size int64 // bytes of the whole part
	out  []byte

	row   int64 // next row to write
	bytes int32 // text bytes so far
}

// measure finds the size of the part.
func (p *columnPart) measure(column int) func(arrow.RecordBatch) error {
	switch p.part {
	case abi.Validity:
		p.size = bitutil.BytesForBits(p.rows)
	case abi.Offsets:
		p.size = 4 * (p.rows + 1)
	}
	return func(b arrow.RecordBatch) error {
		col := b.Column(column)
		text, isText := col.(*array.String)
		switch {
		case p.part == abi.Validity:
		case p.part == abi.Offsets && isText:
		case p.part == abi.Values && isText:
			p.size += int64(len(text.ValueBytes()))
			if p.size > math.MaxInt32 {
				return violation("column_read of more than 2 GiB of text: read fewer rows at once")
			}
		case p.part == abi.Values && col.DataType().ID() == arrow.BOOL:
			p.size = bitutil.BytesForBits(p.rows)
		case p.part == abi.Values:
			p.size += int64(len(values(col)))
		default:
			return violation("column_read of part %d of a %s column", p.part, col.DataType())
		}
		return nil
	}
}

func (p *columnPart) copy(col arrow.Array) {
	n := int64(col.Len())
	text, isText := col.(*array.String)
	flags, isBool := col.(*array.Boolean)
	switch {
	case p.part == abi.Validity:
		for i := range col.Len() {
			bitutil.SetBitTo(p.out, int(p.row)+i, col.IsValid(i))
		}
	case p.part == abi.Offsets:
		for i := range col.Len() {
			p.bytes += int32(len(text.Value(i)))
			binary.LittleEndian.PutUint32(p.out[4*(p.row+int64(i)+1):], uint32(p.bytes))
		}
	case isText:
		p.bytes += int32(copy(p.out[p.bytes:], text.ValueBytes()))
	case isBool:
		for i := range col.Len() {
			bitutil.SetBitTo(p.out, int(p.row)+i, flags.Value(i))
		}
	default:
		raw := values(col)
		copy(p.out[p.row*int64(len(raw))/max(n, 1):], raw)
	}
	p.row += n
}

// values returns the bytes of a column of fixed width.
func values(col arrow.Array) []byte {
	switch c := col.(type) {
	case *array.Int64:
		return arrow.Int64Traits.CastToBytes(c.Int64Values())
	case *array.Float64:
		return arrow.Float64Traits.CastToBytes(c.Float64Values())
	case *array.Date32:
		return arrow.Date32Traits.CastToBytes(c.Date32Values())
	case *array.Timestamp:
		return arrow.TimestampTraits.CastToBytes(c.TimestampValues())
	}
	return nil
}
