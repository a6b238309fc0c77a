package hostile

import "bytes"

// What the code of a generated module is made of.

const mostDepth = 7

// leaf pushes a value without more ado.
func (g *generator) leaf(t byte) {
	if local, ok := g.local(t); ok && g.pick(3) > 0 {
		g.emit([]byte{0x20}, uleb(local))
		return
	}
	g.constant(t)
}

// An operator takes values and leaves one.
type operator struct {
	takes []byte
	code  []byte
}

// operators are those that leave a value of a type.
var operators = map[byte][]operator{}

func init() {
	add := func(leaves byte, from, to int, takes ...byte) {
		for op := from; op <= to; op++ {
			operators[leaves] = append(operators[leaves], operator{takes, []byte{byte(op)}})
		}
	}
	add(I32, 0x6a, 0x78, I32, I32)
	add(I64, 0x7c, 0x8a, I64, I64)
	add(F32, 0x92, 0x98, F32, F32)
	add(F64, 0xa0, 0xa6, F64, F64)
	add(I32, 0x45, 0x45, I32)
	add(I32, 0x46, 0x4f, I32, I32)
	add(I32, 0x50, 0x50, I64)
	add(I32, 0x51, 0x5a, I64, I64)
	add(I32, 0x5b, 0x60, F32, F32)
	add(I32, 0x61, 0x66, F64, F64)
	add(I32, 0x67, 0x69, I32)
	add(I64, 0x79, 0x7b, I64)
	add(F32, 0x8b, 0x91, F32)
	add(F64, 0x99, 0x9f, F64)
	add(I32, 0xc0, 0xc1, I32)
	add(I64, 0xc2, 0xc4, I64)
	for i, from := range []byte{I64, F32, F32, F64, F64} { // wrap, truncate
		add(I32, 0xa7+i, 0xa7+i, from)
	}
	for i, from := range []byte{I32, I32, F32, F32, F64, F64} {
		add(I64, 0xac+i, 0xac+i, from)
	}
	for i, from := range []byte{I32, I32, I64, I64, F64} {
		add(F32, 0xb2+i, 0xb2+i, from)
	}
	for i, from := range []byte{I32, I32, I64, I64, F32} {
		add(F64, 0xb7+i, 0xb7+i, from)
	}
	for i, pair := range [][2]byte{{I32, F32}, {I64, F64}, {F32, I32}, {F64, I64}} { // the bits as another type
		add(pair[0], 0xbc+i, 0xbc+i, pair[1])
	}
	for n, from := range []byte{F32, F32, F64, F64, F32, F32, F64, F64} { // truncation that cannot trap
		leaves := I32
		if n > 3 {
			leaves = I64
		}
		operators[leaves] = append(operators[leaves], operator{[]byte{from}, []byte{0xfc, byte(n)}})
	}
}

var loads = map[byte][]byte{
	I32: {0x28, 0x2c, 0x2d, 0x2e, 0x2f}, I64: {0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35}, F32: {0x2a}, F64: {0x2b},
	V128: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 92, 93}, // behind a prefix
}

var stores = map[byte][]byte{I32: {0x36, 0x3a, 0x3b}, I64: {0x37, 0x3c, 0x3d, 0x3e}, F32: {0x38}, F64: {0x39}, V128: {11}}

// access loads or stores by one of some instructions.
func (g *generator) access(t byte, some []byte) {
	if t == V128 {
		g.emit([]byte{0xfd})
	}
	g.emit([]byte{some[g.pick(len(some))], 0}, uleb(uint32(g.pick(3))))
}

// value pushes a value of a type.
func (g *generator) value(t byte) {
	g.left--
	g.deep++
	defer func() { g.deep-- }()
	if g.left < 0 || g.deep > mostDepth {
		g.leaf(t)
		return
	}
	switch g.pick(12) {
	default:
		g.leaf(t)
	case 2, 3, 4, 5:
		op := operators[t][g.pick(len(operators[t]))]
		g.values(op.takes)
		g.emit(op.code)
	case 6:
		g.address()
		g.access(t, loads[t])
	case 7:
		if global, ok := g.oneOf(g.globals, t); ok {
			g.emit([]byte{0x23}, uleb(global))
			return
		}
		g.leaf(t)
	case 8:
		g.block(nil, []byte{t})
	case 9:
		g.values([]byte{t, t, I32})
		g.emit([]byte{0x1b}) // select
	case 10:
		g.value(t)
		if local, ok := g.local(t); ok {
			g.emit([]byte{0x22}, uleb(local)) // tee
		}
	case 11:
		g.special(t)
	}
}

