package table

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Rows are read and converted this many cells at a time, or this many bytes of input.
const (
	batchCells  = 8 << 20
	importBytes = 32 << 20
)

// rowsPerBatch is how many rows of that many columns are converted at a time.
func rowsPerBatch(columns int) int64 { return int64(min(batchRows, batchCells/columns)) }

// rowReader yields objects until io.EOF.
type rowReader interface {
	next() (value, error)
}

func newRowReader(ctx context.Context, in *input, f Format) (rowReader, *guarded, error) {
	g, err := newGuarded(ctx, in.spool, in.bounds.pause)
	if err != nil {
		return nil, nil, err
	}
	if f == CSV {
		return newCSVRows(g), g, nil
	}
	return newJSONRows(g), g, nil
}

func importRows(ctx context.Context, in *input, f Format, dir string) (Sealed, error) {
	root, err := survey(ctx, in, f)
	if err != nil {
		return Sealed{}, err
	}
	leaves := root.plan()
	fields := make([]arrow.Field, len(leaves))
	for i, leaf := range leaves {
		fields[i] = arrow.Field{Name: leaf.name, Type: leaf.dataType(), Nullable: true}
	}
	schema := arrow.NewSchema(fields, nil)
	if err := checkImported(schema); err != nil {
		return Sealed{}, err
	}
	out, err := newSink(dir, schema)
	if err != nil {
		return Sealed{}, err
	}
	if err := fill(ctx, in, f, root, newBatch(leaves, schema, out)); err != nil {
		return Sealed{}, errors.Join(err, out.abort())
	}
	sealed, err := out.seal()
	if err != nil {
		return Sealed{}, errors.Join(err, out.abort())
	}
	return sealed, nil
}

// survey is the first pass: it finds the columns.
func survey(ctx context.Context, in *input, f Format) (*node, error) {
	reader, g, err := newRowReader(ctx, in, f)
	if err != nil {
		return nil, err
	}
	root := newRoot()
	for {
		row, err := reader.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		root.observe(row)
		if root.tree.nodes > MaxColumns {
			return nil, g.at(g.rowStart, fmt.Sprintf("more than %d columns, counting the fields of objects, up to this row", MaxColumns))
		}
	}
	if c, ok := reader.(*csvRows); ok { // a header without rows has columns too
		for i, name := range c.header {
			root.child(i, name)
		}
	}
	return root, nil
}

// fill is the second pass: it writes the rows.
func fill(ctx context.Context, in *input, f Format, root *node, b *batch) error {
	reader, g, err := newRowReader(ctx, in, f)
	if err != nil {
		return err
	}
	start := int64(0) // of the batch, in the input
	limit := rowsPerBatch(len(b.leaves))
	for {
		row, err := reader.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := root.append(row, b.rows); err != nil {
			return err
		}
		b.rows++
		if b.rows < limit && g.offset-start < importBytes {
			continue
		}
		if err := b.flush(in); err != nil {
			return err
		}
		start = g.offset
	}
	if b.rows == 0 {
		return nil
	}
	return b.flush(in)
}

// batch collects rows in the builders of the leaves.
type batch struct {
	leaves []*node
	schema *arrow.Schema
	out    *sink
	rows   int64
}

func newBatch(leaves []*node, schema *arrow.Schema, out *sink) *batch {
	for i, leaf := range leaves {
		leaf.builder = array.NewBuilder(memory.DefaultAllocator, schema.Field(i).Type)
	}
	return &batch{leaves: leaves, schema: schema, out: out}
}

func (b *batch) flush(in *input) error {
	columns := make([]arrow.Array, len(b.leaves))
	for i, leaf := range b.leaves {
		leaf.fill(b.rows)
		columns[i] = leaf.builder.NewArray()
		leaf.rows = 0
	}
	record := array.NewRecordBatch(b.schema, columns, b.rows)
	b.rows = 0
	if err := b.out.append(record); err != nil {
		return err
	}
	return in.wrote(b.out)
}
