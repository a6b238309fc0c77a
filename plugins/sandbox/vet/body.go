package vet

import "thresher/plugins/sandbox/binary"

const (
	opLoop = binary.OpLoop
	opIf   = binary.OpIf
)

// bodies checks the code of every function.
func (c *checker) bodies() error {
	b := &body{checker: c}
	for i := range c.module.Bodies {
		if err := b.check(i); err != nil {
			if r, ok := c.refusalOf(err); ok {
				return r.within(c.module.ImportedFunctions + i)
			}
			return err
		}
	}
	return nil
}

// body is the state of the check of one function. It is used for all of them.
type body struct {
	*checker
	code   binary.Body
	locals uint32
	frames []frame
	flow   flow
	life   lifetimes

	loops     uint64 // that are open
	brTargets uint64
	effort    uint64
}

func (b *body) check(i int) error {
	b.code = b.module.Bodies[i]
	t, _ := b.typeOf(uint32(b.module.ImportedFunctions + i))
	b.frames = append(b.frames[:0], frame{op: binary.OpBlock, leaves: len(t.Results), end: nowhere})
	b.flow, b.loops, b.brTargets, b.effort = flow{}, 0, 0, 0
	b.life.reset()
	if err := b.sizes(uint64(len(t.Params))); err != nil {
		return err
	}
	if err := b.code.Instructions(b.instruction); err != nil {
		return err
	}
	if len(b.frames) > 0 {
		return b.invalid(len(b.code.Code), "%d blocks are not closed", len(b.frames))
	}
	return b.totals()
}

func (b *body) sizes(params uint64) error {
	all := params
	for _, l := range b.code.Locals {
		all += uint64(l.Count)
	}
	if err := b.count(bodyBytes, uint64(len(b.code.Code)), b.code.Offset); err != nil {
		return err
	}
	if all > 1<<32-1 {
		return b.invalid(0, "%d locals", all)
	}
	b.locals = uint32(all)
	return b.count(locals, all, b.code.Offset)
}

// totals checks what only the whole function shows.
func (b *body) totals() error {
	at := b.code.Offset
	return first(
		b.count(brTargets, b.brTargets, at),
		b.count(blocks, b.flow.blocks, at),
		b.count(walks, b.flow.walks, at),
		b.count(bounds, b.flow.bounds, at),
		b.count(spans, b.life.sum()+b.flow.values, at),
		b.count(effort, b.effort, at))
}

func (b *body) invalid(at int, format string, args ...any) error {
	return refuse("invalid_module", b.code.Offset+at, format, args...)
}

func (b *body) top() *frame { return &b.frames[len(b.frames)-1] }

func (b *body) instruction(i binary.Instruction) error {
	if len(b.frames) == 0 {
		return b.invalid(i.Start, "code behind the end of the function")
	}
	b.effort++
	switch i.Op {
	case binary.OpBlock, binary.OpLoop, binary.OpIf:
		return b.open(i)
	case binary.OpElse:
		return b.otherwise(i)
	case binary.OpEnd:
		b.close()
	case binary.OpBr, binary.OpBrIf:
		return b.branch(i)
	case binary.OpBrTable:
		return b.table(i)
	case binary.OpReturn, binary.OpUnreachable:
		b.flow.stop(b.top())
	case binary.OpCall, binary.OpCallIndirect:
		return b.call(i)
	default:
		if err := b.refers(i); err != nil {
			return err
		}
		b.flow.move(moves(i.Op), b.top())
		b.costs(i)
	}
	return nil
}

// open enters a block, loop or if.
func (b *body) open(i binary.Instruction) error {
	f := frame{op: i.Op, end: nowhere}
	switch {
	case i.Block >= int64(len(b.module.Types)):
		return b.invalid(i.Start, "a block of type %d of %d", i.Block, len(b.module.Types))
	case i.Block >= 0:
		t := b.module.Types[i.Block]
		f.takes, f.leaves = len(t.Params), len(t.Results)
	case i.Block != binary.NoResult-0x80:
		f.leaves = 1
	}
	b.effort += uint64(f.takes + f.leaves)
	if i.Op == opIf {
		b.flow.move(-1, b.top())
	}
	f.base, f.start = max(b.flow.height-f.takes, b.top().base), b.flow.place
	if i.Op != binary.OpBlock {
		b.flow.edge()
		b.flow.block()
	}
	b.frames = append(b.frames, f)
	if err := b.count(nesting, uint64(len(b.frames)-1), b.code.Offset+i.Start); err != nil || i.Op != opLoop {
		return err
	}
	b.loops++
	b.life.enter(b.flow.blocks, b.loops)
	return b.count(loopNests, b.loops, b.code.Offset+i.Start)
}

