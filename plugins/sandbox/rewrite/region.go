package rewrite

import (
	stdbinary "encoding/binary"
	"fmt"

	"thresher/plugins/sandbox/binary"
)

// region is what is paid for at once: a function, or a loop in it.
type region struct {
	gas    uint64 // of what is in it, once
	ways   int    // of a loop: branches back to its head
	atHead bool   // of a loop: has parameters, or a br_table leads back to it
	calls  bool   // functions
	loops  bool   // has some inside
}

const (
	// mostWays is how many branches back to a loop pay each for itself. Each makes the
	// compiler look for the values of all locals on two ways more.
	mostWays = 64

	// tightGas is what a loop costs at most that is worth a local of its own: in longer
	// ones the local costs more, for it takes a register from them.
	tightGas = 32
)

// paysAtHead reports whether a loop pays at its head, not where it is gone back to.
func (r *region) paysAtHead() bool { return r.atHead || r.ways > mostWays }

// tight reports whether what is left is kept in a local as well. Nothing else pays
// while it is.
func (r *region) tight() bool {
	return r.around() > 0 && r.gas <= tightGas && !r.calls && !r.loops
}

// around is how many blocks are put around a loop, or none around a nil: a block.
func (r *region) around() uint32 {
	if r == nil || r.paysAtHead() || r.ways == 0 {
		return 0
	}
	return 3
}

// add counts in a loop that ends.
func (r *region) add(l *region) {
	if !l.paysAtHead() {
		r.gas += l.gas
	}
	r.calls = r.calls || l.calls
	r.loops = true
}

// measure returns the region that a function is, and those of its loops, in order.
func (w *meter) measure(body binary.Body) (whole *region, loops []*region, err error) {
	whole = &region{}
	inside := []*region{whole} // whole, and the loops that are open
	open := blocks{}
	err = body.Instructions(func(i binary.Instruction) error {
		in := inside[len(inside)-1]
		in.gas += cost(i.Op)
		in.calls = in.calls || calls(i.Op)
		switch i.Op {
		case binary.OpBlock, binary.OpIf:
			open = append(open, nil)
		case binary.OpLoop:
			l, err := w.newLoop(i)
			if err != nil {
				return err
			}
			loops, open, inside = append(loops, l), append(open, l), append(inside, l)
		case binary.OpEnd:
			if open.pop() != nil {
				inside = inside[:len(inside)-1]
				inside[len(inside)-1].add(in)
			}
		case binary.OpBr, binary.OpBrIf:
			if l := open.loop(i.Index); l != nil {
				l.ways++
			}
		case binary.OpBrTable:
			for _, label := range labels(body.Code[i.Start:i.End]) {
				if l := open.loop(label); l != nil {
					l.atHead = true
				}
			}
		}
		return nil
	})
	return whole, loops, err
}

// newLoop returns a loop that is not measured yet.
func (w *meter) newLoop(i binary.Instruction) (*region, error) {
	l := &region{gas: costPlain} // going round is not free
	if i.Block < 0 {
		return l, nil // no result, or the type of the one there is
	}
	if i.Block >= int64(len(w.m.Types)) {
		return nil, &binary.Error{Detail: fmt.Sprintf("a loop of type %d: the module has %d types", i.Block, len(w.m.Types))}
	}
	l.atHead = len(w.m.Types[i.Block].Params) > 0
	return l, nil
}

// blocks are those that are open: of a loop its region, else nil.
type blocks []*region

// loop returns the loop whose head a label is; nil if it is not that of a loop.
func (b blocks) loop(label uint32) *region {
	if n := uint32(len(b)); label < n {
		return b[n-1-label]
	}
	return nil
}

// pop closes the innermost block, or the function.
func (b *blocks) pop() (closed *region) {
	if n := len(*b); n > 0 {
		closed, *b = (*b)[n-1], (*b)[:n-1]
	}
	return closed
}

// labels returns those of a br_table, the default last.
func labels(table []byte) []uint32 {
	table = table[1:]
	next := func() uint32 {
		v, n := stdbinary.Uvarint(table)
		table = table[n:]
		return uint32(v)
	}
	all := make([]uint32, next()+1)
	for i := range all {
		all[i] = next()
	}
	return all
}
