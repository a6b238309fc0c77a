package rewrite

import (
	stdbinary "encoding/binary"
	"fmt"

	"thresher/plugins/sandbox/binary"
)

// region is what is paid for at once: a function, or a loop in it.
type region struct {
	gas    uint64 // of what is in it, once
	start  uint64 // of a loop: what all costs that stands in front of it
	ways   int    // of a loop: branches back to its head
	atHead bool   // of a loop: has parameters, or a br_table leads back to it
	calls  bool   // functions
	loops  bool   // has some inside

	dispatch *dispatch // of a loop that begins with one
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

// measured is a function, before it is written.
type measured struct {
	whole *region
	loops []*region      // in order
	back  map[int]uint64 // where there is a branch back to a loop → what it pays
	ahead map[int]uint32 // where there is a branch to a loop that means a part ahead → the label to take
}

// measuring measures a function, of which it has seen so much.
type measuring struct {
	*meter
	measured
	code       []byte
	cost       uint64    // of what came up to here, but for loops that pay at their head
	inside     []*region // the whole, and the loops that are open
	open       blocks
	dispatches dispatches
}

func (w *meter) measure(body binary.Body) (measured, error) {
	m := &measuring{meter: w, code: body.Code}
	m.whole, m.back, m.ahead = &region{}, map[int]uint64{}, map[int]uint32{}
	m.inside = []*region{m.whole}
	err := body.Instructions(m.instruction)
	m.whole.gas = m.cost
	return m.measured, err
}

func (m *measuring) innermost() *region { return m.inside[len(m.inside)-1] }

func (m *measuring) instruction(i binary.Instruction) error {
	raw := m.code[i.Start:i.End]
	m.cost += cost(i.Op)
	m.innermost().calls = m.innermost().calls || calls(i.Op)
	m.dispatches.head(i, raw)
	switch i.Op {
	case binary.OpBlock, binary.OpIf:
		m.open = append(m.open, nil)
	case binary.OpLoop:
		if err := m.begin(i); err != nil {
			return err
		}
	case binary.OpEnd:
		m.end(m.open.pop())
	case binary.OpBr, binary.OpBrIf:
		m.branch(i, m.open.loop(i.Index))
	case binary.OpBrTable:
		for _, label := range labels(raw) {
			if l := m.open.loop(label); l != nil {
				l.atHead = true
			}
		}
	}
	m.dispatches.before, m.dispatches.last = m.dispatches.last, i
	return nil
}

func (m *measuring) begin(i binary.Instruction) error {
	l, err := m.newLoop(i)
	if err != nil {
		return err
	}
	if !l.atHead {
		m.dispatches.loop(l, len(m.open))
	}
	l.start = m.cost
	m.cost += costPlain // going round is not free
	m.loops, m.open, m.inside = append(m.loops, l), append(m.open, l), append(m.inside, l)
	return nil
}

func (m *measuring) end(l *region) {
	if l == nil {
		m.innermost().dispatch.ended(len(m.open), m.cost)
		return
	}
	l.gas = m.cost - l.start
	if l.dispatch != nil {
		l.dispatch.direct(func(at int, label uint32) { m.ahead[at] = label })
	}
	m.inside = m.inside[:len(m.inside)-1]
	around := m.innermost()
	around.calls, around.loops = around.calls || l.calls, true
	if l.paysAtHead() {
		m.cost = l.start
	}
}

// branch looks at one that may be to a loop. Execution goes forward, but for branches
// back: what it passes is paid for if all that is in the function is, when it is entered,
// and what stands between where a branch back is and where it leads to, each time.
func (m *measuring) branch(i binary.Instruction, to *region) {
	if to == nil {
		return
	}
	start := to.start
	if part, known := m.dispatches.part(i, to); known {
		d := to.dispatch
		if part >= d.begun {
			d.ahead = append(d.ahead, ahead{at: i.Start, from: d.begun - 1, to: part, open: len(m.open)})
			m.ahead[i.Start] = i.Index
			return
		}
		start = d.parts[part].start
		d.parts[part].last = d.begun - 1
	}
	to.ways++
	m.back[i.Start] = m.cost - start
}

// newLoop returns a loop that is not measured yet.
func (w *meter) newLoop(i binary.Instruction) (*region, error) {
	l := &region{}
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
