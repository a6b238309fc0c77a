package rewrite

import (
	"slices"

	"thresher/plugins/sandbox/binary"
)

// How deep calls are nested is counted in bytes of stack, by a number that follows from
// the code of each function alone. So the same calls end a guest at the same depth on
// every machine, whatever its compiler made of them.

// StackBytes is how much stack nested calls may take: as much as systems give a program.
const StackBytes = 8 << 20

const (
	// frameBytes is what every function needs: where to return to, and the registers that
	// it must keep.
	frameBytes = 96

	// slotBytes is counted for each slot that a function may need. The compiler gives a
	// slot of 8 bytes to each value that lives across a call, or for which it has no
	// register, and never uses one twice; most values need none. A function whose values
	// all do has four times what is counted, for which the runtime has room: its own bound
	// is 50 MB at least.
	slotBytes = 2

	// freeBytes is what may be needed in all by nested calls that are not counted.
	freeBytes = 1 << 20
)

// frame is what a function takes of the stack.
type frame struct {
	bytes   uint64
	counted bool // it takes them, and gives them back
}

// measureFrames measures the module's own functions, and decides which are counted: those
// that may be called before they have returned. Of any others there is one at a time; they
// are counted as well where they would need too much one below the other.
func (r *rewriter) measureFrames() error {
	r.frames = make([]frame, len(r.m.Bodies))
	g, functions := newGraph(r.m, r.refs), functionTypes(r.m)
	for own := range r.m.Bodies {
		s := slots{m: r.m, graph: g, functions: functions, own: own}
		if err := s.count(); err != nil {
			return err
		}
		r.frames[own].bytes = frameBytes + slotBytes*s.n
	}
	needs := make([]uint64, len(g.to)) // of what is not counted, with all below it
	g.components(func(nodes []int, again bool) {
		below := uint64(0)
		for _, n := range nodes {
			for _, callee := range g.to[n] {
				below = max(below, needs[callee])
			}
		}
		for _, n := range nodes {
			needs[n] = below
			if n >= len(r.frames) {
				continue
			}
			f := &r.frames[n]
			if f.counted = again || below+f.bytes > freeBytes; !f.counted {
				needs[n] += f.bytes
			}
		}
	})
	for own, f := range r.frames {
		if results := r.m.Types[r.m.Functions[own]].Results; f.counted && len(results) > 1 {
			r.needBlock(string(results))
		}
	}
	return nil
}

func (r *rewriter) needBlock(results string) {
	if _, known := r.blocks[results]; !known {
		r.blocks[results] = uint32(len(r.m.Types) + len(addedTypes) + len(r.blocks))
	}
}

// blockType is the type of a block that leaves results.
func (r *rewriter) blockType(results []byte) int64 {
	switch len(results) {
	case 0:
		return binary.NoResult - 0x80
	case 1:
		return int64(results[0]) - 0x80
	}
	return int64(r.blocks[string(results)])
}

// slots counts how many slots of 8 bytes a function may need: one for each value that
// an instruction makes, and one for each local where ways of control meet that may
// bring different values of it. A vector has two.
type slots struct {
	m         *binary.Module
	n         uint64
	graph     *graph
	functions []uint32 // their types, those of imports first
	own       int      // of the module's own functions, which this is
	ends      []uint32 // of the groups of locals, the params the first ones
	wide      []uint64 // how many slots a local of the group needs
	open      []construct
	block     int     // which basic block this is
	set       []place // by local
}

// construct is a block, loop or if that is open.
type construct struct {
	start  int // in the code
	merges uint64
}

// place is where a local was set last.
type place struct {
	after  int  // which offset of the code
	block  int  // while it is looked for in which it lives
	beyond bool // it is read in a block that has not set it
}

func (s *slots) count() error {
	t, body := s.m.Types[s.m.Functions[s.own]], s.m.Bodies[s.own]
	s.n = wide(t.Params)
	for _, p := range t.Params {
		s.group(1, p)
	}
	for _, l := range body.Locals {
		s.group(l.Count, l.Type)
	}
	if err := body.Instructions(s.findLong); err != nil {
		return err
	}
	return body.Instructions(s.instruction)
}

