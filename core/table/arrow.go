package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// importArrow copies an Arrow file or stream, with every column in one of the
// types that tables have.
func importArrow(ctx context.Context, spool *os.File, dir string, progress func(read, rows int64)) (s Sealed, err error) {
	var out *sink
	defer func() {
		// The Arrow reader panics on some malformed files.
		if r := recover(); r != nil {
			err = &ImportError{Message: fmt.Sprintf("not a readable Arrow file: %v", r)}
		}
		if err != nil && out != nil {
			err = errors.Join(err, out.abort())
		}
	}()
	schema, batches, err := openArrow(spool)
	if err != nil {
		return s, &ImportError{Message: fmt.Sprintf("not a readable Arrow file: %v", err)}
	}
	target, err := normalSchema(schema)
	if err != nil {
		return s, &ImportError{Message: err.Error()}
	}
	if out, err = newSink(dir, target); err != nil {
		return s, &ImportError{Message: err.Error()}
	}
	for batch, err := range batches {
		if err != nil {
			return s, &ImportError{Message: fmt.Sprintf("not a readable Arrow file: %v", err)}
		}
		if ctx.Err() != nil {
			return s, context.Cause(ctx)
		}
		if err := convert(ctx, batch, target, out); err != nil {
			return s, err
		}
		progress(0, out.info.Rows)
	}
	return out.seal()
}

// openArrow reads either form; they differ in the first bytes.
func openArrow(f *os.File) (*arrow.Schema, func(func(arrow.RecordBatch, error) bool), error) {
	magic := make([]byte, 6)
	if _, err := f.ReadAt(magic, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if bytes.Equal(magic, ipc.Magic) {
		r, err := ipc.NewFileReader(f)
		if err != nil {
			return nil, nil, err
		}
		return r.Schema(), func(yield func(arrow.RecordBatch, error) bool) {
			for i := range r.NumRecords() {
				if b, err := r.RecordBatch(i); !yield(b, err) || err != nil {
					return
				}
			}
		}, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, nil, err
	}
	r, err := ipc.NewReader(f)
	if err != nil {
		return nil, nil, err
	}
	return r.Schema(), func(yield func(arrow.RecordBatch, error) bool) {
		for r.Next() {
			if !yield(r.RecordBatch(), nil) {
				return
			}
		}
		if err := r.Err(); err != nil {
			yield(nil, err)
		}
	}, nil
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

// normalType returns the type that keeps every value of t.
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

// convert casts a batch. A value that its new type cannot hold is an error.
func convert(ctx context.Context, batch arrow.RecordBatch, target *arrow.Schema, out *sink) error {
	columns := make([]arrow.Array, target.NumFields())
	for i, col := range batch.Columns() {
		want := target.Field(i)
		if arrow.TypeEqual(col.DataType(), want.Type) {
			columns[i] = col
			continue
		}
		opts := compute.SafeCastOptions(want.Type)
		opts.AllowTimeTruncate = true // nanoseconds become microseconds
		cast, err := compute.CastArray(ctx, col, opts)
		if err != nil {
			return &ImportError{Field: want.Name, Message: fmt.Sprintf("column %q: %v", want.Name, err)}
		}
		columns[i] = cast
	}
	return out.append(array.NewRecordBatch(target, columns, batch.NumRows()))
}
