package rewrite

import "thresher/plugins/sandbox/binary"

// What is left of gas and stack is one global, so that a function takes both at once. It
// is right at each call, trap and return. The gas is below zero only on the way to the
// tick.

// Left is what is left to a guest, as the global holds it: bytes of stack in the lower
// bits, and above them the gas, which has a sign. Taking more stack than there is sets
// noStack, and borrows from the gas until it is given back.
type Left uint64

const (
	stackBits = 25
	stackMask = 1<<stackBits - 1
	noStack   = 1 << (stackBits - 1) // more than StackBytes, which is what there is at most
	noGas     = -1 << 63
)

// NewLeft is gas and stack. The gas is less than 1<<38, or as much below zero.
func NewLeft(gas int64, stack uint64) Left { return Left(uint64(gas)<<stackBits | stack) }

// Gas is the gas that is left.
func (l Left) Gas() int64 { return int64(l) >> stackBits }

// Stack is how many bytes are left of the stack.
func (l Left) Stack() uint64 { return uint64(l) & stackMask }

// take takes gas.
func (c *code) take(l layout, gas uint64) { c.takeBoth(l, gas, 0) }

// takeBoth takes gas and stack.
func (c *code) takeBoth(l layout, gas, stack uint64) {
	c.op(binary.OpGlobalGet, l.global)
	c.i64(int64(NewLeft(int64(gas), stack)))
	c.ops(binary.OpI64Sub)
	c.op(binary.OpGlobalSet, l.global)
}

// giveBack gives stack back.
func (c *code) giveBack(l layout, stack uint64) {
	c.op(binary.OpGlobalGet, l.global)
	c.i64(int64(stack))
	c.ops(binary.OpI64Add)
	c.op(binary.OpGlobalSet, l.global)
}

// takeTight takes gas in a tight loop and pushes what is left: there a local holds that
// as well, for a loop that reads the global each time waits for its own last write.
func (c *code) takeTight(l layout, gas uint64) {
	c.op(binary.OpLocalGet, l.left)
	c.i64(int64(NewLeft(int64(gas), 0)))
	c.ops(binary.OpI64Sub)
	c.op(binary.OpLocalTee, l.left)
	c.op(binary.OpGlobalSet, l.global)
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
	c.op(binary.OpGlobalGet, l.global)
	c.op(binary.OpLocalGet, l.left)
	c.i64(stackBits)
	c.ops(binary.OpI64Shl, binary.OpI64Sub)
	c.op(binary.OpGlobalSet, l.global)
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
	c.op(binary.OpGlobalGet, l.global)
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
//	    give the stack back
//	    call deep if there is less than that
//	    call tick
//	    br $again
//	  end
//	end
func (c *code) enter(l layout, gas, stack uint64) {
	taken := min(stack, StackBytes+1)
	c.ops(binary.OpBlock, binary.NoResult, binary.OpLoop, binary.NoResult, binary.OpBlock, binary.NoResult)
	c.takeBoth(l, gas, taken)
	c.op(binary.OpGlobalGet, l.global)
	c.i64(noGas | noStack)
	c.ops(binary.OpI64And)
	c.i64(0)
	c.ops(binary.OpI64Ne)
	c.op(binary.OpBrIf, 0)
	c.op(binary.OpBr, 2)
	c.ops(binary.OpEnd)
	c.giveBack(l, taken)
	c.i64(int64(stack))
	c.op(binary.OpGlobalGet, l.global)
	c.i64(stackMask)
	c.ops(binary.OpI64And, binary.OpI64GtU, binary.OpIf, binary.NoResult)
	c.i64(int64(gas))
	c.i64(int64(stack))
	c.op(binary.OpCall, l.deep)
	c.ops(binary.OpUnreachable, binary.OpEnd)
	c.tick(l, gas)
	c.op(binary.OpBr, 0)
	c.ops(binary.OpEnd, binary.OpEnd)
}