// special pushes what only some types have.
func (g *generator) special(t byte) {
	if t != I32 {
		g.called([]byte{t})
		return
	}
	switch g.pick(5) {
	default:
		g.emit([]byte{0x3f, 0}) // memory.size
	case 1:
		g.emit(I32Const(int32(g.pick(2))), Grow)
	case 2:
		g.emit([]byte{0xd2}, uleb(uint32(g.pick(len(g.own)))), []byte{0xd1}) // ref.func, ref.is_null
	case 3:
		g.tableIndex()
		g.emit([]byte{0x25, 0, 0xd1}) // table.get, ref.is_null
	case 4:
		g.called([]byte{I32})
	}
}

// called calls a function with these results, if there is one.
func (g *generator) called(results []byte) {
	start := g.pick(len(g.own))
	for i := range g.own {
		at := (start + i) % len(g.own)
		if f := g.own[at]; string(f.Results) == string(results) {
			g.call(uint32(at))
			return
		}
	}
	for _, t := range results {
		g.leaf(t)
	}
}

func (g *generator) call(function uint32) {
	f := g.own[function]
	g.values(f.Params)
	if g.pick(3) == 1 {
		g.tableIndex()
		g.emit([]byte{0x11}, uleb(g.typeIndex(f.Params, f.Results)), []byte{0}) // call_indirect, perhaps of another
		return
	}
	g.emit(Call(function))
}

// address pushes an address, most often inside of the memory.
func (g *generator) address() {
	g.value(I32)
	if g.pick(16) > 0 || len(g.choices) == 0 {
		g.emit(I32Const(0x7fff), []byte{0x71})
	}
}

func (g *generator) tableIndex() {
	g.value(I32)
	if g.pick(8) > 0 || len(g.choices) == 0 {
		g.emit(I32Const(3), []byte{0x71})
	}
}

// length pushes how long a bulk operation is: now and then more than one slice.
func (g *generator) length() {
	g.value(I32)
	g.emit(I32Const([]int32{0x1ff, 0x3ff, 0x7ff, 0x3fff, 0x7ffff}[g.pick(5)]), []byte{0x71})
}

func (g *generator) statements() {
	for range 1 + g.pick(6) {
		if g.left < 0 || g.deep > mostDepth {
			return
		}
		g.deep++
		g.statement()
		g.deep--
	}
}

func (g *generator) statement() {
	g.left--
	switch g.pick(15) {
	default:
		types := []byte{g.typeOfValue()}
		g.values(types)
		g.put(types)
	case 1, 2:
		t := g.typeOfValue()
		g.address()
		g.value(t)
		g.access(t, stores[t])
	case 3:
		if len(g.globals) > 1 {
			global := 1 + g.pick(len(g.globals)-1)
			g.value(g.globals[global])
			g.emit([]byte{0x24}, uleb(uint32(global)))
		}
	case 4, 5, 6:
		params, results := g.someTypes(2), g.someTypes(2)
		g.values(params)
		g.block(params, results)
		g.put(results)
	case 7:
		g.branch(true)
	case 8:
		g.branchTable()
	case 9:
		f := g.pick(len(g.own))
		g.call(uint32(f))
		g.put(g.own[f].Results)
	case 10, 11:
		g.bulk()
	case 12:
		if g.stately {
			g.tables()
		}
	case 13:
		g.branch(g.pick(4) > 0)
	case 14:
		g.parts()
	}
}

// parts makes a loop as Go's compiler does: parts that go to each other by their
// number in a local and the loop's head. Each burns, for the head cannot.
func (g *generator) parts() {
	chosen, _ := g.local(I32)
	n := 1 + g.pick(5)
	g.emit([]byte{0x03, 0x40}, bytes.Repeat([]byte{0x02, 0x40}, n), []byte{0x20}, uleb(chosen))
	var targets [][]byte
	for range 1 + g.pick(6) {
		targets = append(targets, uleb(uint32(g.pick(n))))
	}
	g.emit([]byte{0x0e}, list(targets[1:]...), targets[0])
	loop := len(g.labels)
	jump := func() {
		g.emit(I32Const(int32(g.pick(7))), []byte{0x21}, uleb(chosen), []byte{0x0c}, uleb(uint32(len(g.labels)-1-loop)))
	}
	g.labels = append(g.labels, make([][]byte, n+1)...)
	for range n {
		g.end()
		g.burn()
		g.statements()
		g.value(I32)
		g.emit([]byte{0x04, 0x40}) // if
		g.labels = append(g.labels, nil)
		jump()
		g.end()
		if g.pick(4) == 1 {
			jump()
		}
	}
	g.end()
}

