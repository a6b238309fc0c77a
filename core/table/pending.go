package table

import (
	"encoding/binary"
	"slices"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
)

// pending is the rows of a record batch that is not written yet, as the file will have
// them. Each row is copied once, however it comes: as one of many in a batch, or alone.
// What is under a null is not kept, so that equal rows are equal bytes.
type pending struct {
	rows    int64
	text    int64 // bytes of all texts
	bits    int64 // of a row, without its texts
	columns []pendingColumn
}

// pendingColumn is the pending rows of a column.
type pendingColumn struct {
	kind    arrow.DataType
	nulls   int64
	valid   []byte // a bit for each row; empty while no row is null
	values  []byte
	offsets []byte // of text: where the text of each row begins, and the last one ends
}

func newPending(schema *arrow.Schema) *pending {
	p := &pending{bits: bitsOfRow(schema), columns: make([]pendingColumn, schema.NumFields())}
	for i, f := range schema.Fields() {
		p.columns[i].kind = f.Type
	}
	p.clear()
	return p
}

// bitsOfRow is how many bits a row takes, without its texts.
func bitsOfRow(schema *arrow.Schema) (bits int64) {
	for _, f := range schema.Fields() {
		bits += 1 + bitsOf(f.Type)
	}
	return bits
}

// bitsOf is how many bits a value takes; of a text its offset.
func bitsOf(t arrow.DataType) int64 {
	if fixed, ok := t.(arrow.FixedWidthDataType); ok {
		return int64(fixed.BitWidth())
	}
	return 32
}

func (p *pending) clear() {
	p.rows, p.text = 0, 0
	for i := range p.columns {
		c := &p.columns[i]
		*c = pendingColumn{kind: c.kind, valid: c.valid[:0], values: c.values[:0], offsets: c.offsets[:0]}
		if c.kind.ID() == arrow.STRING {
			c.offsets = append(c.offsets, zeros[:4]...)
		}
	}
}

// bytes is how much the rows take, as if some were null in every column.
func (p *pending) bytes() int64 { return p.bytesOf(p.rows, p.text) }

func (p *pending) bytesOf(rows, text int64) int64 { return (rows*p.bits+7)/8 + text }

// fits returns how many rows of a batch, beginning with row from, can be added before the
// pending rows exceed batchRows or maxBatchBytes. A row that exceeds maxBatchBytes alone
// fits if nothing is pending.
func (p *pending) fits(batch arrow.RecordBatch, from int64) int64 {
	most := min(batch.NumRows()-from, batchRows-p.rows)
	beyond := func(n int64) bool {
		return p.bytesOf(p.rows+n, p.text+textBytes(batch, from, from+n)) > maxBatchBytes
	}
	if !beyond(most) {
		return most
	}
	n := int64(sort.Search(int(most), func(n int) bool { return beyond(int64(n) + 1) }))
	if p.rows == 0 {
		n = max(n, 1)
	}
	return n
}

// textBytes is how many bytes the texts of some rows have.
func textBytes(batch arrow.RecordBatch, from, to int64) (n int64) {
	for _, col := range batch.Columns() {
		if text, ok := col.(*array.String); ok && to > from {
			offsets := text.ValueOffsets()
			n += int64(offsets[to] - offsets[from])
		}
	}
	return n
}

// add adds all rows of a batch.
func (p *pending) add(batch arrow.RecordBatch) {
	for i := range p.columns {
		c := &p.columns[i]
		before := int64(len(c.values))
		c.add(int(p.rows), batch.Column(i))
		if c.kind.ID() == arrow.STRING {
			p.text += int64(len(c.values)) - before
		}
	}
	p.rows += batch.NumRows()
}

// add adds rows to those that there are.
func (c *pendingColumn) add(rows int, col arrow.Array) {
	c.addValidity(rows, col)
	switch col := col.(type) {
	case *array.String:
		c.addText(col)
	case *array.Boolean:
		c.values = appendBits(c.values, rows, bufferOf(col, 1), col.Data().Offset(), col.Len())
		eachNull(col, func(i int) { bitutil.ClearBit(c.values, rows+i) })
	default:
		width := c.kind.(arrow.FixedWidthDataType).Bytes()
		first := col.Data().Offset() * width
		c.values = append(withRoom(c.values, col.Len()*width), bufferOf(col, 1)[first:first+col.Len()*width]...)
		eachNull(col, func(i int) { clear(c.values[(rows+i)*width:][:width]) })
	}
}

