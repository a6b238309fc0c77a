package table

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"thresher/core/guard"
)

// A batch of a growing table is written once it has this many rows or bytes, so
// that rows appended one by one do not become a file of tiny batches.
const (
	flushRows  = 8192
	flushBytes = 4 << 20
)

// Writer is a table that grows. One goroutine appends, seals or closes; any number
// may read meanwhile, and see all rows appended before they started.
type Writer struct {
	sink   *sink
	schema *arrow.Schema
	reader *os.File // the same file, for readers
	state  *guard.Value[grown]
}

// grown is what readers see.
type grown struct {
	head    int64               // where the first batch starts in the file
	batches []written           // in the file
	pending []arrow.RecordBatch // not in the file yet
	bytes   int64               // of pending
	readers int
	sealed  bool
	ended   bool
}

// written is a batch in the file: where it ends, and the row behind its last.
type written struct{ offset, row int64 }

// Create makes a table of that schema in a temporary file in dir.
func Create(dir string, schema *arrow.Schema) (*Writer, error) {
	s, err := newSink(dir, schema)
	if err != nil {
		return nil, err
	}
	reader, err := os.Open(s.file.Name())
	if err != nil {
		return nil, errors.Join(err, s.abort())
	}
	w := &Writer{sink: s, schema: schema, reader: reader, state: guard.New("table", guard.RankTable, grown{})}
	// The schema is written with the first batch: an empty one, which readers
	// never look at, makes the file's head known from the start.
	empty := array.NewRecordBatch(schema, emptyColumns(schema), 0)
	defer empty.Release()
	if err := s.append(empty); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.state.Must(func(g *grown) { g.head = s.bytes })
	return w, nil
}

func emptyColumns(schema *arrow.Schema) []arrow.Array {
	columns := make([]arrow.Array, schema.NumFields())
	for i, f := range schema.Fields() {
		columns[i] = array.NewBuilder(memory.DefaultAllocator, f.Type).NewArray()
	}
	return columns
}

// Schema returns the columns.
func (w *Writer) Schema() *arrow.Schema { return w.schema }

// Rows returns the number of rows appended.
func (w *Writer) Rows() (n int64) {
	w.state.Must(func(g *grown) { n = g.rows() })
	return n
}

// Bytes returns about how much the table takes on disk so far.
func (w *Writer) Bytes() (n int64) {
	w.state.Must(func(g *grown) {
		n = g.bytes
		if len(g.batches) > 0 {
			n += g.batches[len(g.batches)-1].offset
		}
	})
	return n
}

func (g *grown) flushed() int64 {
	if len(g.batches) == 0 {
		return 0
	}
	return g.batches[len(g.batches)-1].row
}

func (g *grown) rows() int64 {
	n := g.flushed()
	for _, b := range g.pending {
		n += b.NumRows()
	}
	return n
}

// Append adds rows. The batch stays the caller's, and must not change.
func (w *Writer) Append(batch arrow.RecordBatch) error {
	if !batch.Schema().Equal(w.schema) {
		return fmt.Errorf("append: rows of %v to a table of %v", batch.Schema(), w.schema)
	}
	if batch.NumRows() == 0 {
		return nil
	}
	batch.Retain()
	full := false
	w.state.Must(func(g *grown) {
		g.pending = append(slices.Clip(g.pending), batch) // readers may hold the old one
		g.bytes += batchBytes(batch)
		full = g.rows()-g.flushed() >= flushRows || g.bytes >= flushBytes
	})
	if !full {
		return nil
	}
	return w.flush()
}

func batchBytes(b arrow.RecordBatch) (n int64) {
	for _, col := range b.Columns() {
		n += int64(col.Data().SizeInBytes())
	}
	return n
}

