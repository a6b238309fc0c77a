package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sys/unix"
)

// Bounds on an Arrow file. A few compressed bytes can stand for any number of
// values, and a column of nulls takes no bytes at all.
const (
	maxArrowBatch  = 1 << 28 // rows
	maxArrowMemory = 1 << 30 // bytes of decompressed buffers at a time
)

// importArrow copies an Arrow file or stream, with every column in one of the
// types that tables have.
func importArrow(ctx context.Context, in *input, dir string) (Sealed, error) {
	if in.bytes == 0 {
		return Sealed{}, malformedArrow(errors.New("it is empty"))
	}
	data, err := mapFile(in.spool.Name())
	if err != nil {
		return Sealed{}, err
	}
	sealed, err := copyArrow(ctx, data, in, dir)
	return sealed, errors.Join(err, unix.Munmap(data))
}

func malformedArrow(why any) error {
	return &ImportError{Message: fmt.Sprintf("not a readable Arrow file: %v", why)}
}

func copyArrow(ctx context.Context, data []byte, in *input, dir string) (s Sealed, err error) {
	var out *sink
	defer func() {
		// The Arrow reader panics on some malformed files.
		if r := recover(); r != nil {
			err = malformedArrow(r)
		}
		if err != nil && out != nil {
			err = errors.Join(err, out.abort())
		}
	}()
	schema, batches, err := openArrow(data)
	if err != nil {
		return s, malformedArrow(err)
	}
	target, err := normalSchema(schema)
	if err == nil {
		err = CheckSchema(target)
	}
	if err != nil {
		return s, &ImportError{Message: err.Error()}
	}
	if out, err = newSink(dir, target); err != nil {
		return s, err
	}
	for batch, err := range batches {
		if err != nil {
			return s, malformedArrow(err)
		}
		err := convert(ctx, batch, out, in)
		batch.Release()
		if err != nil {
			return s, err
		}
	}
	return out.seal()
}

type batches = func(yield func(arrow.RecordBatch, error) bool)

// openArrow reads either form; they differ in the first bytes. Who takes a batch
// releases it.
func openArrow(data []byte) (*arrow.Schema, batches, error) {
	options := []ipc.Option{
		ipc.WithAllocator(&limited{Allocator: memory.DefaultAllocator, left: maxArrowMemory}),
		ipc.WithMetadataSizeLimit(maxMetadata),
	}
	if bytes.HasPrefix(data, ipc.Magic) {
		return openArrowFile(data, options)
	}
	return openArrowStream(data, options)
}

func openArrowFile(data []byte, options []ipc.Option) (*arrow.Schema, batches, error) {
	if err := checkFile(data); err != nil {
		return nil, nil, err
	}
	// Not NewMappedFileReader: it loses dictionaries. Bytes without compression are
	// copied, a batch at a time.
	r, err := ipc.NewFileReader(bytes.NewReader(data), append(options, ipc.WithBodySizeLimit(maxArrowMemory))...)
	if err != nil {
		return nil, nil, err
	}
	return r.Schema(), func(yield func(arrow.RecordBatch, error) bool) {
		for i := range r.NumRecords() {
			if b, err := r.RecordBatchAt(i); !yield(b, err) || err != nil {
				return
			}
		}
	}, nil
}

func openArrowStream(data []byte, options []ipc.Option) (*arrow.Schema, batches, error) {
	if err := checkStream(data); err != nil {
		return nil, nil, err
	}
	r, err := ipc.NewReader(bytes.NewReader(data), append(options, ipc.WithBodySizeLimit(maxArrowMemory))...)
	if err != nil {
		return nil, nil, err
	}
	return r.Schema(), func(yield func(arrow.RecordBatch, error) bool) {
		for r.Next() {
			b := r.RecordBatch()
			b.Retain()
			if !yield(b, nil) {
				return
			}
		}
		if err := r.Err(); err != nil {
			yield(nil, err)
		}
	}, nil
}

// checkStream checks the metadata of every message.
func checkStream(data []byte) error {
	for len(data) > 0 {
		meta, rest, err := cutMessage(data)
		if err != nil || meta == nil {
			return err
		}
		if err := checkMessage(meta); err != nil {
			return err
		}
		body, err := bodyLength(meta)
		if err != nil {
			return err
		}
		if body < 0 || body > int64(len(rest)) {
			return errors.New("the file is cut short")
		}
		data = rest[body:]
	}
	return nil
}

// cutMessage returns the metadata of the first message and what follows it, or no
// metadata at the end of the stream.
func cutMessage(data []byte) (meta, rest []byte, err error) {
	if bytes.HasPrefix(data, continuation) {
		data = data[4:]
	} // else: written before Arrow 0.15
	if len(data) < 4 {
		return nil, nil, errors.New("the file is cut short")
	}
	size := int64(binary.LittleEndian.Uint32(data))
	switch {
	case size == 0:
		return nil, nil, nil
	case size > maxMetadata || size > int64(len(data)-4):
		return nil, nil, fmt.Errorf("a message with %d bytes of metadata, which are not there or too many", size)
	}
	return data[4 : 4+size], data[4+size:], nil
}

// limited is an allocator that refuses, with a panic as an allocator must, what
// goes over its limit.
type limited struct {
	memory.Allocator
	left int64
}

func (l *limited) take(n int) {
	if l.left -= int64(n); l.left < 0 {
		panic(fmt.Errorf("a batch takes more than %d MiB of memory", maxArrowMemory>>20))
	}
}

// Allocate implements memory.Allocator.
func (l *limited) Allocate(n int) []byte {
	l.take(n)
	return l.Allocator.Allocate(n)
}

