package vet

// lifetimes measures through how many blocks the locals of a function live. The
// runtime's compiler asks, for each local that is read in a block which did not set
// it, every block that control came through where the value is from: that is what
// makes some small modules take minutes to compile.
//
// A local that is only read where it was just set lives in no other block. Any other
// one lives from the first block that sets it to the last that reads it, and if that
// is in a loop, through all of the outermost loop; and at the head of each loop in
// there it is looked at again, as often as the loop is deep.
type lifetimes struct {
	spans   []span   // by local; only those in touched mean something
	touched []uint32 // locals that are used
	looped  []uint32 // those that live in the outermost loop that is open
	start   uint64   // the block that it starts in
	open    bool
	depths  uint64 // of the loops in it, summed
	loops   uint64 // what its locals cost at the heads of loops
}

type span struct {
	first  uint64 // the block that sets it first
	set    uint64 // the block that set it last
	last   uint64 // the last block that it is known to live in
	known  bool   // it is used at all
	lives  bool   // beyond a block
	looped bool
}

// reset begins a function. Every local has a value at its start.
func (l *lifetimes) reset() {
	for _, local := range l.touched {
		l.spans[local] = span{}
	}
	l.touched, l.looped, l.open, l.loops = l.touched[:0], l.looped[:0], false, 0
}

func (l *lifetimes) at(local uint32) *span {
	if n := int(local) + 1 - len(l.spans); n > 0 {
		l.spans = append(l.spans, make([]span, n)...)
	}
	return &l.spans[local]
}

// set notes that a block gives a local a value.
func (l *lifetimes) set(local uint32, block uint64) {
	s := l.at(local)
	if !s.known {
		s.known, s.first = true, block
		l.touched = append(l.touched, local)
	}
	s.set = block
}

// get notes that a block reads a local.
func (l *lifetimes) get(local uint32, block uint64) {
	s := l.at(local)
	if s.known && s.set == block {
		return
	}
	if !s.known {
		s.known = true // what it reads is from the start
		l.touched = append(l.touched, local)
	}
	s.lives, s.last = true, block
	if l.open && !s.looped {
		s.looped = true
		s.first = min(s.first, l.start)
		l.looped = append(l.looped, local)
	}
}

// enter begins a loop at a depth, from 1.
func (l *lifetimes) enter(block, depth uint64) {
	if depth == 1 {
		l.start, l.open, l.depths = block, true, 0
	}
	l.depths += depth
}

// leave ends a loop that is in so many others.
func (l *lifetimes) leave(block, outer uint64) {
	if outer > 0 {
		return
	}
	for _, local := range l.looped {
		s := &l.spans[local]
		s.last, s.looped = block, false
	}
	l.loops += l.depths * uint64(len(l.looped))
	l.looped, l.open = l.looped[:0], false
}

func (l *lifetimes) sum() uint64 {
	all := l.loops
	for _, local := range l.touched {
		if s := l.spans[local]; s.lives {
			all += s.last - s.first
		}
	}
	return all
}
