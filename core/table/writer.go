package table

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"thresher/core/guard"
)

// Rows of a growing table that are this many, or take this many bytes, go to disk: what
// a growing table has in memory is bounded.
const (
	flushRows  = 8192
	flushBytes = 4 << 20
)

// Writer is a table that grows. One goroutine appends, seals or closes; any number
// may read meanwhile, and see all rows appended before they started.
//
// Its rows go to a file of small batches that has no name, where readers find them.
// Sealing reads them once more, and joins them to the batches of a sealed file.
//
// Readers share with the appender only what its guard holds, and that only under
// the lock: slices whose elements never change. They read and the appender writes
// with the lock free.
type Writer struct {
	dir    string
	schema *arrow.Schema
	spool  *spool
	state  *guard.Value[grown]
}

// grown is what readers see.
type grown struct {
	blocks  []block             // batches in the spool
	written int64               // rows in the spool
	pending []arrow.RecordBatch // not there yet; each at least twice the next
	bytes   int64               // in the spool
	waiting int64               // bytes of pending
	readers int
	sealed  bool
	ended   bool
}

func (g *grown) rows() int64 {
	n := g.written
	for _, b := range g.pending {
		n += b.NumRows()
	}
	return n
}

// Create makes a table of that schema in a temporary file in dir. The schema is one that
// CheckSchema and CheckNames let through.
func Create(dir string, schema *arrow.Schema) (*Writer, error) {
	if err := cmp.Or(CheckSchema(schema), CheckNames(schema)); err != nil {
		return nil, fmt.Errorf("create table: %w", err)
	}
	s, err := newSpool(dir, schema)
	if err != nil {
		return nil, fmt.Errorf("create table: %w", err)
	}
	return &Writer{dir: dir, schema: schema, spool: s, state: guard.New("table", guard.RankTable, grown{})}, nil
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
	w.state.Must(func(g *grown) { n = g.bytes + g.waiting })
	return n
}

// Append adds rows. The batch stays the caller's, and must not change. It returns
// an error wrapping os.ErrClosed once the table is sealed or closed.
func (w *Writer) Append(batch arrow.RecordBatch) error {
	if !batch.Schema().Equal(w.schema) {
		return fmt.Errorf("append: rows of %v to a table of %v", batch.Schema(), w.schema)
	}
	if batch.NumRows() == 0 {
		return nil
	}
	var pending []arrow.RecordBatch
	closed := false
	w.state.Must(func(g *grown) { pending, closed = g.pending, g.sealed || g.ended })
	if closed {
		return fmt.Errorf("append to table: %w", os.ErrClosed)
	}
	batch.Retain()
	pending, err := w.stack(pending, batch)
	if err != nil {
		return err
	}
	full := false
	w.state.Must(func(g *grown) {
		g.pending = pending
		g.waiting += batchBytes(batch)
		full = g.rows()-g.written >= flushRows || g.waiting >= flushBytes
	})
	if !full {
		return nil
	}
	return w.flush()
}

// stack adds a batch to the pending ones, and joins neighbours of like size: so
// there are never more than a handful, and a row is copied only as often as the
// logarithm of their number.
func (w *Writer) stack(pending []arrow.RecordBatch, batch arrow.RecordBatch) ([]arrow.RecordBatch, error) {
	keep, rows := len(pending), batch.NumRows()
	for keep > 0 && pending[keep-1].NumRows() < 2*rows {
		keep--
		rows += pending[keep].NumRows()
	}
	joined := batch
	if keep < len(pending) {
		var err error
		if joined, err = join(w.schema, append(slices.Clone(pending[keep:]), batch)); err != nil {
			return nil, err
		}
	}
	return append(slices.Clone(pending[:keep]), joined), nil // readers may hold the old list
}

// flush writes what is pending to the spool as one batch.
func (w *Writer) flush() error {
	var pending []arrow.RecordBatch
	w.state.Must(func(g *grown) { pending = g.pending })
	if len(pending) == 0 {
		return nil
	}
	joined, err := join(w.schema, pending)
	if err != nil {
		return err
	}
	if err := w.spool.append(joined); err != nil {
		return fmt.Errorf("append to table: %w", err)
	}
	w.state.Must(func(g *grown) {
		g.blocks = w.spool.ipc.blocks // grows behind the end that readers know
		g.bytes = w.spool.ipc.offset
		g.written += joined.NumRows()
		g.pending, g.waiting = nil, 0 // the collector frees them, after their last reader
	})
	return nil
}

func join(schema *arrow.Schema, batches []arrow.RecordBatch) (arrow.RecordBatch, error) {
	if len(batches) == 1 {
		return batches[0], nil
	}
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
	for _, b := range g.blocks {
		if row+b.rows > from && row < to {
			if err := w.spool.read(b, func(batch arrow.RecordBatch) error { return slice(batch, from-row, to-row, fn) }); err != nil {
				return err
			}
		}
		row += b.rows
	}
	for _, b := range g.pending {
		if err := slice(b, from-row, to-row, fn); err != nil {
			return err
		}
		row += b.NumRows()
	}
	return nil
}

// left removes the spool when the last reader of an ended table leaves.
func (w *Writer) left() {
	last := false
	w.state.Must(func(g *grown) {
		g.readers--
		last = g.ended && g.readers == 0
	})
	if last {
		w.spool.remove()
	}
}

// largeSeals bounds how many tables that are not small are sealed at once. Each has up to
// two batches in memory meanwhile, which are no job's.
var largeSeals = make(chan struct{}, 4)

// Seal makes a sealed file of all rows. The table can still be read, wherever that file is
// moved, until it is closed. Where Seal returns another error than os.ErrClosed nothing is
// left of the file, and Seal can be called again.
func (w *Writer) Seal() (Sealed, error) {
	closed := false
	w.state.Must(func(g *grown) { closed = g.sealed || g.ended })
	if closed {
		return Sealed{}, fmt.Errorf("seal table: %w", os.ErrClosed)
	}
	if w.Bytes() > flushBytes {
		largeSeals <- struct{}{}
		defer func() { <-largeSeals }()
	}
	out, err := newSink(w.dir, w.schema)
	if err != nil {
		return Sealed{}, err
	}
	err = w.Range(0, math.MaxInt64, out.append)
	if err != nil {
		return Sealed{}, errors.Join(err, out.abort())
	}
	sealed, err := out.seal()
	if err != nil {
		return Sealed{}, errors.Join(err, out.abort())
	}
	w.state.Must(func(g *grown) { g.sealed = true })
	return sealed, nil
}

// Close ends reading, now or when the last reader leaves. It may be called more than once.
func (w *Writer) Close() error {
	first, idle := false, false
	w.state.Must(func(g *grown) {
		first = !g.ended
		g.ended = true
		idle = g.readers == 0
	})
	if first && idle {
		w.spool.remove()
	}
	return nil
}

var _ Ranger = (*Writer)(nil)
