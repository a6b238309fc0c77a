package binary

// Expression is a constant expression: one instruction, and the closing end.
type Expression struct {
	Offset int // in the module
	Code   []byte
}

// Instructions is as [Body.Instructions].
func (e Expression) Instructions(visit func(Instruction) error) error {
	return Body{Offset: e.Offset, Code: e.Code}.Instructions(visit)
}

// i32 returns the number that an i32.const pushes.
func (e Expression) i32() (value uint32, ok bool) {
	if len(e.Code) == 0 || e.Code[0] != OpI32Const {
		return 0, false
	}
	return uint32((&reader{data: e.Code, at: 1}).signed(32)), true
}

// Function returns the reference of a ref.func.
func (e Expression) Function() (Reference, bool) {
	if len(e.Code) == 0 || e.Code[0] != OpRefFunc {
		return Reference{}, false
	}
	r := &reader{data: e.Code, at: 1, base: e.Offset}
	return r.reference(), true
}

// constant reads a constant expression.
func (r *reader) constant() Expression {
	start := r.at
	switch op := r.instruction().Op; {
	case r.err != nil:
		return Expression{}
	case constants[op]:
	case 0x6a <= op && op <= 0x6c, 0x7c <= op && op <= 0x7e:
		r.at = start
		r.needs(FeatureExtendedConst, "arithmetic in a constant")
	default:
		r.at = start
		r.fail("instruction %#x is not constant", op)
	}
	end := r.at
	switch op := r.byte(); {
	case r.err != nil:
		return Expression{}
	case op == OpEnd:
	case constants[uint32(op)]:
		r.at = end
		r.needs(FeatureExtendedConst, "a constant of several instructions")
	default:
		r.at = end
		r.fail("a constant does not end with end")
	}
	return Expression{Offset: r.base + start, Code: r.data[start:r.at]}
}

// constants are the instructions that a constant expression may be.
var constants = map[uint32]bool{
	OpGlobalGet: true, OpI32Const: true, OpI64Const: true, OpF32Const: true, OpF64Const: true,
	OpRefNull: true, OpRefFunc: true, OpV128Const: true,
}
