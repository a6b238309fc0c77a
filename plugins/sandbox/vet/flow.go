package vet

import "math"

// flow follows control through a function, and sums up what the runtime's compiler
// does more than once for a block:
//
//   - for each way into a block it climbs the blocks that all ways to its source go
//     through (walks);
//   - in each block it knows the addresses that were checked on all ways to it (bounds);
//   - in each block it keeps the values on the operand stack (spans, see lifetimes).
type flow struct {
	place
	height int // of the operand stack
	dead   bool

	blocks uint64 // so far
	walks  uint64
	bounds uint64
	values uint64 // on the operand stack, summed over the blocks
}

// place is what is known where control is; each figure is an upper bound.
type place struct {
	depth uint64 // blocks that all ways to here go through
	known uint64 // addresses that were checked on them
}

var nowhere = place{math.MaxUint64, math.MaxUint64}

// meet is the place where control comes from both.
func (p place) meet(q place) place {
	return place{min(p.depth, q.depth), min(p.known, q.known)}
}

// frame is a block, loop or if that is open, or the function itself.
type frame struct {
	op     uint32
	base   int   // the operand stack below it
	takes  int   // values
	leaves int   // values
	start  place // where it was opened
	end    place // where branches to its end come from
}

// label is how many values a branch to it moves.
func (f *frame) label() int {
	if f.op == opLoop {
		return f.takes
	}
	return f.leaves
}

// edge is a way from here into a block.
func (f *flow) edge() { f.walks += f.depth }

// block begins a block that is reached from here alone.
func (f *flow) block() {
	f.depth++
	f.begin()
}

func (f *flow) begin() {
	f.blocks++
	f.bounds += f.known
	f.values += uint64(max(f.height, 0))
}

// branch is a way to a frame's end, or to a loop's start.
func (f *flow) branch(to *frame) {
	f.edge()
	if to.op != opLoop && !f.dead {
		to.end = to.end.meet(f.place)
	}
}

// close begins the block behind a frame.
func (f *flow) close(of *frame) {
	f.edge()
	end := of.end
	if !f.dead {
		end = end.meet(f.place)
	}
	if of.op == opIf { // without else
		end = end.meet(of.start)
	}
	f.height, f.dead = of.base+of.leaves, end == nowhere
	if !f.dead {
		f.place = end
	}
	f.block()
}

// pop takes values off the operand stack. Behind a branch there are as many as are
// asked for.
func (f *flow) move(n int, top *frame) {
	f.height = max(f.height+n, top.base)
}

// stop ends a block that control does not leave at its end.
func (f *flow) stop(top *frame) { f.dead, f.height = true, top.base }
