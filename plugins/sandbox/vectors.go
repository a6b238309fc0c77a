package sandbox

import (
	"context"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/tetratelabs/wazero/api"

	"thresher/core/stats/kernel"
	"thresher/core/table"
	"thresher/plugins/abi"
)

// vector is a vector that a guest has described, of either type.
type vector struct {
	floats kernel.Vector[float64]
	ints   kernel.Vector[int64] // nil: it is of floats
	rows   int
	values span // where in guest memory; nowhere if it is a column
}

func (v vector) isInts() bool { return v.ints != nil }

func (v vector) numbers() kernel.Numbers {
	if v.isInts() {
		return v.ints
	}
	return v.floats
}

// span is a stretch of guest memory.
type span struct{ start, end uint64 }

func (s span) overlaps(o span) bool { return s.start < o.end && o.start < s.end }

// arguments reads the arguments of a kernel, one after the other, and makes sure
// that what it writes is apart from all else.
type arguments struct {
	ctx     context.Context
	k       *call
	guest   api.Module
	stack   []uint64
	used    int // of the stack
	reads   []span
	writes  []span
	alias   span // the next output may begin where this does
	batches []arrow.RecordBatch
}

func (a *arguments) next() uint64 {
	v := a.stack[a.used]
	a.used++
	return v
}

func (a *arguments) float() float64 { return api.DecodeF64(a.next()) }

// int reads a number that may not be negative.
func (a *arguments) int() int {
	v := int32(uint32(a.next()))
	if v < 0 {
		panic(violation("a kernel was given %d: it may not be negative", v))
	}
	return int(v)
}

// begin returns what the kernel calls as it goes on. All arguments have been read:
// it checks them against each other.
func (a *arguments) begin() kernel.Pause {
	for i, w := range a.writes {
		for _, r := range slices.Concat(a.reads, a.writes[:i]) {
			if w.overlaps(r) {
				panic(violation("a kernel's output at %d–%d overlaps its buffer at %d–%d", w.start, w.end, r.start, r.end))
			}
		}
	}
	return func(elements int) error {
		a.k.passed(a.ctx, elements)
		return nil
	}
}

// mayBe lets the next output be the memory of a vector.
func (a *arguments) mayBe(v vector) { a.alias = v.values }

// release lets go of the batches of columns.
func (a *arguments) release() {
	for _, b := range a.batches {
		b.Release()
	}
}

// read returns the memory of n elements that the kernel reads.
func read[T kernel.Element](a *arguments, n int) []T {
	values, at := memoryOf[T](a, a.next(), uint64(n))
	a.reads = append(a.reads, at)
	return values
}

// write returns the memory of n elements that the kernel writes.
func write[T kernel.Element | uint32](a *arguments, n int) []T {
	values, at := memoryOf[T](a, a.next(), uint64(n))
	alias := a.alias
	a.alias = span{}
	if at.start == alias.start && at.end == alias.end {
		// Not apart from that vector, but from everything else.
		for i, r := range a.reads {
			if r == alias {
				a.reads[i] = span{}
				break
			}
		}
	}
	a.writes = append(a.writes, at)
	return values
}

// memoryOf is a view of n elements in guest memory, at an address that is a multiple
// of their size. Guest memory begins at a page, and both sides are little endian.
func memoryOf[T kernel.Element | uint32](a *arguments, ptr, n uint64) ([]T, span) {
	var element T
	size := uint64(unsafe.Sizeof(element))
	if n > uint64(a.guest.Memory().Size())/size || ptr > uint64(a.guest.Memory().Size()) {
		panic(violation("a buffer of %d elements at %d is outside the memory of %d bytes", n, ptr, a.guest.Memory().Size()))
	}
	view := readBuffer(a.guest, uint32(ptr), uint32(n*size))
	if n == 0 {
		return nil, span{}
	}
	if ptr%size != 0 {
		panic(violation("a kernel's buffer at %d: it must be at a multiple of %d", ptr, size))
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(view))), n), span{ptr, ptr + n*size}
}

// vector reads a descriptor.
func (a *arguments) vector() vector {
	raw, _ := memoryOf[int64](a, a.next(), abi.VectorSize/8)
	d := describedBy(raw)
	switch {
	case d.Reserved != 0:
		panic(violation("a vector's reserved bytes are not 0"))
	case d.Input == abi.InMemory:
		return a.memoryVector(d)
	}
	return a.columnVector(d)
}

func describedBy(raw []int64) abi.Vector {
	return abi.Vector{
		Input: int32(raw[0]), Column: int32(raw[0] >> 32),
		From: uint64(raw[1]), Rows: uint64(raw[2]),
		Validity: uint32(raw[3]), Reserved: uint32(raw[3] >> 32),
	}
}

