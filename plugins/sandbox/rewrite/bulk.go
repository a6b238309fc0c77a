package rewrite

import "thresher/plugins/sandbox/binary"

// The functions that rewriting adds. They are written by hand, as they would be in
// the text format; each has its locals first.

// chargeBody takes gas by a number: charge(gas i32).
func chargeBody(l layout) []byte {
	var c code
	c.op(0) // no locals
	left := func() {
		c.op(binary.OpGlobalGet, l.global)
		c.op(binary.OpLocalGet, 0)
		c.ops(binary.OpI64ExtendU)
		c.i64(stackBits)
		c.ops(binary.OpI64Shl, binary.OpI64Sub)
		c.op(binary.OpGlobalSet, l.global)
	}
	left()
	c.op(binary.OpGlobalGet, l.global)
	c.i64(0)
	c.ops(binary.OpI64LtS, binary.OpIf, binary.NoResult)
	c.op(binary.OpLocalGet, 0)
	c.ops(binary.OpI64ExtendU)
	c.op(binary.OpCall, l.tick)
	left()
	c.ops(binary.OpEnd, binary.OpEnd)
	return c
}

// The locals of fill and copy.
const (
	bulkTo = iota
	bulkFrom
	bulkBytes
	bulkPiece
)

// fillBody is memory.fill in pieces: fill(at, value, bytes i32).
func fillBody(l layout) []byte {
	c := beginBulk()
	c.trapOutside(bulkTo, func() { c.op(binary.OpMemoryFill, 0) })
	c.ops(binary.OpLoop, binary.NoResult)
	c.nextPiece(l)
	c.arguments(bulkTo, bulkFrom, bulkPiece)
	c.op(binary.OpMemoryFill, 0)
	c.advance(bulkTo)
	c.again()
	c.ops(binary.OpEnd, binary.OpEnd)
	return c
}

// copyBody is memory.copy in pieces: copy(to, from, bytes i32). It starts at the
// end where the two ranges may overlap so that it must.
func copyBody(l layout) []byte {
	c := beginBulk()
	c.trapOutside(bulkTo, func() { c.op(binary.OpMemoryCopy, 0, 0) })
	c.trapOutside(bulkFrom, func() { c.op(binary.OpMemoryCopy, 0, 0) })
	c.op(binary.OpLocalGet, bulkTo)
	c.op(binary.OpLocalGet, bulkFrom)
	c.ops(binary.OpI32GtU, binary.OpIf, binary.NoResult)
	c.ops(binary.OpLoop, binary.NoResult)
	c.nextPiece(l)
	c.atEnd(bulkTo)
	c.atEnd(bulkFrom)
	c.op(binary.OpLocalGet, bulkPiece)
	c.op(binary.OpMemoryCopy, 0, 0)
	c.again()
	c.ops(binary.OpEnd, binary.OpElse)
	c.ops(binary.OpLoop, binary.NoResult)
	c.nextPiece(l)
	c.arguments(bulkTo, bulkFrom, bulkPiece)
	c.op(binary.OpMemoryCopy, 0, 0)
	c.advance(bulkTo)
	c.advance(bulkFrom)
	c.again()
	c.ops(binary.OpEnd, binary.OpEnd, binary.OpEnd)
	return c
}

func beginBulk() (c code) {
	c.op(1, 1) // one local
	return append(c, binary.TypeI32)
}

func (c *code) arguments(locals ...uint32) {
	for _, l := range locals {
		c.op(binary.OpLocalGet, l)
	}
}

// trapOutside does the instruction at once where its range from a local on reaches
// out of the memory: it traps, having done nothing.
func (c *code) trapOutside(from uint32, instruction func()) {
	c.op(binary.OpLocalGet, from)
	c.ops(binary.OpI64ExtendU)
	c.op(binary.OpLocalGet, bulkBytes)
	c.ops(binary.OpI64ExtendU, binary.OpI64Add)
	c.op(binary.OpMemorySize, 0)
	c.ops(binary.OpI64ExtendU)
	c.i64(16)
	c.ops(binary.OpI64Shl, binary.OpI64GtU, binary.OpIf, binary.NoResult)
	c.arguments(bulkTo, bulkFrom, bulkBytes)
	instruction()
	c.ops(binary.OpEnd)
}

// nextPiece sets how much is next, and pays for it.
func (c *code) nextPiece(l layout) {
	c.op(binary.OpLocalGet, bulkBytes)
	c.i32(pieceBytes)
	c.op(binary.OpLocalGet, bulkBytes)
	c.i32(pieceBytes)
	c.ops(binary.OpI32LtU, opSelect)
	c.op(binary.OpLocalTee, bulkPiece)
	c.i32(bytesPerGas)
	c.ops(binary.OpI32DivU)
	c.op(binary.OpCall, l.charge)
}

// advance moves a place behind the piece.
func (c *code) advance(place uint32) {
	c.op(binary.OpLocalGet, place)
	c.op(binary.OpLocalGet, bulkPiece)
	c.ops(binary.OpI32Add)
	c.op(binary.OpLocalSet, place)
}

// atEnd pushes where the piece is that is the last of what is left.
func (c *code) atEnd(place uint32) {
	c.op(binary.OpLocalGet, place)
	c.op(binary.OpLocalGet, bulkBytes)
	c.ops(binary.OpI32Add)
	c.op(binary.OpLocalGet, bulkPiece)
	c.ops(binary.OpI32Sub)
}

// again goes round as long as something is left.
func (c *code) again() {
	c.op(binary.OpLocalGet, bulkBytes)
	c.op(binary.OpLocalGet, bulkPiece)
	c.ops(binary.OpI32Sub)
	c.op(binary.OpLocalTee, bulkBytes)
	c.op(binary.OpBrIf, 0)
}

const opSelect = 0x1b
