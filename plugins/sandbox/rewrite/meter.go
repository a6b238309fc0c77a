package rewrite

import (
	stdbinary "encoding/binary"
	"slices"

	"thresher/plugins/sandbox/binary"
)

// meter writes functions anew so that they pay for what they do. A function pays
// when it is entered, for all that is in it, once; and whoever goes back to the head
// of a loop pays for what stands between. Execution only goes forward but for that, so
// nothing is done twice that was paid once. Where the gas is spent, the host's tick is
// called.
//
// The call must be where the loop's own code never comes by: the compiler stores a
// value that lives across a call each time that it is made. So a loop
//
//	loop T  ... br to the loop ...  end
//
// becomes, with the call behind it and a way back in,
//
//	block T $done
//	  loop $again
//	    block (result i64) $spent
//	      loop T  ... pay n; if some is left, br to the loop; else n, br $spent ...  end
//	      br $done
//	    end
//	    call tick; pay
//	    br $again
//	  end
//	  unreachable
//	end
//
// A br_if becomes a br in an if: the compiler keeps a comparison and a branch together
// only where it need not split the branch.
//
// Loops with parameters, which cannot be entered anew from outside, those that a
// br_table leads back to, and those that very many branches do, pay at their head.
//
// A function that costs no more than a call does and calls nothing has been paid for
// by its caller.
//
// A function that may be entered again before it returns takes stack when it is entered,
// with what it pays, and gives it back where it returns: see frame. There is a block around
// all of it, for branches that return. A return instruction gives the stack back itself: at
// the end of the block the compiler would bring together the registers of all ways there.
type meter struct {
	*rewriter
	moved func(from, to int) // if not nil, told where each instruction of a body has gone
}

// layout is where the parts are that rewriting adds.
type layout struct {
	global  uint32 // what is left
	tick    uint32 // function (owed i64): imported, behind the module's own imports
	deep    uint32 // function (owed, needed i64): imported, behind the tick
	shift   uint32 // own functions from this index on have moved up by addedImports
	charge  uint32 // function (gas i32)
	fill    uint32 // function (at, value, bytes i32): memory.fill in pieces
	copy    uint32 // function (to, from, bytes i32): memory.copy in pieces
	bulk    uint32 // type of fill and copy
	table   uint32 // of references
	scratch uint32 // in the function being written: a local that holds a length
	left    uint32 // and one that holds what is left of the gas, in a tight loop, or was missing behind one
}

func (l layout) function(index uint32) uint32 {
	if index >= l.shift {
		return index + addedImports
	}
	return index
}

// body writes a function anew.
func (w *meter) body(own int) ([]byte, error) {
	b := w.m.Bodies[own]
	m, err := w.measure(b)
	if err != nil {
		return nil, err
	}
	f := function{meter: w, in: b.Code, measured: m, frame: w.frames[own]}
	f.layout = w.layout
	t := w.m.Types[w.m.Functions[own]]
	f.layout.left = uint32(len(t.Params))
	for _, l := range b.Locals {
		f.layout.left += l.Count
	}
	f.layout.scratch = f.layout.left
	locals := b.Locals[:len(b.Locals):len(b.Locals)]
	if slices.ContainsFunc(m.loops, func(l *region) bool { return l.around() > 0 }) {
		f.layout.scratch++
		locals = append(locals, binary.Local{Count: 1, Type: binary.TypeI64})
	}
	switch {
	case f.frame.counted:
		f.out.enter(f.layout, m.whole.gas, f.frame.bytes)
		f.out.ops(binary.OpBlock)
		f.out = binary.AppendSigned(f.out, w.blockType(t.Results))
	case m.whole.calls || m.whole.gas > costCall:
		f.out.pay(f.layout, m.whole.gas)
	}
	if err := b.Instructions(f.instruction); err != nil {
		return nil, err
	}
	if f.scratch {
		locals = append(locals, binary.Local{Count: 1, Type: binary.TypeI32})
	}
	head := encodeLocals(locals)
	for _, m := range f.moves {
		w.moved(m[0], len(head)+m[1])
	}
	return append(head, f.out...), nil
}

func encodeLocals(locals []binary.Local) []byte {
	out := stdbinary.AppendUvarint(nil, uint64(len(locals)))
	for _, l := range locals {
		out = stdbinary.AppendUvarint(out, uint64(l.Count))
		out = append(out, l.Type)
	}
	return out
}

// function is one that is being written.
type function struct {
	*meter
	measured // of its loops, those that are to come
	frame    frame
	layout   layout
	in       []byte
	out      code
	open     blocks
	scratch  bool     // the local is needed
	moves    [][2]int // if they are asked for: from where in the code, to where in out
}

