package sdk

import (
	"fmt"
	"iter"
	"unsafe"

	"thresher/plugins/abi"
)

// Batch is a run of rows of a table, as they are in its file: nothing of it is copied.
// What it returns may be read until the next batch, and written to, which changes
// nothing but the plugin's own view.
type Batch struct {
	table  *Table
	first  int64 // row
	rows   int
	layout [][3]abi.Span // of each column: validity, values, offsets
	file   func(abi.Span) []byte
}

// mapAtOnce bounds how much of a file is in view at once, in bytes. A batch that is
// larger is mapped all the same.
const mapAtOnce = 64 << 20

// Batches yields the rows of the table in order, a record batch at a time. Of a table
// that is larger than the plugin's memory a part is in view at a time.
func (t *Table) Batches() iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		w := window{table: t}
		first := int64(0)
		for n := range t.input.Batches {
			b := t.batch(int32(n))
			b.first = first
			first += int64(b.rows)
			from, to := b.extent()
			w.show(from, to)
			b.file = w.bytes
			if !yield(b) {
				return
			}
		}
	}
}

// batch reads the layout of a record batch.
func (t *Table) batch(n int32) *Batch {
	raw := make([]byte, abi.LayoutSize(len(t.input.Columns)))
	t.host.InputLayout(t.number, n, raw)
	l := abi.DecodeLayout(raw)
	return &Batch{table: t, rows: int(l.Rows), layout: l.Columns}
}

// extent is the range of the file that the batch takes.
func (b *Batch) extent() (from, to int64) {
	from = b.table.input.Bytes
	for _, parts := range b.layout {
		for _, s := range parts {
			if s.Bytes > 0 {
				from, to = min(from, s.Offset), max(to, s.Offset+s.Bytes)
			}
		}
	}
	return from, max(from, to)
}

// window is the part of a file that is in view.
type window struct {
	table    *Table
	buffer   []byte
	from, to int64
	view     []byte
}

// show makes sure that a range is in view, and as much behind it as there is room for.
func (w *window) show(from, to int64) {
	if w.view != nil && w.from <= from && to <= w.to {
		return
	}
	to = max(to, min(from+mapAtOnce, w.table.input.Bytes))
	if need := int(to-from) + abi.MapRoom; need > len(w.buffer) {
		w.buffer = make([]byte, need)
	}
	w.from, w.to = from, to
	w.view = w.table.host.InputMap(w.table.number, from, to-from, w.buffer)
}

func (w *window) bytes(s abi.Span) []byte {
	if s.Bytes == 0 {
		return nil
	}
	return w.view[s.Offset-w.from:][:s.Bytes:s.Bytes]
}

// First returns the number of the batch's first row in the table.
func (b *Batch) First() int64 { return b.first }

// Rows returns the number of rows.
func (b *Batch) Rows() int { return b.rows }

// Float64 returns a column of type float64. The value of a null row is 0.
func (b *Batch) Float64(name string) ([]float64, Bits, error) {
	return column[float64](b, name, "float64")
}

// Int64 returns a column of integers, or of timestamps in microseconds since 1970.
// The value of a null row is 0.
func (b *Batch) Int64(name string) ([]int64, Bits, error) {
	return column[int64](b, name, "int64", "timestamp")
}

// Dates returns a column of dates, in days since 1970. The value of a null row is 0.
func (b *Batch) Dates(name string) ([]int32, Bits, error) {
	return column[int32](b, name, "date")
}

// Bools returns a column of booleans.
func (b *Batch) Bools(name string) (values, valid Bits, err error) {
	i, err := b.find(name, "bool")
	if err != nil {
		return values, valid, err
	}
	return Bits{set: b.part(i, abi.Values)}, b.valid(i), nil
}

// Text returns a column of text.
func (b *Batch) Text(name string) (Text, Bits, error) {
	i, err := b.find(name, "string")
	if err != nil {
		return Text{}, Bits{}, err
	}
	return Text{offsets: view[int32](b.part(i, abi.Offsets)), bytes: b.part(i, abi.Values)}, b.valid(i), nil
}

func column[T int32 | int64 | float64](b *Batch, name string, types ...string) ([]T, Bits, error) {
	i, err := b.find(name, types...)
	if err != nil {
		return nil, Bits{}, err
	}
	return view[T](b.part(i, abi.Values)), b.valid(i), nil
}

func (b *Batch) find(name string, types ...string) (int32, error) {
	i, c, err := b.table.column(name)
	if err != nil {
		return 0, err
	}
	for _, t := range types {
		if c.Type == t {
			return i, nil
		}
	}
	return 0, fmt.Errorf("column %q is %s, want %v", name, c.Type, types)
}

func (b *Batch) part(column int32, part int32) []byte { return b.file(b.layout[column][part]) }

func (b *Batch) valid(column int32) Bits {
	return Bits{set: b.part(column, abi.Validity), all: b.layout[column][abi.Validity].Bytes == 0}
}

// view reads bytes as numbers. WebAssembly is little endian, as the layout is, and
// the file aligns them.
func view[T int32 | int64 | float64](raw []byte) []T {
	if len(raw) == 0 {
		return nil
	}
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/int(unsafe.Sizeof(zero)))
}

// Bits is a bit for each row.
type Bits struct {
	set []byte // least significant first
	all bool   // every one is set
}

// At returns the bit of a row of the batch.
func (b Bits) At(row int) bool { return b.all || b.set[row/8]>>(row%8)&1 == 1 }

// All reports whether all bits are known to be set.
func (b Bits) All() bool { return b.all }

// Text is a column of text.
type Text struct {
	offsets []int32
	bytes   []byte
}

// At returns the text of a row of the batch. It may be read until the next batch.
func (t Text) At(row int) []byte { return t.bytes[t.offsets[row]:t.offsets[row+1]] }
