package binary

// Instruction is one instruction. What is not in its fields is in the bytes behind
// it.
type Instruction struct {
	Op    uint32 // see the Op constants
	Start int    // offset of its first byte in the code
	End   int    // offset behind its last byte

	// What it names: a label, function, type, local, global, table or segment. Of a
	// br_table it is the default label, of call_indirect the type.
	Index  uint32
	Second uint32 // the table of call_indirect, table.init and table.copy's source
	Labels uint32 // of br_table, beside the default
	Const  int32  // of i32.const
	Block  int64  // of block, loop and if: a type's index, or below 0 a result's type
}

// Instructions calls visit for each instruction of a function, in order, the
// closing end included. It stops at the first error, its own or visit's.
func (b Body) Instructions(visit func(Instruction) error) error {
	r := &reader{data: b.Code, base: b.Offset}
	for !r.done() {
		i := r.instruction()
		if r.err != nil {
			return r.err
		}
		if err := visit(i); err != nil {
			return err
		}
	}
	return nil
}

// Labels calls visit for each label of a br_table, the default last.
func (b Body) Labels(i Instruction, visit func(label uint32)) {
	r := &reader{data: b.Code, at: i.Start + 1}
	for range r.count() + 1 {
		visit(r.uint32())
	}
}

// instruction reads an instruction with its immediates.
func (r *reader) instruction() Instruction {
	i := Instruction{Start: r.at}
	op := uint32(r.byte())
	i.Op = op
	switch {
	case op == prefixed:
		r.bulk(&i)
	case op == vector:
		r.vector(&i)
	case op <= OpNop, op == OpElse, op == OpEnd, op == OpReturn, op == 0x1a, op == 0x1b, op == 0xd1, 0x45 <= op && op <= 0xc4:
		// none
	case OpBlock <= op && op <= OpIf:
		i.Block = r.blockType()
	case op == OpBrTable:
		i.Labels = r.count()
		for range i.Labels {
			r.uint32()
		}
		i.Index = r.uint32()
	case op == OpCallIndirect:
		i.Index, i.Second = r.uint32(), r.uint32()
	case op == 0x1c: // select with its type
		r.selectType()
	case 0x28 <= op && op <= 0x3e:
		r.place()
	case op == OpMemorySize, op == OpMemoryGrow:
		r.memory()
	case op == OpRefNull:
		r.referenceType()
	case op == OpBr, op == OpBrIf, op == OpCall, OpLocalGet <= op && op <= OpTableSet, op == OpRefFunc:
		i.Index = r.uint32()
	case op == OpI32Const:
		i.Const = int32(r.signed(32))
	case op == OpI64Const:
		r.signed(64)
	case op == OpF32Const:
		r.bytes(4)
	case op == OpF64Const:
		r.bytes(8)
	default:
		r.unknown(i.Start, op)
	}
	i.End = r.at
	return i
}

// blockType reads the type of a block. What begins a longer type elsewhere must not
// be taken for one: the runtime would read on.
func (r *reader) blockType() int64 {
	at := r.at
	t := r.signed(33)
	switch {
	case r.err != nil:
	case t >= 0, t == NoResult-0x80, TypeV128 <= byte(t&0x7f) && t >= -5 && t <= -1, t == -16, t == -17:
		return t
	case t > -64:
		r.at = at
		r.valueType() // says why not
		fallthrough
	default:
		r.at = at
		r.fail("a block of type %d", t)
	}
	return 0
}

func (r *reader) selectType() {
	at := r.at
	if n := r.byte(); n != 1 && r.err == nil {
		r.at = at
		r.fail("a select of %d values", n)
	}
	r.valueType()
}

// place reads the alignment and the offset of a load or a store.
func (r *reader) place() {
	at := r.at
	if align := r.uint32(); align >= 64 && align < 128 {
		r.at = at
		r.needs(FeatureMultiMemory, "a memory's number")
	} else if align >= 32 {
		r.at = at
		r.fail("an alignment of 2^%d", align)
	}
	r.uint32()
}

// memory reads the number of the memory, which is one byte.
func (r *reader) memory() {
	at := r.at
	if n := r.byte(); n != 0 && r.err == nil {
		r.at = at
		r.needs(FeatureMultiMemory, "memory %d", n)
	}
}

// bulk reads what stands behind 0xfc: saturating truncation, and instructions on
// ranges of memory and tables.
func (r *reader) bulk(i *Instruction) {
	n := r.uint32()
	i.Op = prefixed<<16 | n&0xffff
	switch {
	case n <= 7: // saturating truncation
	case n == OpMemoryInit&0xffff:
		i.Index = r.uint32()
		r.memory()
	case n == OpMemoryCopy&0xffff:
		r.memory()
		r.memory()
	case n == OpMemoryFill&0xffff:
		r.memory()
	case n == OpTableInit&0xffff, n == OpTableCopy&0xffff:
		i.Index, i.Second = r.uint32(), r.uint32()
	case n <= OpTableFill&0xffff:
		i.Index = r.uint32()
	default:
		r.unknown(i.Start, prefixed)
	}
}

// vector reads what stands behind 0xfd. The runtime takes the number for one byte,
// and a second one for an instruction of its own: nop, if the number was written as
// short as can be. Any other form would hide instructions from one of the two.
func (r *reader) vector(i *Instruction) {
	at := r.at
	n := uint32(r.byte())
	if n >= 0x80 && r.byte() != 1 && r.err == nil {
		r.at = at
		if high := r.uint32(); 0x100 <= high && high <= 0x12f {
			r.at = at
			r.needs(FeatureRelaxedSIMD, "instruction 0xfd %#x", high)
		}
		r.at = at
		r.fail("the number behind 0xfd is not known, or longer than need be")
		return
	}
	i.Op = vector<<16 | n
	switch {
	case n <= 11, n == 92, n == 93: // loads, store
		r.place()
	case n == 12, n == 13: // v128.const, i8x16.shuffle
		r.bytes(16)
	case 21 <= n && n <= 34: // lanes
		r.byte()
	case 84 <= n && n <= 91: // loads and stores of a lane
		r.place()
		r.byte()
	}
}

// later are the first bytes of instructions of later versions.
var later = map[uint32]Feature{
	0x06: FeatureExceptions, 0x07: FeatureExceptions, 0x08: FeatureExceptions, 0x09: FeatureExceptions,
	0x0a: FeatureExceptions, 0x18: FeatureExceptions, 0x19: FeatureExceptions, 0x1f: FeatureExceptions,
	0x12: FeatureTailCalls, 0x13: FeatureTailCalls,
	0x14: FeatureFunctionReferences, 0x15: FeatureFunctionReferences, 0xd4: FeatureFunctionReferences,
	0xd5: FeatureFunctionReferences, 0xd6: FeatureFunctionReferences,
	0xd3: FeatureGC, 0xfb: FeatureGC,
	0xfe: FeatureThreads,
}

func (r *reader) unknown(start int, op uint32) {
	r.at = start
	if f, found := later[op]; found {
		r.needs(f, "instruction %#x", op)
		return
	}
	if r.err == nil {
		r.fail("instruction %#x is not known", op)
		r.err.(*Error).Unknown = true
	}
}