func (c *pendingColumn) addValidity(rows int, col arrow.Array) {
	nulls := col.NullN()
	if c.nulls += int64(nulls); c.nulls == 0 {
		return
	}
	if len(c.valid) == 0 { // no row before was null
		c.valid = appendBits(c.valid, 0, nil, 0, rows)
	}
	if nulls == 0 {
		c.valid = appendBits(c.valid, rows, nil, 0, col.Len())
		return
	}
	c.valid = appendBits(c.valid, rows, bufferOf(col, 0), col.Data().Offset(), col.Len())
}

// withRoom returns values with room for so many bytes more. It doubles what there is, up to
// the size of a batch: append would go there in small steps, and leave each behind as garbage.
func withRoom(values []byte, more int) []byte {
	have, want := cap(values), len(values)+more
	if want <= have {
		return values
	}
	return append(make([]byte, 0, max(want, min(2*have, maxBatchBytes))), values...)
}

func (c *pendingColumn) addText(col *array.String) {
	if col.Len() == 0 {
		return
	}
	offsets, text := col.ValueOffsets(), bufferOf(col, 2)
	end := len(c.values)
	c.values = withRoom(c.values, int(offsets[col.Len()]-offsets[0]))
	c.offsets = slices.Grow(c.offsets, 4*col.Len())
	for i := range col.Len() {
		if !col.IsNull(i) {
			end += int(offsets[i+1] - offsets[i])
		}
		c.offsets = binary.LittleEndian.AppendUint32(c.offsets, uint32(end))
	}
	if col.NullN() == 0 {
		c.values = append(c.values, text[offsets[0]:offsets[col.Len()]]...)
		return
	}
	for i := range col.Len() {
		if !col.IsNull(i) {
			c.values = append(c.values, text[offsets[i]:offsets[i+1]]...)
		}
	}
}

// bufferOf returns a buffer of a column; it may be missing where there are no bytes.
func bufferOf(col arrow.Array, i int) []byte {
	if b := col.Data().Buffers()[i]; b != nil {
		return b.Bytes()
	}
	return nil
}

func eachNull(col arrow.Array, fn func(i int)) {
	if col.NullN() == 0 {
		return
	}
	for i := range col.Len() {
		if col.IsNull(i) {
			fn(i)
		}
	}
}

// appendBits appends n bits to those that there are; ones, if there are no others.
func appendBits(to []byte, have int, from []byte, offset, n int) []byte {
	size := int(bitutil.BytesForBits(int64(have + n)))
	to = append(to, make([]byte, size-len(to))...)
	if from == nil {
		bitutil.SetBitsTo(to, int64(have), int64(n), true)
		return to
	}
	bitutil.CopyBitmap(from, offset, n, to, have)
	return to
}

// body returns what the file has of the rows.
func (p *pending) body() body {
	b := body{rows: p.rows}
	for i := range p.columns {
		c := &p.columns[i]
		b.nulls = append(b.nulls, c.nulls)
		b.add(c.valid)
		if c.kind.ID() == arrow.STRING {
			b.add(c.offsets)
		}
		b.add(c.values)
	}
	return b
}

// body is what a record batch holds, as the file has it.
type body struct {
	rows    int64
	nulls   []int64  // of each column
	buffers [][]byte // of all columns in order; not yet padded
	size    int64    // of the buffers with their padding
}

func (b *body) add(buffer []byte) {
	b.buffers = append(b.buffers, buffer)
	b.size += int64(len(buffer)) + int64(padding(int64(len(buffer))))
}

// batchBytes is about how much of a file a batch takes.
func batchBytes(batch arrow.RecordBatch) int64 {
	return (batch.NumRows()*bitsOfRow(batch.Schema())+7)/8 + textBytes(batch, 0, batch.NumRows())
}
