package sandbox

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/tetratelabs/wazero/api"

	"thresher/core/table"
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
	p.begin()
	// The first look counts, the second copies.
	batches := &page{ctx: ctx, k: k, f: f, column: column, from: from, to: from + rows}
	batches.eachBatch(p.measure)
	stack[0] = uint64(p.size)
	if p.size > int64(room) || p.size == 0 {
		return
	}
	p.out = readBuffer(guest, ptr, uint32(p.size))
	clear(p.out[:min(4, p.size)]) // the first offset
	p.out[p.size-1] = 0           // the bits behind the last row
	batches.eachBatch(func(col arrow.Array) { p.copy(ctx, k, col) })
}

// eachBatch calls fn with the rows that each record batch has of a range of a column.
// Nothing is kept of one when the next comes.
func (p *page) eachBatch(fn func(arrow.Array)) {
	for i := range p.count() {
		fn(p.at(i))
	}
}

// column returns rows of a column of a record batch, which may be new to its caller.
func (k *call) column(ctx context.Context, f *table.File, batch, column int, from, to int64, isNew bool) arrow.Array {
	k.work(ctx, batchesRead, 1)
	col, err := f.Column(batch, column)
	if err != nil {
		panic(hostError{err})
	}
	if isNew && col.DataType().ID() == arrow.STRING {
		k.work(ctx, offsetsRead, col.Len())
		if err := table.CheckText(col); err != nil {
			panic(hostError{err})
		}
	}
	if from == 0 && to == int64(col.Len()) {
		return col
	}
	return array.NewSlice(col, from, to)
}

// columnPart copies one part of a column, batch by batch.
type columnPart struct {
	part int32
	rows int64
	size int64 // bytes of the whole part
	out  []byte

	row   int64 // next row to write
	bytes int   // copied so far; of offsets, of their text
}

// begin finds the size of a part where it follows from the rows.
func (p *columnPart) begin() {
	switch p.part {
	case abi.Validity:
		p.size = bitutil.BytesForBits(p.rows)
	case abi.Offsets:
		p.size = 4 * (p.rows + 1)
	}
}

// measure adds the size of a batch's part.
func (p *columnPart) measure(col arrow.Array) {
	text, isText := col.(*array.String)
	switch {
	case p.part == abi.Validity:
	case p.part == abi.Offsets && isText:
	case p.part == abi.Values && isText:
		p.size += int64(len(text.ValueBytes()))
		if p.size > math.MaxInt32 {
			panic(violation("column_read of more than 2 GiB of text: read fewer rows at once"))
		}
	case p.part == abi.Values && col.DataType().ID() == arrow.BOOL:
		p.size = bitutil.BytesForBits(p.rows)
	case p.part == abi.Values:
		p.size += int64(len(values(col)))
	default:
		panic(violation("column_read of part %d of a %s column", p.part, col.DataType()))
	}
}

// copy copies a batch's part.
func (p *columnPart) copy(ctx context.Context, k *call, col arrow.Array) {
	text, isText := col.(*array.String)
	flags, isBool := col.(*array.Boolean)
	switch {
	case p.part == abi.Validity:
		k.eachRow(ctx, col.Len(), func(i int) { bitutil.SetBitTo(p.out, int(p.row)+i, col.IsValid(i)) })
	case p.part == abi.Offsets:
		k.eachRow(ctx, col.Len(), func(i int) {
			p.bytes += len(text.Value(i))
			binary.LittleEndian.PutUint32(p.out[4*(int(p.row)+i+1):], uint32(p.bytes))
		})
	case isText:
		p.bytes += k.copyInto(ctx, p.out[p.bytes:], text.ValueBytes())
	case isBool:
		k.eachRow(ctx, col.Len(), func(i int) { bitutil.SetBitTo(p.out, int(p.row)+i, flags.Value(i)) })
	default:
		p.bytes += k.copyInto(ctx, p.out[p.bytes:], values(col))
	}
	p.row += int64(col.Len())
}

// eachRow calls fn with the numbers of rows.
func (k *call) eachRow(ctx context.Context, rows int, fn func(i int)) {
	for from := 0; from < rows; from += partBytes {
		to := min(rows, from+partBytes)
		k.work(ctx, rowsRead, to-from)
		for i := from; i < to; i++ {
			fn(i)
		}
	}
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
