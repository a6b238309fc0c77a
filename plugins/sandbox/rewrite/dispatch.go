package rewrite

import "thresher/plugins/sandbox/binary"

// Go's compiler makes no loops of its own: a function is one, with as many blocks at its
// head as it has parts, and a part goes to another by its number and the head:
//
//	loop
//	  block block ... local.get $part; br_table ... end
//	  ... i32.const 7; local.set $part; br to the loop ...
//	end ...
//
// If that part is still ahead, this is no time round, and is not paid for. What was ahead
// is behind later; a branch back to a part pays for what is between.

// dispatch is the head of such a loop.
type dispatch struct {
	local  uint32   // holds the number of a part
	labels []uint32 // by that number, the default last: where the part is, of all in order
	parts  []part   // in order; before the first there is nothing
	at     int      // which of the open blocks the loop is
	begun  int      // parts that have begun
	ahead  []ahead  // branches to parts ahead
}

// part is what comes behind a block, up to the end of the next one.
type part struct {
	start uint64 // what all costs that stands in front of it
	last  int    // the part from which there is a branch back to it; -1: none
}

// ahead is a branch to a part ahead.
type ahead struct {
	at       int // where in the code
	from, to int // parts
	open     int // blocks there
}

// ended follows the end of a block, of which so many are open then. The parts begin
// one by one, as their blocks end.
func (d *dispatch) ended(open int, cost uint64) {
	if d != nil && len(d.parts)-d.begun > open-d.at-1 {
		d.parts[d.begun].start = cost
		d.begun++
	}
}

// target returns the part with a number; false if that is none of the loop's.
func (d *dispatch) target(number int32) (part int, found bool) {
	n := min(uint64(uint32(number)), uint64(len(d.labels)-1))
	part = int(d.labels[n])
	return part, part < len(d.parts)
}

// direct calls use for each branch ahead that can take the block of its part: one that
// does not lead into a loop from outside. There the compiler would have to bring
// together the registers of those who come in with those of the loop, each time round.
func (d *dispatch) direct(use func(at int, label uint32)) {
	within := d.loops()
	for _, b := range d.ahead {
		if within[b.to] <= b.from {
			use(b.at, uint32(b.open-1-(d.at+len(d.parts)-b.to)))
		}
	}
}

// loops returns for each part the first of the innermost loop that it is in; -1: none.
func (d *dispatch) loops() []int {
	first := make([]int, len(d.parts))
	open := []int{}
	for i, p := range d.parts {
		if p.last >= i {
			open = append(open, i)
		}
		for len(open) > 0 && d.parts[open[len(open)-1]].last < i {
			open = open[:len(open)-1]
		}
		first[i] = -1
		if len(open) > 0 {
			first[i] = open[len(open)-1]
		}
	}
	return first
}

// dispatches finds heads, and the branches that go by them, while the instructions
// of a function go by.
type dispatches struct {
	begun        *region // the loop of whose head we have seen nothing but what fits
	blocks       int     // of that
	at           int     // which of the open blocks it is
	before, last binary.Instruction
}

// loop tells of one without parameters, which is the newest of the open blocks.
func (d *dispatches) loop(l *region, at int) {
	d.begun, d.blocks, d.at = l, 0, at
}

// head follows what may be the head of a loop.
func (d *dispatches) head(i binary.Instruction, code []byte) {
	switch {
	case d.begun == nil:
	case i.Op == binary.OpBlock && i.Block == binary.NoResult-0x80 && d.last.Op != binary.OpLocalGet:
		d.blocks++
		return
	case i.Op == binary.OpLocalGet && d.last.Op == binary.OpBlock:
		return
	case i.Op == binary.OpBrTable && d.last.Op == binary.OpLocalGet:
		d.begun.dispatch = &dispatch{local: d.last.Index, labels: labels(code), parts: make([]part, d.blocks), at: d.at}
		for p := range d.begun.dispatch.parts {
			d.begun.dispatch.parts[p].last = -1
		}
	}
	d.begun = nil
}

// part returns the part that a branch to a loop goes to, if that is known.
func (d *dispatches) part(i binary.Instruction, to *region) (part int, known bool) {
	if i.Op != binary.OpBr || to.dispatch == nil || d.last.Op != binary.OpLocalSet ||
		d.last.Index != to.dispatch.local || d.before.Op != binary.OpI32Const {
		return 0, false
	}
	return to.dispatch.target(d.before.Const)
}
