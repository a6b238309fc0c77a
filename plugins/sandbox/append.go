package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

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

// columnsRoom is about how many bytes the host needs for columns that are described in a
// number of bytes: for their names, and for the arrays and buffers of each.
func columnsRoom(described int) int {
	const shortest, each = len(`{"name":"","type":""},`), 1024
	return 3*min(described, maxSchema) + each*min(described/shortest, table.MaxColumns)
}

// tableAppend adds a batch of rows to an output table:
// table_append(name, name_len, columns, columns_len, rows, buffers). columns is
// the JSON of []abi.Column; buffers points to an abi.Buffers for each of them.
func tableAppend(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	name := k.readText(ctx, guest, stack[0], stack[1], maxText, "a table's name")
	columns := columnsRoom(int(uint32(stack[3])))
	k.hold("the columns of an output table", columns)
	defer k.letGo(columns)
	schema := k.outputSchema(ctx, []byte(k.readText(ctx, guest, stack[2], stack[3], maxSchema, "a table's columns")))
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
	k.hold("a batch of an output table", 2*int(size))
	defer k.letGo(2 * int(size))
	arrays := make([]arrow.Array, schema.NumFields())
	for i, f := range schema.Fields() {
		arrays[i] = k.outputColumn(ctx, guest, f, rows, parts[i])
	}
	batch := array.NewRecordBatch(schema, arrays, rows)
	defer batch.Release()
	k.append(ctx, name, batch, size)
}

// appendBytes is about how much of a batch is handed over at once.
const appendBytes = 1 << 20

// append hands rows over, some at a time: what is done with them is paid before.
func (k *call) append(ctx context.Context, name string, batch arrow.RecordBatch, size int64) {
	rows := batch.NumRows()
	each := max(rows/(size/appendBytes+1), 1)
	for from := int64(0); from < rows || from == 0; from += each {
		n := min(each, rows-from)
		k.work(ctx, columnsWritten, int(batch.NumCols()))
		k.work(ctx, bytesWritten, int(size*n/max(rows, 1)))
		if err := k.appendPart(name, batch.NewSlice(from, from+n), n == rows); err != nil {
			panic(hostError{err})
		}
	}
}

// appendPart hands over rows, or a copy of them where they are a part of a batch that
// would be kept as a whole.
func (k *call) appendPart(name string, rows arrow.RecordBatch, whole bool) error {
	defer rows.Release()
	if whole {
		return k.Host.Append(name, rows)
	}
	own, err := copiedRows(rows)
	if err != nil {
		return err
	}
	defer own.Release()
	return k.Host.Append(name, own)
}

// outputSchema reads the columns of a table one by one: there may be thousands.
func (k *call) outputSchema(ctx context.Context, raw []byte) *arrow.Schema {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		panic(violation("a table's columns: want a list in JSON: %v", cmp.Or(err, fmt.Errorf("it begins with %v", t))))
	}
	var fields []arrow.Field
	for d.More() && len(fields) <= table.MaxColumns {
		fields = append(fields, k.outputField(ctx, d))
	}
	if len(fields) <= table.MaxColumns {
		k.endOfColumns(d)
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

func (k *call) endOfColumns(d *json.Decoder) {
	if _, err := d.Token(); err != nil {
		panic(violation("a table's columns: %v", err))
	}
	if t, err := d.Token(); !errors.Is(err, io.EOF) {
		panic(violation("a table's columns: %v after the list", cmp.Or[any](err, t)))
	}
}

func (k *call) outputField(ctx context.Context, d *json.Decoder) arrow.Field {
	k.work(ctx, columnsRead, 1)
	var c abi.Column
	before := d.InputOffset()
	if err := d.Decode(&c); err != nil {
		panic(violation("a table's columns: %v", err))
	}
	k.work(ctx, parsed, int(d.InputOffset()-before))
	t, ok := columnTypes[c.Type]
	if !ok {
		panic(violation("column %q has type %q: want int64, float64, bool, string, date or timestamp", c.Name, c.Type))
	}
	return arrow.Field{Name: c.Name, Type: t, Nullable: true}
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

// checkText makes sure that every cell of a column of text is UTF-8, and within the
// text. The text is as a whole, and each cell begins with a letter, or some cell is not.
func (k *call) checkText(ctx context.Context, column string, offsets, text []byte) {
	last := uint32(0)
	k.eachRow(ctx, len(offsets)/4, func(i int) {
		at := binary.LittleEndian.Uint32(offsets[4*i:])
		if i == 0 && at != 0 || at < last || int(at) > len(text) {
			panic(violation("column %q: offset %d is %d, after %d, in %d bytes of text", column, i, at, last, len(text)))
		}
		if int(at) < len(text) && !utf8.RuneStart(text[at]) {
			panic(violation("column %q: row %d is not UTF-8", column, i-1))
		}
		last = at
	})
	if k.isText(ctx, text[:last]) {
		return
	}
	k.eachRow(ctx, len(offsets)/4-1, func(i int) {
		from, to := binary.LittleEndian.Uint32(offsets[4*i:]), binary.LittleEndian.Uint32(offsets[4*i+4:])
		if !k.isText(ctx, text[from:to]) {
			panic(violation("column %q: row %d is not UTF-8", column, i))
		}
	})
}