// Reallocate implements memory.Allocator.
func (l *limited) Reallocate(n int, b []byte) []byte {
	l.take(n - len(b))
	return l.Allocator.Reallocate(n, b)
}

// Free implements memory.Allocator.
func (l *limited) Free(b []byte) {
	l.left += int64(len(b))
	l.Allocator.Free(b)
}

func normalSchema(s *arrow.Schema) (*arrow.Schema, error) {
	fields := make([]arrow.Field, s.NumFields())
	for i, f := range s.Fields() {
		t, ok := normalType(f.Type)
		if !ok {
			return nil, fmt.Errorf("column %q has type %s, which tables cannot keep", f.Name, f.Type)
		}
		fields[i] = arrow.Field{Name: f.Name, Type: t, Nullable: true}
	}
	return arrow.NewSchema(fields, nil), nil
}

// normalType returns the type of tables for values of t. It keeps every value, but
// for decimals, which become the nearest float, and for what timestamps have below
// a microsecond.
func normalType(t arrow.DataType) (arrow.DataType, bool) {
	switch t.ID() {
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return Int64, true
	case arrow.FLOAT16, arrow.FLOAT32, arrow.FLOAT64, arrow.DECIMAL128, arrow.DECIMAL256:
		return Float64, true
	case arrow.BOOL:
		return Bool, true
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW, arrow.NULL:
		return String, true
	case arrow.DATE32, arrow.DATE64:
		return Date, true
	case arrow.TIMESTAMP:
		return Timestamp, true
	case arrow.DICTIONARY:
		return normalType(t.(*arrow.DictionaryType).ValueType)
	}
	return nil, false
}

// convert casts a batch and appends it, some rows at a time. A value that its new
// type cannot hold is an error.
func convert(ctx context.Context, batch arrow.RecordBatch, out *sink, in *input) error {
	if err := array.ValidateRecordFull(batch); err != nil {
		return malformedArrow(err)
	}
	limit := rowsPerBatch(out.ipc.schema.NumFields())
	for from := int64(0); from < batch.NumRows(); from += limit {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		part := batch.NewSlice(from, min(from+limit, batch.NumRows()))
		err := convertPart(ctx, part, out)
		part.Release()
		if err != nil {
			return err
		}
		if err := in.wrote(out); err != nil {
			return err
		}
	}
	return nil
}

func convertPart(ctx context.Context, batch arrow.RecordBatch, out *sink) error {
	target := out.ipc.schema
	columns := make([]arrow.Array, target.NumFields())
	for i, col := range batch.Columns() {
		cast, err := castColumn(ctx, col, target.Field(i).Type)
		if err != nil {
			name := target.Field(i).Name
			return &ImportError{Field: name, Message: fmt.Sprintf("column %q: %v", name, err)}
		}
		columns[i] = cast
	}
	return out.append(array.NewRecordBatch(target, columns, batch.NumRows()))
}

func castColumn(ctx context.Context, col arrow.Array, want arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(col.DataType(), want) {
		return col, nil
	}
	switch c := col.(type) {
	case *array.Dictionary:
		return castDictionary(ctx, c, want)
	case *array.Null:
		return array.MakeArrayOfNull(memory.DefaultAllocator, want, c.Len()), nil
	case *array.StringView:
		return castView(c)
	}
	opts := compute.SafeCastOptions(want)
	opts.AllowTimeTruncate = true // nanoseconds become microseconds
	return compute.CastArray(ctx, col, opts)
}

// Views and dictionaries can repeat one long text for every row.
var errRepeats = fmt.Errorf("text repeated to more than %d MiB in %d rows", maxRepeated>>20, batchRows)

const maxRepeated = 256 << 20

func castView(col *array.StringView) (arrow.Array, error) {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	size := 0
	for i := range col.Len() {
		if col.IsNull(i) {
			b.AppendNull()
			continue
		}
		if size += len(col.Value(i)); size > maxRepeated {
			return nil, errRepeats
		}
		b.Append(col.Value(i))
	}
	return b.NewArray(), nil
}

// castDictionary casts the few values and then repeats them.
func castDictionary(ctx context.Context, col *array.Dictionary, want arrow.DataType) (arrow.Array, error) {
	values, err := castColumn(ctx, col.Dictionary(), want)
	if err != nil {
		return nil, err
	}
	text, _ := values.(*array.String)
	b := array.NewBuilder(memory.DefaultAllocator, want)
	size := 0
	for i := range col.Len() {
		if col.IsNull(i) {
			b.AppendNull()
			continue
		}
		at := col.GetValueIndex(i)
		if at < 0 || at >= values.Len() {
			return nil, fmt.Errorf("value %d of a dictionary of %d", at, values.Len())
		}
		if text != nil {
			if size += len(text.Value(at)); size > maxRepeated {
				return nil, errRepeats
			}
		}
		if err := appendValue(b, values, at); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

// appendValue appends one value of an array of the builder's type.
func appendValue(b array.Builder, from arrow.Array, i int) error {
	if from.IsNull(i) {
		b.AppendNull()
		return nil
	}
	switch v := from.(type) {
	case *array.Int64:
		b.(*array.Int64Builder).Append(v.Value(i))
	case *array.Float64:
		b.(*array.Float64Builder).Append(v.Value(i))
	case *array.Boolean:
		b.(*array.BooleanBuilder).Append(v.Value(i))
	case *array.String:
		b.(*array.StringBuilder).Append(v.Value(i))
	case *array.Date32:
		b.(*array.Date32Builder).Append(v.Value(i))
	case *array.Timestamp:
		b.(*array.TimestampBuilder).Append(v.Value(i))
	default:
		return fmt.Errorf("a dictionary of %s", from.DataType())
	}
	return nil
}

var _ memory.Allocator = (*limited)(nil)