func (a *arguments) memoryVector(d abi.Vector) (v vector) {
	var validity []byte
	switch d.Column {
	case abi.Floats:
		var values []float64
		values, v.values = memoryOf[float64](a, d.From, d.Rows)
		v.floats = kernel.Of(values)
	case abi.Ints:
		var values []int64
		values, v.values = memoryOf[int64](a, d.From, d.Rows)
		v.ints = kernel.Of(values)
	default:
		panic(violation("a vector in memory is of %d: want floats or ints", d.Column))
	}
	v.rows = int(d.Rows)
	a.reads = append(a.reads, v.values)
	if d.Validity == 0 {
		return v
	}
	n := uint32(bitutil.BytesForBits(int64(d.Rows)))
	validity = readBuffer(a.guest, d.Validity, n)
	a.reads = append(a.reads, span{uint64(d.Validity), uint64(d.Validity) + uint64(n)})
	if v.isInts() {
		v.ints[0].Validity = validity
	} else {
		v.floats[0].Validity = validity
	}
	return v
}

// batchWork is what it costs to find a batch of a table, in elements.
const batchWork = 1 << 12

// columnVector is a column as the table's file has it in memory.
func (a *arguments) columnVector(d abi.Vector) (v vector) {
	f := a.column(d.Input, d.Column)
	if total := uint64(f.Rows()); d.From > total || d.Rows > total-d.From {
		panic(violation("a vector of %d rows from %d: the table has %d", d.Rows, d.From, total))
	}
	if d.Validity != 0 {
		panic(violation("a vector of a column with a validity bitmap of its own"))
	}
	switch t := f.Schema().Field(int(d.Column)).Type; t.ID() {
	case arrow.FLOAT64:
	case arrow.INT64, arrow.TIMESTAMP:
		v.ints = kernel.Vector[int64]{}
	default:
		panic(violation("a vector of a %s column", t))
	}
	v.rows = int(d.Rows)
	a.eachBatch(f, int64(d.From), int64(d.From+d.Rows), func(b arrow.RecordBatch) { v.append(b.Column(int(d.Column))) })
	return v
}

// column returns the table of a column that there is.
func (a *arguments) column(input, column int32) *table.File {
	if input < 0 || int(input) >= len(a.k.inputs) {
		panic(violation("a vector of input %d: there are %d", input, len(a.k.inputs)))
	}
	f := a.k.inputs[input]
	if column < 0 || int(column) >= f.Schema().NumFields() {
		panic(violation("a vector of column %d: the table has %d", column, f.Schema().NumFields()))
	}
	return f
}

// eachBatch keeps the batches in use until the kernel has ended.
func (a *arguments) eachBatch(f *table.File, from, to int64, fn func(arrow.RecordBatch)) {
	err := f.Range(from, to, func(b arrow.RecordBatch) error {
		b.Retain()
		a.batches = append(a.batches, b)
		fn(b)
		a.k.passed(a.ctx, batchWork)
		return nil
	})
	if err != nil {
		panic(hostError{err})
	}
}

// text reads the numbers of an input and of a column of text.
func (a *arguments) text() (text kernel.Text) {
	input, column := int32(uint32(a.next())), int32(uint32(a.next()))
	f := a.column(input, column)
	if t := f.Schema().Field(int(column)).Type; t.ID() != arrow.STRING {
		panic(violation("the texts of a %s column", t))
	}
	a.eachBatch(f, 0, f.Rows(), func(b arrow.RecordBatch) {
		text = append(text, textPiece(b.Column(int(column)).(*array.String)))
	})
	return text
}

func textPiece(c *array.String) kernel.TextPiece {
	p := kernel.TextPiece{Offset: c.Data().Offset()}
	if c.Len() == 0 {
		return p
	}
	p.Offsets = unsafe.Slice(unsafe.SliceData(c.ValueOffsets()), c.Len()+1)
	if values := c.Data().Buffers()[2]; values != nil {
		p.Bytes = values.Bytes()
	}
	if c.NullN() != 0 {
		p.Validity = c.NullBitmapBytes()
	}
	return p
}

// append adds a batch's part of a column.
func (v *vector) append(col arrow.Array) {
	var validity []byte
	if col.NullN() != 0 {
		validity = col.NullBitmapBytes()
	}
	offset := col.Data().Offset()
	switch c := col.(type) {
	case *array.Float64:
		v.floats = append(v.floats, kernel.Piece[float64]{Values: c.Float64Values(), Validity: validity, Offset: offset})
	case *array.Int64:
		v.ints = append(v.ints, kernel.Piece[int64]{Values: c.Int64Values(), Validity: validity, Offset: offset})
	case *array.Timestamp:
		times := c.TimestampValues()
		ints := unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(times))), len(times))
		v.ints = append(v.ints, kernel.Piece[int64]{Values: ints, Validity: validity, Offset: offset})
	}
}