func (s *slots) group(locals uint32, t byte) {
	end := locals
	if n := len(s.ends); n > 0 {
		end += s.ends[n-1]
	}
	s.ends, s.wide = append(s.ends, end), append(s.wide, wide([]byte{t}))
}

// local returns where a local was set.
func (s *slots) local(index uint32) *place {
	if n := int(index) + 1 - len(s.set); n > 0 {
		s.set = append(s.set, make([]place, n)...)
	}
	return &s.set[index]
}

// findLong finds the locals that live beyond a basic block.
func (s *slots) findLong(i binary.Instruction) error {
	switch i.Op {
	case binary.OpLoop, binary.OpIf, binary.OpElse, binary.OpEnd, binary.OpBr, binary.OpBrIf, binary.OpBrTable:
		s.block++
	case binary.OpLocalGet:
		if p := s.local(i.Index); p.block != s.block {
			p.beyond = true
		}
	case binary.OpLocalSet, binary.OpLocalTee:
		s.local(i.Index).block = s.block
	}
	return nil
}

func (s *slots) instruction(i binary.Instruction) error {
	switch i.Op {
	case binary.OpBlock, binary.OpIf, binary.OpLoop:
		s.open = append(s.open, construct{i.Start, merges(i.Op)})
		s.n += s.blockResults(i.Block)
	case binary.OpEnd:
		if n := len(s.open); n > 0 {
			s.open = s.open[:n-1]
		}
	case binary.OpLocalSet, binary.OpLocalTee:
		s.meets(i)
	case binary.OpCall:
		s.call(i.Index)
	case binary.OpCallIndirect:
		s.graph.edge(s.own, s.graph.types[i.Index])
		s.moves(s.m.Types[i.Index])
	case binary.OpGlobalGet:
		s.n += 2
	default:
		s.n += makes(i.Op)
	}
	return nil
}

// merges is how many times the values of a local come together at a construct. The
// blocks that meter puts around a loop are among them.
func merges(op uint32) uint64 {
	if op == binary.OpLoop {
		return 3
	}
	return 1
}

// meets counts the places where the value that is set here meets another one: at the
// end of each block that is open, and at the head of each loop. Those that were open when
// the local was set before have been counted.
func (s *slots) meets(i binary.Instruction) {
	p := s.local(i.Index)
	if p.beyond {
		group, _ := slices.BinarySearch(s.ends, i.Index+1)
		for n := len(s.open) - 1; n >= 0 && s.open[n].start >= p.after; n-- {
			s.n += s.open[n].merges * s.wide[group]
		}
	}
	p.after = i.End
}

func (s *slots) call(function uint32) {
	if imported := uint32(s.m.ImportedFunctions); function >= imported {
		s.graph.edge(s.own, int(function-imported))
	}
	s.moves(s.m.Types[s.functions[function]])
}

// moves counts what a call takes and returns.
func (s *slots) moves(t binary.FuncType) { s.n += wide(t.Params) + wide(t.Results) }

func (s *slots) blockResults(block int64) uint64 {
	switch {
	case block >= 0 && block < int64(len(s.m.Types)):
		return wide(s.m.Types[block].Params) + wide(s.m.Types[block].Results)
	case block == binary.NoResult-0x80:
		return 0
	}
	return 2
}

// wide is how many slots values of these types need.
func wide(types []byte) (n uint64) {
	for _, t := range types {
		n++
		if t == binary.TypeV128 {
			n++
		}
	}
	return n
}

// makes is how many slots an instruction may need for what it makes, beside those above.
func makes(op uint32) uint64 {
	switch {
	case op <= binary.OpReturn, op == binary.OpLocalGet, op == binary.OpGlobalSet, op == opDrop:
		return 0
	case op == opSelect, op == opSelect+1:
		return 2
	case opFirstLoad <= op && op <= opLastLoad:
		return 3 // the value, and its address, which is kept for the next one there
	case opLastLoad < op && op <= opLastStore:
		return 2
	case op>>16 == binary.OpV128Const>>16:
		return 4
	}
	return 1
}

const (
	opDrop      = 0x1a
	opFirstLoad = 0x28
	opLastLoad  = 0x35
	opLastStore = 0x3e
)
