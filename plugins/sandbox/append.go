package sandbox

import (
	"context"
	"encoding/binary"
	"encoding/json"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/core/table"
	"thresher/plugins/abi"
)

// maxSchema bounds the description of an output table, in bytes.
const maxSchema = 1 << 20

// tableAppend adds a batch of rows to an output table:
// table_append(name, name_len, columns, columns_len, rows, buffers). columns is
// the JSON of []abi.Column; buffers points to an abi.Buffers for each of them.
func tableAppend(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	name := readText(guest, stack[0], stack[1], maxText, "a table's name")
	schema := outputSchema([]byte(readText(guest, stack[2], stack[3], maxSchema, "a table's columns")))
	rows := int64(stack[4])
	if rows < 0 || rows > k.Limits.OutputBytes {
		panic(violation("table_append of %d rows", rows))
	}
	raw := readBuffer(guest, uint32(stack[5]), uint32(abi.BuffersSize*schema.NumFields()))
	parts := make([]abi.Buffers, schema.NumFields())
	size := int64(0) // buffers may overlap: small in the guest, large in the host
	for i := range parts {
		parts[i] = decodeBuffers(raw[abi.BuffersSize*i:])
		size += int64(parts[i].ValidityLen) + int64(parts[i].ValuesLen) + int64(parts[i].OffsetsLen)
	}
	k.mayHandOver("a batch of table "+name, size)
	k.passed(ctx, int(size)/bytesOfGas)
	columns := make([]arrow.Array, schema.NumFields())
	for i, f := range schema.Fields() {
		columns[i] = k.outputColumn(ctx, guest, f, rows, parts[i])
	}
	batch := array.NewRecordBatch(schema, columns, rows)
	defer batch.Release()
	if err := k.Host.Append(name, batch); err != nil {
		panic(hostError{err})
	}
}

func outputSchema(raw []byte) *arrow.Schema {
	var columns []abi.Column
	if err := json.Unmarshal(raw, &columns); err != nil {
		panic(violation("a table's columns: %v", err))
	}
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		t, ok := columnTypes[c.Type]
		if !ok {
			panic(violation("column %q has type %q: want int64, float64, bool, string, date or timestamp", c.Name, c.Type))
		}
		fields[i] = arrow.Field{Name: c.Name, Type: t, Nullable: true}
	}
	schema := arrow.NewSchema(fields, nil)
	if err := table.CheckSchema(schema); err != nil {
		panic(violation("a table's columns: %v", err))
	}
	if err := table.CheckNames(schema); err != nil {
		panic(job.OutputLimit("output table: %v", err))
	}
	return schema
}

var columnTypes = map[string]arrow.DataType{
	"int64": table.Int64, "float64": table.Float64, "bool": table.Bool,
	"string": table.String, "date": table.Date, "timestamp": table.Timestamp,
}

func decodeBuffers(raw []byte) (b abi.Buffers) {
	for i, field := range []*uint32{&b.Validity, &b.ValidityLen, &b.Values, &b.ValuesLen, &b.Offsets, &b.OffsetsLen} {
		*field = binary.LittleEndian.Uint32(raw[4*i:])
	}
	return b
}

// outputColumn copies a column out of guest memory, having checked every length
// and offset: what is built from it is read by others.
func (k *call) outputColumn(ctx context.Context, guest api.Module, f arrow.Field, rows int64, b abi.Buffers) arrow.Array {
	var validity []byte
	if b.ValidityLen > 0 {
		validity = k.part(ctx, guest, f.Name, "validity", b.Validity, b.ValidityLen, bitutil.BytesForBits(rows))
	}
	buffers := []*memory.Buffer{buffer(validity)}
	switch t := f.Type.(type) {
	case *arrow.StringType:
		offsets := k.part(ctx, guest, f.Name, "offsets", b.Offsets, b.OffsetsLen, 4*(rows+1))
		text := k.part(ctx, guest, f.Name, "values", b.Values, b.ValuesLen, int64(b.ValuesLen))
		k.checkText(ctx, f.Name, offsets, text)
		buffers = append(buffers, buffer(offsets), buffer(text))
	case *arrow.BooleanType:
		buffers = append(buffers, buffer(k.part(ctx, guest, f.Name, "values", b.Values, b.ValuesLen, bitutil.BytesForBits(rows))))
	case arrow.FixedWidthDataType:
		buffers = append(buffers, buffer(k.part(ctx, guest, f.Name, "values", b.Values, b.ValuesLen, rows*int64(t.Bytes()))))
	}
	nulls := 0
	if validity != nil {
		nulls = int(rows) - bitutil.CountSetBits(validity, 0, int(rows))
	}
	return array.MakeFromData(array.NewData(f.Type, int(rows), buffers, nil, nulls, 0))
}

// part copies a buffer that must have a given length.
func (k *call) part(ctx context.Context, guest api.Module, column, what string, ptr, n uint32, want int64) []byte {
	if int64(n) != want {
		panic(violation("column %q: %s have %d bytes, want %d", column, what, n, want))
	}
	return k.copyOf(ctx, readBuffer(guest, ptr, n))
}

func buffer(data []byte) *memory.Buffer {
	if data == nil {
		return nil
	}
	return memory.NewBufferBytes(data)
}

func (k *call) checkText(ctx context.Context, column string, offsets, text []byte) {
	last, due := uint32(0), 0
	for i := 0; i < len(offsets); i += 4 {
		at := binary.LittleEndian.Uint32(offsets[i:])
		if i == 0 && at != 0 || at < last || int(at) > len(text) {
			panic(violation("column %q: offset %d is %d, after %d, in %d bytes of text", column, i/4, at, last, len(text)))
		}
		if due += 4 + int(at-last); due >= restEvery {
			due = 0
			k.rest(ctx)
		}
		if !k.isText(ctx, text[last:at]) {
			panic(violation("column %q: row %d is not UTF-8", column, i/4-1))
		}
		last = at
	}
}
