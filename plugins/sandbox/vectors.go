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
	floats kernel.Values[float64]
	ints   kernel.Values[int64] // nil: it is of floats
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
	ctx    context.Context
	k      *call
	guest  api.Module
	stack  []uint64
	used   int // of the stack
	reads  []span
	writes []span
	alias  span // the next output may begin where this does
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
	elements := a.k.price.rates[0]
	return func(n int) error {
		a.k.work(a.ctx, elements, n)
		return nil
	}
}

// mayBe lets the next output be the memory of a vector.
func (a *arguments) mayBe(v vector) { a.alias = v.values }

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
	switch d.Column {
	case abi.Floats:
		v.floats, v.values = inMemory[float64](a, d)
	case abi.Ints:
		v.ints, v.values = inMemory[int64](a, d)
	default:
		panic(violation("a vector in memory is of %d: want floats or ints", d.Column))
	}
	v.rows = int(d.Rows)
	return v
}

func inMemory[T kernel.Element](a *arguments, d abi.Vector) (kernel.Vector[T], span) {
	values, at := memoryOf[T](a, d.From, d.Rows)
	return kernel.Vector[T]{{Values: values, Validity: a.validity(d, at)}}, at
}

// validity notes what a vector in memory reads, and returns its bitmap, if it has one.
func (a *arguments) validity(d abi.Vector, values span) []byte {
	a.reads = append(a.reads, values)
	if d.Validity == 0 {
		return nil
	}
	n := uint32(bitutil.BytesForBits(int64(d.Rows)))
	a.reads = append(a.reads, span{uint64(d.Validity), uint64(d.Validity) + uint64(n)})
	return readBuffer(a.guest, d.Validity, n)
}

// columnVector is a column as the table's file has it in memory.
func (a *arguments) columnVector(d abi.Vector) (v vector) {
	f := a.column(d.Input, d.Column)
	if total := uint64(f.Rows()); d.From > total || d.Rows > total-d.From {
		panic(violation("a vector of %d rows from %d: the table has %d", d.Rows, d.From, total))
	}
	if d.Validity != 0 {
		panic(violation("a vector of a column with a validity bitmap of its own"))
	}
	p := &page{ctx: a.ctx, k: a.k, f: f, column: int(d.Column), from: int64(d.From), to: int64(d.From + d.Rows)}
	v.rows = int(d.Rows)
	switch t := f.Schema().Field(int(d.Column)).Type; t.ID() {
	case arrow.FLOAT64:
		v.floats = paged(p, func(col arrow.Array) []float64 { return col.(*array.Float64).Float64Values() })
	case arrow.INT64:
		v.ints = paged(p, func(col arrow.Array) []int64 { return col.(*array.Int64).Int64Values() })
	case arrow.TIMESTAMP:
		v.ints = paged(p, func(col arrow.Array) []int64 {
			times := col.(*array.Timestamp).TimestampValues()
			return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(times))), len(times))
		})
	default:
		panic(violation("a vector of a %s column", t))
	}
	return v
}

// page is a range of rows of a column, which is fetched batch by batch.
type page struct {
	ctx      context.Context
	k        *call
	f        *table.File
	column   int
	from, to int64
	seen     int // batches that were fetched at least once: they are in order at first
}

func (p *page) count() int {
	if p.from == p.to {
		return 0
	}
	return p.f.BatchOf(p.to-1) - p.f.BatchOf(p.from) + 1
}

// at returns the rows that a batch has of the range.
func (p *page) at(i int) arrow.Array {
	isNew := i >= p.seen
	p.seen = max(p.seen, i+1)
	batch := p.f.BatchOf(p.from) + i
	first, end := p.f.FirstRow(batch), p.f.FirstRow(batch+1)
	return p.k.column(p.ctx, p.f, batch, p.column, max(p.from, first)-first, min(p.to, end)-first, isNew)
}

// paged is a page whose batches have values of a type.
func paged[T kernel.Element](p *page, values func(arrow.Array) []T) kernel.Paged[T] {
	return kernel.Paged[T]{Rows: int(p.to - p.from), Pieces: p.count(), Piece: func(i int) kernel.Piece[T] {
		col := p.at(i)
		return kernel.Piece[T]{Values: values(col), Validity: validityOf(col), Offset: col.Data().Offset()}
	}}
}

// validityOf is a column's bitmap; nil if nothing is null.
func validityOf(col arrow.Array) []byte {
	if col.NullN() == 0 {
		return nil
	}
	return col.NullBitmapBytes()
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

// texts is a column of text.
type texts struct{ *page }

func (t texts) Pieces() int                  { return t.count() }
func (t texts) Piece(i int) kernel.TextPiece { return textPiece(t.at(i).(*array.String)) }

// text reads the numbers of an input and of a column of text.
func (a *arguments) text() kernel.Texts {
	input, column := int32(uint32(a.next())), int32(uint32(a.next()))
	f := a.column(input, column)
	if t := f.Schema().Field(int(column)).Type; t.ID() != arrow.STRING {
		panic(violation("the texts of a %s column", t))
	}
	return texts{&page{ctx: a.ctx, k: a.k, f: f, column: int(column), to: f.Rows()}}
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
	p.Validity = validityOf(c)
	return p
}
