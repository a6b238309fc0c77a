package table

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

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