func (g *generator) end() {
	g.labels = g.labels[:len(g.labels)-1]
	g.emit([]byte{0x0b})
}

// block opens a block, loop or if whose parameters are on the stack.
func (g *generator) block(params, results []byte) {
	kind := []byte{0x02, 0x03, 0x04}[g.pick(3)]
	if kind == 0x04 {
		g.value(I32)
	}
	g.emit([]byte{kind})
	g.emit(sleb(int64(g.typeIndex(params, results))))
	takes := results
	if kind == 0x03 {
		takes = params
	}
	g.labels = append(g.labels, takes)
	body := func() {
		if kind == 0x03 {
			g.burn()
		}
		g.put(params)
		g.statements()
		if g.pick(8) == 1 {
			g.branch(false) // what follows is never reached
		}
		g.values(results)
	}
	body()
	if kind == 0x04 {
		g.emit([]byte{0x05})
		body()
	}
	g.end()
}

func (g *generator) label() (depth uint32, takes []byte) {
	depth = uint32(g.pick(len(g.labels)))
	return depth, g.labels[len(g.labels)-1-int(depth)]
}

func (g *generator) branch(conditional bool) {
	depth, takes := g.label()
	g.values(takes)
	if !conditional {
		g.emit([]byte{0x0c}, uleb(depth))
		return
	}
	g.value(I32)
	g.emit([]byte{0x0d}, uleb(depth))
	g.put(takes)
}

// branchTable branches, in a block of its own, to labels that take the same.
func (g *generator) branchTable() {
	depth, takes := g.label()
	g.emit([]byte{0x02, 0x40}) // block
	g.labels = append(g.labels, nil)
	g.values(takes)
	g.value(I32)
	targets := [][]byte{uleb(depth + 1)}
	for i := range g.labels {
		if string(g.labels[len(g.labels)-1-i]) == string(takes) && g.pick(2) == 1 {
			targets = append(targets, uleb(uint32(i)))
		}
	}
	g.emit([]byte{0x0e}, list(targets...), uleb(depth+1))
	g.end()
}

func (g *generator) bulk() {
	g.address()
	switch g.pick(3) {
	default:
		g.value(I32)
		g.length()
		g.emit([]byte{0xfc, 11, 0}) // memory.fill
	case 1:
		g.address()
		g.length()
		g.emit([]byte{0xfc, 10, 0, 0}) // memory.copy
	case 2:
		if !g.stately {
			g.emit(Drop)
			return
		}
		g.values([]byte{I32, I32})
		g.emit([]byte{0x41, 0x3f, 0x71})            // at most 63 bytes
		g.emit([]byte{0xfc, 8}, uleb(1), []byte{0}) // memory.init
	}
}

// tables changes the table or a segment.
func (g *generator) tables() {
	reference := func() {
		if g.pick(3) == 0 {
			g.emit([]byte{0xd0, 0x70}) // null
			return
		}
		g.emit([]byte{0xd2}, uleb(uint32(g.pick(len(g.own)))))
	}
	few := func() { g.emit(I32Const(int32(g.pick(4)))) }
	switch g.pick(7) {
	default:
		g.tableIndex()
		reference()
		g.emit([]byte{0x26, 0})
	case 1:
		reference()
		few()
		g.emit([]byte{0xfc, 15, 0}, Drop) // grow
	case 2:
		g.tableIndex()
		reference()
		few()
		g.emit([]byte{0xfc, 17, 0}) // fill
	case 3:
		g.tableIndex()
		g.tableIndex()
		few()
		g.emit([]byte{0xfc, 14, 0, 0}) // copy
	case 4:
		g.tableIndex()
		few()
		few()
		g.emit([]byte{0xfc, 12, 1, 0}) // init
	case 5:
		g.emit([]byte{0xfc, 13, 1}) // elem.drop
	case 6:
		g.emit([]byte{0xfc, 9, 1}) // data.drop
	}
}
