package rewrite

import (
	"math"

	"thresher/plugins/sandbox/binary"
)

// graph says which functions call which. Its nodes are the module's own functions, by their
// number, and behind them its types: who calls a function through a table calls the node of
// its type, and that calls all functions of the type that a table can hold.
type graph struct {
	to    [][]int
	types []int // the node of each type: equal ones have the same
}

func newGraph(m *binary.Module, refs map[uint32]uint32) *graph {
	g := &graph{to: make([][]int, len(m.Bodies)+len(m.Types))}
	known := map[string]int{}
	for i, t := range m.Types {
		name := string(t.Params) + ">" + string(t.Results)
		if _, found := known[name]; !found {
			known[name] = len(m.Bodies) + i
		}
		g.types = append(g.types, known[name])
	}
	for f := range inTables(m, refs) {
		if own := int(f) - m.ImportedFunctions; own >= 0 {
			g.edge(g.types[m.Functions[own]], own)
		}
	}
	return g
}

// inTables are the functions that a table can hold: all that the module takes a reference of.
func inTables(m *binary.Module, refs map[uint32]uint32) map[uint32]bool {
	all := map[uint32]bool{}
	for f := range refs {
		all[f] = true
	}
	for _, e := range m.Elements {
		for _, f := range e.Functions {
			all[f.Function] = true
		}
	}
	for _, global := range m.Globals {
		if f, ok := global.Init.Function(); ok {
			all[f.Function] = true
		}
	}
	return all
}

func (g *graph) edge(from, to int) { g.to[from] = append(g.to[from], to) }

// components calls use with the nodes that can all reach each other, and whether there is
// a way from them to themselves. What a node calls comes before it.
func (g *graph) components(use func(nodes []int, again bool)) {
	t := tarjan{graph: g, use: use, number: make([]int, len(g.to)), low: make([]int, len(g.to))}
	for n := range g.to {
		if t.number[n] == 0 {
			t.visit(n)
		}
	}
}

// tarjan is the state of Tarjan's algorithm.
type tarjan struct {
	*graph
	use    func(nodes []int, again bool)
	number []int // in the order of visits, from 1; done: those of finished components
	low    []int // the lowest number that can be reached
	open   []int
	last   int
}

const done = math.MaxInt // so that it never is the lowest

func (t *tarjan) visit(n int) {
	t.last++
	t.number[n], t.low[n] = t.last, t.last
	at := len(t.open)
	t.open = append(t.open, n)
	again := false
	for _, callee := range t.to[n] {
		if t.number[callee] == 0 {
			t.visit(callee)
			t.low[n] = min(t.low[n], t.low[callee])
		} else {
			t.low[n] = min(t.low[n], t.number[callee])
		}
		again = again || callee == n
	}
	if t.low[n] < t.number[n] {
		return
	}
	nodes := t.open[at:]
	t.use(nodes, again || len(nodes) > 1)
	for _, m := range nodes {
		t.number[m] = done
	}
	t.open = t.open[:at]
}