func (f *function) instruction(i binary.Instruction) error {
	raw := f.in[i.Start:i.End]
	if f.moved != nil {
		f.moves = append(f.moves, [2]int{i.Start, len(f.out)})
	}
	switch i.Op {
	case binary.OpBlock, binary.OpIf:
		f.open = append(f.open, nil)
		f.out.raw(raw)
	case binary.OpLoop:
		f.loop(raw)
	case binary.OpEnd:
		f.end()
	case binary.OpBr, binary.OpBrIf:
		f.branch(i)
	case binary.OpBrTable:
		f.branches(raw)
	case binary.OpReturn:
		f.leave()
	case binary.OpCall:
		f.out.op(binary.OpCall, f.layout.function(i.Index))
	case binary.OpRefFunc:
		f.out.i32(int32(f.refs[i.Index]))
		f.out.op(binary.OpTableGet, f.layout.table)
	case binary.OpMemoryFill:
		f.inPieces(raw, f.layout.fill)
	case binary.OpMemoryCopy:
		f.inPieces(raw, f.layout.copy)
	case binary.OpMemoryInit:
		f.byLength(raw, func() {
			f.out.i32(bytesPerGas)
			f.out.ops(binary.OpI32DivU)
		})
	case binary.OpTableInit, binary.OpTableCopy, binary.OpTableFill:
		f.byLength(raw, func() {})
	case binary.OpTableGrow:
		f.byLength(raw, f.atMostATable)
	default:
		f.out.raw(raw)
	}
	return nil
}

// leave returns, having given back what the function took of the stack.
func (f *function) leave() {
	if f.frame.counted {
		f.out.giveBack(f.layout, f.frame.bytes)
	}
	f.out.ops(binary.OpReturn)
}

func (f *function) loop(raw []byte) {
	l := f.loops[0]
	f.loops = f.loops[1:]
	f.open = append(f.open, l)
	if l.around() > 0 {
		f.out.ops(binary.OpBlock)
		f.out.raw(raw[1:])
		f.out.ops(binary.OpLoop, binary.NoResult, binary.OpBlock, uint32(binary.TypeI64))
	}
	if l.tight() {
		f.out.op(binary.OpGlobalGet, f.layout.global)
		f.out.op(binary.OpLocalSet, f.layout.left)
	}
	f.out.raw(raw)
	if l.paysAtHead() {
		f.out.pay(f.layout, l.gas)
	}
}

func (f *function) end() {
	f.out.ops(binary.OpEnd)
	if len(f.open) == 0 && f.frame.counted {
		f.out.giveBack(f.layout, f.frame.bytes)
		f.out.ops(binary.OpEnd)
		return
	}
	closed := f.open.pop()
	if closed.around() == 0 {
		return
	}
	f.out.op(binary.OpBr, 2)
	f.out.ops(binary.OpEnd)
	f.out.settle(f.layout)
	f.out.op(binary.OpBr, 0)
	f.out.ops(binary.OpEnd, binary.OpUnreachable, binary.OpEnd)
}

// depth is how deep a label is now that blocks were put around those inside of it.
func (f *function) depth(label uint32) uint32 {
	deeper := label
	for i := uint32(0); i < label && int(i) < len(f.open); i++ {
		deeper += f.open[len(f.open)-1-int(i)].around()
	}
	return deeper
}

func (f *function) branch(i binary.Instruction) {
	label, ahead := f.ahead[i.Start]
	if !ahead {
		label = i.Index
	}
	to, depth := f.open.loop(label), f.depth(label)
	switch {
	case ahead || to.around() == 0:
		f.out.op(i.Op, depth)
	case i.Op == binary.OpBr:
		f.again(to, f.back[i.Start], depth)
	default:
		f.out.ops(binary.OpIf, binary.NoResult)
		f.again(to, f.back[i.Start], depth+1)
		f.out.ops(binary.OpEnd)
	}
}

// again goes back to the head of a loop, or to its tick, which is one block out.
func (f *function) again(l *region, gas uint64, depth uint32) {
	if l.tight() {
		f.out.takeTight(f.layout, gas)
	} else {
		f.out.take(f.layout, gas)
		f.out.op(binary.OpGlobalGet, f.layout.global)
	}
	f.out.i64(0)
	f.out.ops(binary.OpI64GeS, binary.OpIf, binary.NoResult)
	f.out.op(binary.OpBr, depth+1)
	f.out.ops(binary.OpElse)
	f.out.i64(int64(gas))
	f.out.op(binary.OpBr, depth+2)
	f.out.ops(binary.OpEnd, binary.OpUnreachable)
}

func (f *function) branches(raw []byte) {
	all := labels(raw)
	f.out.op(binary.OpBrTable, uint32(len(all)-1))
	for _, label := range all {
		f.out = stdbinary.AppendUvarint(f.out, uint64(f.depth(label)))
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
	f.out = binary.AppendSigned(f.out, int64(f.layout.bulk))
	f.out.op(binary.OpCall, long)
	f.out.ops(binary.OpElse)
	f.out.raw(raw)
	f.out.ops(binary.OpEnd)
}

// byLength writes an instruction whose length is on the stack, charged by what toGas
// makes of it.
func (f *function) byLength(raw []byte, toGas func()) {
	f.scratch = true
	f.out.op(binary.OpLocalTee, f.layout.scratch)
	f.out.op(binary.OpLocalGet, f.layout.scratch)
	toGas()
	f.out.op(binary.OpCall, f.layout.charge)
	f.out.raw(raw)
}

// atMostATable bounds the length on the stack by how far any table can grow: who asks
// for more is answered that there is no more, at once.
func (f *function) atMostATable() {
	f.out.i32(maxTable)
	f.out.op(binary.OpLocalGet, f.layout.scratch)
	f.out.i32(maxTable)
	f.out.ops(binary.OpI32LtU, opSelect)
}
