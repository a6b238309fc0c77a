package table

import (
	"context"
	"fmt"
	"slices"

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

// converter casts batches and appends them, some rows at a time. A value that its new
// type cannot hold is an error.
type converter struct {
	in           *input
	out          *sink
	dictionaries []castDictionary // the last one of each column
	cast         int64            // bytes of all of them
}

func (c *converter) convert(ctx context.Context, batch arrow.RecordBatch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i, col := range batch.Columns() {
		if col.DataType().ID() == arrow.NULL {
			continue // it has no buffers, which the check wants
		}
		if err := array.ValidateFull(col); err != nil {
			return malformedArrow(fmt.Errorf("column %q: %w", batch.ColumnName(i), err))
		}
	}
	for from := int64(0); from < batch.NumRows(); {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := c.rows(batch, from)
		if err != nil {
			return err
		}
		part := batch.NewSlice(from, from+n)
		err = c.append(ctx, part)
		part.Release()
		if err != nil {
			return err
		}
		if err := c.in.wrote(c.out); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// rows is how many rows, beginning with row from, are converted at a time. Views and
// dictionaries can repeat one long text for every row, and in every column.
func (c *converter) rows(batch arrow.RecordBatch, from int64) (int64, error) {
	most := min(batch.NumRows()-from, rowsPerBatch(int(batch.NumCols())))
	if !slices.ContainsFunc(batch.Columns(), repeats) {
		return most, nil
	}
	size := int64(0)
	for n := range most {
		row := int64(0)
		for _, col := range batch.Columns() {
			row += int64(repeated(col, int(from+n)))
		}
		if row > c.in.memory(maxRepeated) {
			return 0, &ImportError{Message: fmt.Sprintf("a row has %d bytes of text in views and dictionaries: the limit is %d", row, c.in.memory(maxRepeated))}
		}
		if size += row; size > c.in.memory(maxBatchBytes) && n > 0 {
			return n, nil
		}
	}
	return most, nil
}

// maxRepeated bounds the text of one row in views and dictionaries, in bytes.
const maxRepeated = 256 << 20

// repeats reports whether a column can have one text for many rows.
func repeats(col arrow.Array) bool {
	switch c := col.(type) {
	case *array.StringView:
		return true
	case *array.Dictionary:
		return isText(c.Dictionary())
	}
	return false
}

func isText(col arrow.Array) bool {
	switch col.(type) {
	case *array.String, *array.LargeString, *array.StringView:
		return true
	}
	return false
}

// repeated is how long the text of a row is in a column that repeats; else 0.
func repeated(col arrow.Array, row int) int {
	if !repeats(col) || col.IsNull(row) {
		return 0
	}
	if c, ok := col.(*array.Dictionary); ok {
		values, at := c.Dictionary(), c.GetValueIndex(row)
		if at < 0 || at >= values.Len() || values.IsNull(at) {
			return 0
		}
		col, row = values, at
	}
	return len(col.(array.StringLike).Value(row))
}

func (c *converter) append(ctx context.Context, batch arrow.RecordBatch) error {
	target := c.out.ipc.schema
	columns := make([]arrow.Array, target.NumFields())
	for i, col := range batch.Columns() {
		cast, err := c.castColumn(ctx, i, col, target.Field(i).Type)
		if err != nil {
			name := target.Field(i).Name
			return &ImportError{Field: name, Message: fmt.Sprintf("column %q: %v", name, err)}
		}
		columns[i] = cast
	}
	record := array.NewRecordBatch(target, columns, batch.NumRows())
	defer record.Release() // or what it holds of the batch counts until the import ends
	// The import paused for the bytes that the batch has. A table has more where texts are
	// repeated, or numbers widened.
	if more := batchBytes(record) - batchBytes(batch); more > 0 {
		if err := c.in.bounds.pause(int(more)); err != nil {
			return err
		}
	}
	return c.out.append(record)
}

func (c *converter) castColumn(ctx context.Context, i int, col arrow.Array, want arrow.DataType) (arrow.Array, error) {
	if d, ok := col.(*array.Dictionary); ok {
		return c.castDictionary(ctx, i, d, want)
	}
	return castColumn(ctx, col, want)
}

func castColumn(ctx context.Context, col arrow.Array, want arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(col.DataType(), want) {
		return col, nil
	}
	switch c := col.(type) {
	case *array.Null:
		return array.MakeArrayOfNull(memory.DefaultAllocator, want, c.Len()), nil
	case *array.StringView:
		return castView(c), nil
	}
	opts := compute.SafeCastOptions(want)
	opts.AllowTimeTruncate = true // nanoseconds become microseconds
	return compute.CastArray(ctx, col, opts)
}

func castView(col *array.StringView) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for i := range col.Len() {
		if col.IsNull(i) {
			b.AppendNull()
			continue
		}
		b.Append(col.Value(i))
	}
	return b.NewArray()
}

// castDictionary is a dictionary whose values are of the type that a table's column has:
// they are cast once, however many batches use them.
type castDictionary struct {
	of     arrow.ArrayData
	values arrow.Array
	bytes  int64
}

// castDictionary casts the values of a dictionary, unless they are those of the last one.
func (c *converter) castDictionary(ctx context.Context, i int, col *array.Dictionary, want arrow.DataType) (arrow.Array, error) {
	last := &c.dictionaries[i]
	if of := col.Dictionary().Data(); last.of != of {
		size := castBytes(col.Dictionary(), want)
		if c.cast += size - last.bytes; c.cast > c.in.memory(maxArrowMemory) {
			return nil, fmt.Errorf("the dictionaries take %d bytes: the limit is %d", c.cast, c.in.memory(maxArrowMemory))
		}
		values, err := castColumn(ctx, col.Dictionary(), want)
		if err != nil {
			return nil, err
		}
		*last = castDictionary{of, values, size}
	}
	return last.repeat(col, want)
}

// castBytes is how many bytes a column takes once it is cast; 0 if it need not be.
func castBytes(col arrow.Array, want arrow.DataType) (n int64) {
	if arrow.TypeEqual(col.DataType(), want) {
		return 0
	}
	if text, ok := col.(array.StringLike); ok {
		for i := range text.Len() {
			n += int64(text.ValueLen(i))
		}
	}
	return n + 8*int64(col.Len())
}

// repeat repeats the values for each row.
func (c *castDictionary) repeat(col *array.Dictionary, want arrow.DataType) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, want)
	for i := range col.Len() {
		if col.IsNull(i) {
			b.AppendNull()
			continue
		}
		at := col.GetValueIndex(i)
		if at < 0 || at >= c.values.Len() {
			return nil, fmt.Errorf("value %d of a dictionary of %d", at, c.values.Len())
		}
		if err := appendValue(b, c.values, at); err != nil {
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
