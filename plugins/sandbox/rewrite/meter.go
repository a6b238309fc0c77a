package rewrite

import (
	stdbinary "encoding/binary"
	"fmt"

	"thresher/plugins/sandbox/binary"
)

// meter writes functions anew so that they pay for what they do. A function pays
// when it is entered, and a loop each time it goes round. Where the gas is spent,
// the host's tick is called.
//
// The call must not be inside the loop: the compiler would keep every value of
// the loop in memory for its sake. So a loop
//
//	loop T  body  end
//
// becomes, with the call behind it,
//
//	block T $exit
//	  loop $outer
//	    block $spent
//	      loop T  pay, or br $spent;  body  end
//	      br $exit
//	    end
//	    call tick
//	    br $outer
//	  end
//	  unreachable
//	end
//
// A loop with parameters cannot be entered anew from outside: there the call is
// inside. A function that costs no more than a call does has been paid for by its
// caller, if it calls nothing but from within its loops, which pay for themselves.
//
// What is left is a global. A loop that reads it back each time it goes round waits
// for its own last write, so a function with loops has it in a local as well: the two
// are the same, but for the instructions between a call and the reading that follows.
type meter struct {
	m      *binary.Module
	layout layout
	refs   map[uint32]uint32 // function → its place in the table of references
}

// layout is where the parts are that rewriting adds.
type layout struct {
	gas     uint32 // global: what is left
	tick    uint32 // function (owed i64): imported, the last of the imports
	shift   uint32 // own functions from this index on have moved up by one
	charge  uint32 // function (gas i32)
	fill    uint32 // function (at, value, bytes i32): memory.fill in pieces
	copy    uint32 // function (to, from, bytes i32): memory.copy in pieces
	bulk    uint32 // type of fill and copy
	table   uint32 // of references
	scratch uint32 // in the function being written: a local that holds a length
	left    uint32 // and one that holds what is left of the gas, where it loops
	loops   bool
}

func (l layout) function(index uint32) uint32 {
	if index >= l.shift {
		return index + 1
	}
	return index
}

// body writes a function of a type anew.
func (w *meter) body(t binary.FuncType, b binary.Body) ([]byte, error) {
	costs, err := measure(b)
	if err != nil {
		return nil, err
	}
	f := function{meter: w, in: b.Code, costs: costs.costs[1:]}
	f.layout = w.layout
	f.layout.left = uint32(len(t.Params))
	for _, l := range b.Locals {
		f.layout.left += l.Count
	}
	f.layout.scratch = f.layout.left
	locals := b.Locals[:len(b.Locals):len(b.Locals)]
	if f.layout.loops = len(f.costs) > 0; f.layout.loops {
		f.layout.scratch++
		locals = append(locals, binary.Local{Count: 1, Type: binary.TypeI64})
	}
	f.out.readBack(f.layout)
	if costs.calls || costs.costs[0] > costCall {
		f.out.payInline(f.layout, costs.costs[0])
	}
	if err := b.Instructions(f.instruction); err != nil {
		return nil, err
	}
	if f.scratch {
		locals = append(locals, binary.Local{Count: 1, Type: binary.TypeI32})
	}
	return append(encodeLocals(locals), f.out...), nil
}

func encodeLocals(locals []binary.Local) []byte {
	out := stdbinary.AppendUvarint(nil, uint64(len(locals)))
	for _, l := range locals {
		out = stdbinary.AppendUvarint(out, uint64(l.Count))
		out = append(out, l.Type)
	}
	return out
}

// pay takes gas and pushes whether more was owed than there was.
func (c *code) pay(l layout, gas uint64) {
	c.take(l, gas)
	c.remaining(l)
	c.i64(0)
	c.ops(binary.OpI64LtS)
}

// take takes gas.
func (c *code) take(l layout, gas uint64) {
	c.remaining(l)
	c.i64(int64(gas))
	c.ops(binary.OpI64Sub)
	if l.loops {
		c.op(binary.OpLocalTee, l.left)
	}
	c.op(binary.OpGlobalSet, l.gas)
}

// remaining pushes what is left.
func (c *code) remaining(l layout) {
	if l.loops {
		c.op(binary.OpLocalGet, l.left)
	} else {
		c.op(binary.OpGlobalGet, l.gas)
	}
}

// readBack has the local hold what the global does, after others may have paid.
func (c *code) readBack(l layout) {
	if l.loops {
		c.op(binary.OpGlobalGet, l.gas)
		c.op(binary.OpLocalSet, l.left)
	}
}

// call calls a function.
func (c *code) call(l layout, function uint32) {
	c.op(binary.OpCall, function)
	c.readBack(l)
}

// payInline takes gas where a call to the tick costs little.
func (c *code) payInline(l layout, gas uint64) {
	c.pay(l, gas)
	c.ops(binary.OpIf, binary.NoResult)
	c.i64(int64(gas))
	c.call(l, l.tick)
	c.take(l, gas)
	c.ops(binary.OpEnd)
}

// function is one that is being written.
type function struct {
	*meter
	layout  layout
	in      []byte
	out     code
	costs   []uint64 // of the loops to come
	open    []frame
	scratch bool // the local is needed
}

// frame is an open block.
type frame struct {
	around uint32 // blocks that were put around it
	owed   uint64 // of a loop with blocks around it: what it costs
}

