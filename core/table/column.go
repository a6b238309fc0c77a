package table

import (
	"fmt"
	"sort"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// FirstRow returns the number of the first row of a record batch; of the number of
// batches, that of all rows.
func (f *File) FirstRow(batch int) int64 { return f.starts[batch] }

// BatchOf returns the record batch that has a row.
func (f *File) BatchOf(row int64) int {
	return sort.Search(f.NumBatches(), func(i int) bool { return f.starts[i+1] > row })
}

// Column returns a column of a record batch, without looking at the others: what that
// takes does not grow with their number. It is the mapping, valid until the file is
// closed, and need not be released. Ask CheckText before its text is read.
func (f *File) Column(batch, column int) (col arrow.Array, err error) {
	defer recoverMalformed(&err)
	footer, err := footerOf(f.data)
	if err != nil {
		return nil, err
	}
	blocks, err := vector(footer, 10, 24)
	if err != nil {
		return nil, err
	}
	at := blocks.start + flatbuffers.UOffsetT(24*batch)
	start := footer.GetInt64(at)
	meta, _, err := cutMessage(f.data[start:])
	if err != nil {
		return nil, fmt.Errorf("read table: %w: batch %d: %w", ErrMalformed, batch, err)
	}
	header, _ := child(rootTable(meta), 8)
	body := f.data[start+int64(footer.GetInt32(at+8)):]
	col, err = f.columnOf(header, body, column)
	if err != nil {
		return nil, fmt.Errorf("read table: %w: batch %d: %w", ErrMalformed, batch, err)
	}
	return col, nil
}

// columnOf makes a column of the buffers that a record batch has for it.
func (f *File) columnOf(header flatbuffers.Table, body []byte, column int) (arrow.Array, error) {
	nodes, err := vector(header, 6, 16)
	if err != nil {
		return nil, err
	}
	places, err := vector(header, 8, 16)
	if err != nil {
		return nil, err
	}
	kind := f.Schema().Field(column).Type
	node := nodes.start + flatbuffers.UOffsetT(16*column)
	rows, nulls := header.GetInt64(node), header.GetInt64(node+8)
	parts := make([]*memory.Buffer, buffersOf(kind))
	for i := range parts {
		place := places.start + flatbuffers.UOffsetT(16*(f.firstBuffer(column)+i))
		from, size := header.GetInt64(place), header.GetInt64(place+8)
		parts[i] = memory.NewBufferBytes(body[from : from+size : from+size])
	}
	if nulls == 0 {
		parts[0] = nil
	}
	return array.MakeFromData(array.NewData(kind, int(rows), parts, nil, int(nulls), 0)), nil
}

// CheckText returns an error for a column whose cells of text reach out of it. It reads
// all offsets: once is enough.
func CheckText(col arrow.Array) error {
	if runsBackwards(col) {
		return fmt.Errorf("read table: %w: text runs backwards", ErrMalformed)
	}
	return nil
}

// buffersOf is how many buffers a column has.
func buffersOf(t arrow.DataType) int {
	if t.ID() == arrow.STRING {
		return 3 // validity, offsets, values
	}
	return 2
}

// firstBuffer is which of a batch's buffers a column's are from.
func (f *File) firstBuffer(column int) int { return 2*column + f.texts[column] }

func textsBefore(s *arrow.Schema) []int {
	before, n := make([]int, s.NumFields()), 0
	for i, field := range s.Fields() {
		before[i] = n
		n += buffersOf(field.Type) - 2
	}
	return before
}