// flush writes what is pending as one batch.
func (w *Writer) flush() error {
	var pending []arrow.RecordBatch
	var row int64
	w.state.Must(func(g *grown) { pending, row = g.pending, g.rows() })
	if len(pending) == 0 {
		return nil
	}
	joined, err := join(w.schema, pending)
	if err != nil {
		return err
	}
	defer joined.Release()
	if err := w.sink.append(joined); err != nil {
		return err
	}
	w.state.Must(func(g *grown) {
		g.batches = append(slices.Clip(g.batches), written{w.sink.bytes, row})
		g.pending, g.bytes = nil, 0 // the collector frees them, after their last reader
	})
	return nil
}

func join(schema *arrow.Schema, batches []arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, schema.NumFields())
	var rows int64
	for i := range columns {
		parts := make([]arrow.Array, len(batches))
		for j, b := range batches {
			parts[j] = b.Column(i)
		}
		joined, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("join rows: %w", err)
		}
		columns[i] = joined
		rows = int64(joined.Len())
	}
	return array.NewRecordBatch(schema, columns, rows), nil
}

// Range implements [Ranger]. It returns an error wrapping os.ErrClosed once the
// table is closed.
func (w *Writer) Range(from, to int64, fn func(arrow.RecordBatch) error) error {
	var g grown
	w.state.Must(func(state *grown) {
		g = *state
		state.readers++
	})
	defer w.left()
	if g.ended {
		return fmt.Errorf("read table: %w", os.ErrClosed)
	}
	from, to = clip(from, to, g.rows())
	row := int64(0)
	start := g.head
	for _, b := range g.batches {
		if b.row > from && row < to {
			if err := w.readBatch(start, b.offset, from-row, to-row, fn); err != nil {
				return err
			}
		}
		start, row = b.offset, b.row
	}
	for _, b := range g.pending {
		if err := slice(b, from-row, to-row, fn); err != nil {
			return err
		}
		row += b.NumRows()
	}
	return nil
}

// readBatch reads a batch back from the file: the schema, which is at the file's
// start, and then the batch, as a stream.
func (w *Writer) readBatch(start, end, from, to int64, fn func(arrow.RecordBatch) error) error {
	const magic = 8 // bytes before the schema
	head := w.headLength()
	stream := io.MultiReader(
		io.NewSectionReader(w.reader, magic, head-magic),
		io.NewSectionReader(w.reader, start, end-start))
	r, err := ipc.NewReader(stream)
	if err != nil {
		return fmt.Errorf("read table: %w", err)
	}
	defer r.Release()
	for r.Next() {
		batch := r.RecordBatch()
		if batch.NumRows() == 0 {
			continue // the empty one behind the schema
		}
		if err := slice(batch, from, to, fn); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read table: %w", err)
	}
	return nil
}

func (w *Writer) headLength() (n int64) {
	w.state.Must(func(g *grown) { n = g.head })
	return n
}

// left closes the readers' file when the last reader of an ended table leaves.
func (w *Writer) left() {
	last := false
	w.state.Must(func(g *grown) {
		g.readers--
		last = g.ended && g.readers == 0
	})
	if last {
		_ = w.reader.Close() // opened for reading only
	}
}

// end lets go of the readers' file, now or when the last reader leaves. It reports
// whether the table had not ended before.
func (w *Writer) end() (first bool) {
	idle := false
	w.state.Must(func(g *grown) {
		first = !g.ended
		g.ended = true
		idle = g.readers == 0
	})
	if first && idle {
		_ = w.reader.Close() // opened for reading only
	}
	return first
}

// Seal writes what is pending and makes the file durable. The table can still be
// read, wherever the file is moved, until it is closed.
func (w *Writer) Seal() (Sealed, error) {
	if err := w.flush(); err != nil {
		return Sealed{}, err
	}
	sealed, err := w.sink.seal()
	if err == nil {
		w.state.Must(func(g *grown) { g.sealed = true })
	}
	return sealed, err
}

// Close ends reading, and removes the file unless it was sealed. It may be called
// more than once.
func (w *Writer) Close() error {
	if !w.end() {
		return nil
	}
	sealed := false
	w.state.Must(func(g *grown) { sealed = g.sealed })
	if sealed {
		return nil
	}
	return w.sink.abort()
}

var _ Ranger = (*Writer)(nil)
