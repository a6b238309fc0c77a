package rewrite

import "thresher/plugins/sandbox/binary"

// What is left of the gas is a global, and right at each call, trap and return. It is
// below zero only on the way to the tick.

// take takes gas.
func (c *code) take(l layout, gas uint64) {
	c.op(binary.OpGlobalGet, l.gas)
	c.i64(int64(gas))
	c.ops(binary.OpI64Sub)
	c.op(binary.OpGlobalSet, l.gas)
}

// takeTight takes gas in a tight loop and pushes what is left: there a local holds that
// as well, for a loop that reads the global each time waits for its own last write.
func (c *code) takeTight(l layout, gas uint64) {
	c.op(binary.OpLocalGet, l.left)
	c.i64(int64(gas))
	c.ops(binary.OpI64Sub)
	c.op(binary.OpLocalTee, l.left)
	c.op(binary.OpGlobalSet, l.gas)
	c.op(binary.OpLocalGet, l.left)
}

// tick calls the tick, for gas that was taken and not there.
func (c *code) tick(l layout, gas uint64) {
	c.i64(int64(gas))
	c.op(binary.OpCall, l.tick)
}

// settle calls the tick for gas that was taken and not there, and is on the stack, and
// takes it again.
func (c *code) settle(l layout) {
	c.op(binary.OpLocalTee, l.left)
	c.op(binary.OpCall, l.tick)
	c.op(binary.OpGlobalGet, l.gas)
	c.op(binary.OpLocalGet, l.left)
	c.ops(binary.OpI64Sub)
	c.op(binary.OpGlobalSet, l.gas)
}

// pay takes gas, if need be after a tick. The tick comes last, and goes back, so that
// it is out of the way in the code that is compiled too:
//
//	block $paid
//	  loop $again
//	    block $spent
//	      take; br_if $spent
//	      br $paid
//	    end
//	    call tick
//	    br $again
//	  end
//	end
func (c *code) pay(l layout, gas uint64) {
	c.ops(binary.OpBlock, binary.NoResult, binary.OpLoop, binary.NoResult, binary.OpBlock, binary.NoResult)
	c.take(l, gas)
	c.op(binary.OpGlobalGet, l.gas)
	c.i64(0)
	c.ops(binary.OpI64LtS)
	c.op(binary.OpBrIf, 0)
	c.op(binary.OpBr, 2)
	c.ops(binary.OpEnd)
	c.tick(l, gas)
	c.op(binary.OpBr, 0)
	c.ops(binary.OpEnd, binary.OpEnd)
}

// enter pays as pay does, and takes the stack that the function needs. The two are looked
// at together; which one is missing is found out beside the way.
//
//	block $paid
//	  loop $again
//	    block $missing
//	      take both; br_if $missing if either is below zero
//	      br $paid
//	    end
//	    call deep if it is the stack
//	    call tick; give the stack back
//	    br $again
//	  end
//	end
func (c *code) enter(l layout, gas, stack uint64) {
	c.ops(binary.OpBlock, binary.NoResult, binary.OpLoop, binary.NoResult, binary.OpBlock, binary.NoResult)
	c.take(l, gas)
	c.stack(l, stack, binary.OpI64Sub)
	c.op(binary.OpGlobalGet, l.gas)
	c.op(binary.OpGlobalGet, l.stack)
	c.ops(binary.OpI64Or)
	c.i64(0)
	c.ops(binary.OpI64LtS)
	c.op(binary.OpBrIf, 0)
	c.op(binary.OpBr, 2)
	c.ops(binary.OpEnd)
	c.op(binary.OpGlobalGet, l.stack)
	c.i64(0)
	c.ops(binary.OpI64LtS, binary.OpIf, binary.NoResult)
	c.i64(int64(gas))
	c.i64(int64(stack))
	c.op(binary.OpCall, l.deep)
	c.ops(binary.OpUnreachable, binary.OpEnd)
	c.tick(l, gas)
	c.stack(l, stack, binary.OpI64Add)
	c.op(binary.OpBr, 0)
	c.ops(binary.OpEnd, binary.OpEnd)
}

// stack takes stack, or gives it back.
func (c *code) stack(l layout, bytes uint64, op uint32) {
	c.op(binary.OpGlobalGet, l.stack)
	c.i64(int64(bytes))
	c.ops(op)
	c.op(binary.OpGlobalSet, l.stack)
}