func (b *body) otherwise(i binary.Instruction) error {
	top := b.top()
	if top.op != opIf {
		return b.invalid(i.Start, "else without if")
	}
	b.flow.branch(top)
	top.op = binary.OpElse
	b.flow.place, b.flow.height, b.flow.dead = top.start, top.base+top.takes, false
	b.flow.block()
	return nil
}

func (b *body) close() {
	top := *b.top()
	b.frames = b.frames[:len(b.frames)-1]
	b.flow.close(&top)
	if top.op == opLoop {
		b.loops--
		b.life.leave(b.flow.blocks, b.loops)
	}
}

// target returns the frame that a label names.
func (b *body) target(i binary.Instruction, label uint32) (*frame, error) {
	if int(label) >= len(b.frames) {
		return nil, b.invalid(i.Start, "a branch to label %d of %d", label, len(b.frames))
	}
	return &b.frames[len(b.frames)-1-int(label)], nil
}

func (b *body) branch(i binary.Instruction) error {
	to, err := b.target(i, i.Index)
	if err != nil {
		return err
	}
	b.effort += uint64(to.label())
	if i.Op == binary.OpBr {
		b.flow.branch(to)
		b.flow.stop(b.top())
		return nil
	}
	b.flow.move(-1, b.top())
	b.flow.branch(to)
	b.flow.edge()
	b.flow.block()
	return nil
}

func (b *body) table(i binary.Instruction) (err error) {
	if err := b.count(brTable, uint64(i.Labels), b.code.Offset+i.Start); err != nil {
		return err
	}
	b.brTargets += uint64(i.Labels)
	b.code.Labels(i, func(label uint32) {
		to, bad := b.target(i, label)
		if bad != nil {
			err = bad
			return
		}
		b.effort += uint64(to.label())
		b.flow.branch(to)
		b.flow.begin()
	})
	b.flow.stop(b.top())
	return err
}

// call charges the values that it moves, and the globals that are read again after it.
func (b *body) call(i binary.Instruction) error {
	t, ok := b.typeOf(i.Index)
	if i.Op == binary.OpCallIndirect {
		if ok = int(i.Index) < len(b.module.Types) && int(i.Second) < len(b.module.TableTypes); ok {
			t = b.module.Types[i.Index]
			b.flow.move(-1, b.top())
		}
	}
	if !ok {
		return b.invalid(i.Start, "a call of what is not there: %d", i.Index)
	}
	b.effort += uint64(len(t.Params)+len(t.Results)) + b.mutable
	b.flow.move(-len(t.Params), b.top())
	b.flow.move(len(t.Results), b.top())
	return nil
}

// costs notes what an instruction means to the compiler, beyond itself.
func (b *body) costs(i binary.Instruction) {
	switch op := i.Op; {
	case op == binary.OpLocalGet:
		b.life.get(i.Index, b.flow.blocks)
	case op == binary.OpLocalSet, op == binary.OpLocalTee:
		b.life.set(i.Index, b.flow.blocks)
	case op == binary.OpMemoryGrow:
		b.effort += b.mutable
	case op>>16 == 0xfc && moves(op) < 0: // they become loops, or are cut into slices
		for range 3 {
			b.flow.edge()
			b.flow.block()
		}
	case 0x28 <= op && op <= 0x3e, op>>16 == 0xfd && (op&0xff <= 11 || 84 <= op&0xff && op&0xff <= 93):
		b.flow.known++
	}
}

// refers checks the index of an instruction that has one.
func (b *body) refers(i binary.Instruction) error {
	m := b.module
	var all int
	what := ""
	switch i.Op {
	case binary.OpLocalGet, binary.OpLocalSet, binary.OpLocalTee:
		all, what = int(b.locals), "local"
	case binary.OpGlobalGet, binary.OpGlobalSet:
		all, what = len(m.Globals), "global"
	case binary.OpTableGet, binary.OpTableSet, binary.OpTableGrow, binary.OpTableSize, binary.OpTableFill, binary.OpTableCopy:
		all, what = len(m.TableTypes), "table"
	case binary.OpElemDrop, binary.OpTableInit:
		all, what = len(m.Elements), "element segment"
	case binary.OpMemoryInit, binary.OpDataDrop:
		if m.DataCount == nil {
			return b.invalid(i.Start, "a data segment is used, and there is no data count")
		}
		all, what = len(m.Data), "data segment"
	case binary.OpRefFunc:
		all, what = len(b.functions), "function"
	default:
		return nil
	}
	if i.Second > 0 && int(i.Second) >= len(m.TableTypes) {
		return b.invalid(i.Start, "table %d of %d", i.Second, len(m.TableTypes))
	}
	if int(i.Index) >= all {
		return b.invalid(i.Start, "%s %d of %d", what, i.Index, all)
	}
	return nil
}