func (f *function) instruction(i binary.Instruction) error {
	raw := f.in[i.Start:i.End]
	switch i.Op {
	case binary.OpBlock, binary.OpIf:
		f.open = append(f.open, frame{})
		f.out.raw(raw)
	case binary.OpLoop:
		return f.loop(raw)
	case binary.OpEnd:
		f.end()
	case binary.OpBr, binary.OpBrIf:
		depth, _ := stdbinary.Uvarint(raw[1:])
		f.out.op(i.Op, f.depth(uint32(depth)))
	case binary.OpBrTable:
		f.branches(raw[1:])
	case binary.OpCall:
		callee, _ := stdbinary.Uvarint(raw[1:])
		f.out.call(f.layout, f.layout.function(uint32(callee)))
	case binary.OpCallIndirect:
		f.out.raw(raw)
		f.out.readBack(f.layout)
	case binary.OpRefFunc:
		target, _ := stdbinary.Uvarint(raw[1:])
		f.out.i32(int32(f.refs[uint32(target)]))
		f.out.op(binary.OpTableGet, f.layout.table)
	case binary.OpMemoryFill:
		f.inPieces(raw, f.layout.fill)
	case binary.OpMemoryCopy:
		f.inPieces(raw, f.layout.copy)
	case binary.OpMemoryInit:
		f.byLength(raw, bytesPerGas)
	case binary.OpTableInit, binary.OpTableCopy, binary.OpTableFill, binary.OpTableGrow:
		f.byLength(raw, 1)
	default:
		f.out.raw(raw)
	}
	return nil
}

func (f *function) loop(raw []byte) error {
	gas := f.costs[0]
	f.costs = f.costs[1:]
	blockType := raw[1:]
	takes, err := f.takesParams(blockType)
	if err != nil {
		return err
	}
	if takes {
		f.open = append(f.open, frame{})
		f.out.raw(raw)
		f.out.payInline(f.layout, gas)
		return nil
	}
	f.open = append(f.open, frame{around: 3, owed: gas})
	f.out.ops(binary.OpBlock)
	f.out.raw(blockType)
	f.out.ops(binary.OpLoop, binary.NoResult, binary.OpBlock, binary.NoResult)
	f.out.raw(raw)
	f.out.pay(f.layout, gas)
	f.out.op(binary.OpBrIf, 1)
	return nil
}

func (f *function) end() {
	f.out.ops(binary.OpEnd)
	n := len(f.open)
	if n == 0 {
		return // of the function
	}
	closed := f.open[n-1]
	f.open = f.open[:n-1]
	if closed.around == 0 {
		return
	}
	f.out.op(binary.OpBr, 2)
	f.out.ops(binary.OpEnd)
	f.out.i64(int64(closed.owed))
	f.out.call(f.layout, f.layout.tick)
	f.out.op(binary.OpBr, 0)
	f.out.ops(binary.OpEnd, binary.OpUnreachable, binary.OpEnd)
}

// takesParams reports whether a block type has parameters.
func (f *function) takesParams(blockType []byte) (bool, error) {
	index := signed(blockType)
	if index < 0 {
		return false, nil // no result, or the type of the one there is
	}
	if index >= int64(len(f.m.Types)) {
		return false, &binary.Error{Detail: fmt.Sprintf("a loop of type %d: the module has %d types", index, len(f.m.Types))}
	}
	return len(f.m.Types[index].Params) > 0, nil
}

// depth is how deep a label is now that blocks were put around those inside of it.
func (f *function) depth(depth uint32) uint32 {
	deeper := depth
	for i := uint32(0); i < depth && int(i) < len(f.open); i++ {
		deeper += f.open[len(f.open)-1-int(i)].around
	}
	return deeper
}

func (f *function) branches(immediates []byte) {
	next := func() uint32 {
		v, n := stdbinary.Uvarint(immediates)
		immediates = immediates[n:]
		return uint32(v)
	}
	n := next()
	f.out.op(binary.OpBrTable, n)
	for range n + 1 {
		f.out = stdbinary.AppendUvarint(f.out, uint64(f.depth(next())))
	}
}

// inPieces writes a fill or copy whose length is on the stack: a long one goes to
// the function that does it piece by piece.
func (f *function) inPieces(raw []byte, long uint32) {
	f.scratch = true
	f.out.op(binary.OpLocalTee, f.layout.scratch)
	f.out.op(binary.OpLocalGet, f.layout.scratch)
	f.out.i32(inlineBytes)
	f.out.ops(binary.OpI32GtU)
	f.out.op(binary.OpIf)
	f.out = appendSigned(f.out, int64(f.layout.bulk))
	f.out.call(f.layout, long)
	f.out.ops(binary.OpElse)
	f.out.raw(raw)
	f.out.ops(binary.OpEnd)
}

// byLength writes an instruction whose length is on the stack, charged by it.
func (f *function) byLength(raw []byte, perGas int32) {
	f.scratch = true
	f.out.op(binary.OpLocalTee, f.layout.scratch)
	f.out.op(binary.OpLocalGet, f.layout.scratch)
	if perGas > 1 {
		f.out.i32(perGas)
		f.out.ops(binary.OpI32DivU)
	}
	f.out.call(f.layout, f.layout.charge)
	f.out.raw(raw)
}
