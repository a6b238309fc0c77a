package binary

// Instruction is one instruction. Its immediates are in the bytes behind it.
type Instruction struct {
	Op    uint32 // see the Op constants
	Start int    // offset of its first byte in the code
	End   int    // offset behind its last byte
}

// Instructions calls visit for each instruction of a function, in order, the
// closing end included. It stops at the first error, its own or visit's.
func (b Body) Instructions(visit func(Instruction) error) error {
	r := &reader{data: b.Code, base: b.Offset}
	for !r.done() {
		start := r.at
		op := r.instruction()
		if r.err != nil {
			return r.err
		}
		if err := visit(Instruction{Op: op, Start: start, End: r.at}); err != nil {
			return err
		}
	}
	return nil
}

// instruction reads an instruction with its immediates.
func (r *reader) instruction() uint32 {
	start := r.at
	op := uint32(r.byte())
	switch {
	case op == prefixed || op == vector:
		op = op<<16 | r.uint32()&0xffff
		r.prefixedImmediates(op)
	case op <= 0x01, op == 0x05, op == OpEnd, op == 0x0f, op == 0x1a, op == 0x1b, op == 0xd1, 0x45 <= op && op <= 0xc4:
		// none
	case 0x02 <= op && op <= 0x04: // block, loop, if: the type
		r.signed(33)
	case op == 0x0e: // br_table
		for range r.count() {
			r.uint32()
		}
		r.uint32()
	case op == 0x11: // call_indirect
		r.uint32()
		r.uint32()
	case op == 0x1c: // select with types
		r.bytes(r.count())
	case 0x28 <= op && op <= 0x3e: // loads and stores: alignment, offset
		r.uint32()
		r.uint32()
	case op == 0x0c, op == 0x0d, op == 0x10, 0x20 <= op && op <= 0x26, op == 0x3f, op == 0x40, op == OpRefNull, op == OpRefFunc:
		r.uint32() // an index, or a heap type, which is one byte
	case op == OpI32Const:
		r.signed(32)
	case op == OpI64Const:
		r.signed(64)
	case op == OpF32Const:
		r.bytes(4)
	case op == OpF64Const:
		r.bytes(8)
	default:
		r.at = start
		r.fail("instruction %#x is not known", op)
	}
	return op
}

// prefixedImmediates reads what follows the number of an instruction behind a
// prefix byte.
func (r *reader) prefixedImmediates(op uint32) {
	n := op & 0xffff
	if op>>16 == vector {
		r.vectorImmediates(n)
		return
	}
	switch {
	case n <= 7: // saturating truncation
	case n == 8, n == 10, n == 12, n == 14:
		r.uint32()
		r.uint32()
	case n <= 17:
		r.uint32()
	default:
		r.fail("instruction 0xfc %d is not known", n)
	}
}

func (r *reader) vectorImmediates(n uint32) {
	switch {
	case n <= 11, n == 92, n == 93: // loads, store
		r.uint32()
		r.uint32()
	case n == 12, n == 13: // v128.const, i8x16.shuffle
		r.bytes(16)
	case 21 <= n && n <= 34: // lanes
		r.byte()
	case 84 <= n && n <= 91: // loads and stores of a lane
		r.uint32()
		r.uint32()
		r.byte()
	case n > 275: // the last of the vector instructions is 255; relaxed ones end at 275
		r.fail("instruction 0xfd %d is not known", n)
	}
}
