package hostile

import (
	"fmt"
	"slices"
)

// Types of values that only generated modules have.
const (
	F32  byte = 0x7d
	V128 byte = 0x7b
)

// Generated is a random module. It is valid by the way it is made, and ends: each
// call and each turn of a loop takes one of the exported global "fuel", and traps
// when there is none.
type Generated struct {
	Wasm    []byte
	Exports []Function // by their names; the memory is exported as "memory"
}

// Generate makes a module from choices, of which any bytes will do.
func Generate(choices []byte) Generated {
	g := &generator{choices: choices}
	return g.module()
}

type generator struct {
	choices []byte
	types   []Function // by their numbers
	own     []Function // functions
	globals []byte     // their types; the first is the fuel
	stately bool       // it may change tables and segments
	entries uint32     // of the table

	// of the function being made
	code   []byte
	locals []byte
	labels [][]byte // what a branch to each takes, the outermost first
	deep   int
	left   int // instructions, about
}

// pick chooses one of n. Where nothing is left to choose from it is 0, which is
// always what ends soonest.
func (g *generator) pick(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := int(g.choices[0]) % n
	g.choices = g.choices[1:]
	return c
}

var valueTypes = []byte{I32, I64, F32, F64, V128}

func (g *generator) typeOfValue() byte { return valueTypes[g.pick(len(valueTypes))] }

func (g *generator) someTypes(most int) (types []byte) {
	for range g.pick(most + 1) {
		types = append(types, g.typeOfValue())
	}
	return types
}

// typeIndex is the number of a function's or a block's type.
func (g *generator) typeIndex(params, results []byte) uint32 {
	for i, t := range g.types {
		if string(t.Params) == string(params) && string(t.Results) == string(results) {
			return uint32(i)
		}
	}
	g.types = append(g.types, Function{Params: params, Results: results})
	return uint32(len(g.types) - 1)
}

const generatedSegment = 64 // bytes, of each data segment

func (g *generator) module() Generated {
	g.stately = g.pick(2) == 1
	g.entries = uint32(4 + g.pick(5))
	for i := range 2 + g.pick(5) {
		f := Function{Name: fmt.Sprintf("f%d", i), Params: g.someTypes(3), Results: g.someTypes(2)}
		g.own = append(g.own, f)
		g.typeIndex(f.Params, f.Results)
	}
	start := g.pick(2) == 1
	if start {
		g.own = append(g.own, Function{Name: "start"})
		g.typeIndex(nil, nil)
	}
	g.globals = append([]byte{I32}, g.someTypes(4)...)
	if !g.stately { // a vector that changes is a state as well
		g.globals = slices.DeleteFunc(g.globals, func(t byte) bool { return t == V128 })
	}
	memory := g.memory()
	var bodies [][]byte
	for _, f := range g.own {
		body := g.function(f)
		bodies = append(bodies, append(uleb(uint32(len(body))), body...))
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	add := func(id byte, content []byte) { out = append(out, section(id, content)...) }
	var types, functions, exports [][]byte
	for _, t := range g.types {
		types = append(types, signature(t.Params, t.Results))
	}
	for i, f := range g.own {
		functions = append(functions, uleb(g.typeIndex(f.Params, f.Results)))
		exports = append(exports, append(append(text(f.Name), 0), uleb(uint32(i))...))
	}
	exports = append(exports, append(text("memory"), 2, 0), append(text("fuel"), 3, 0))
	add(1, list(types...))
	add(3, list(functions...))
	add(4, list([]byte{0x70, 1, byte(g.entries), byte(g.entries + 4)}))
	add(5, list(memory))
	add(6, list(g.globalValues()...))
	add(7, list(exports...))
	if start {
		add(8, uleb(uint32(len(g.own)-1)))
	}
	add(9, list(g.elements()...))
	add(12, uleb(2))
	add(10, list(bodies...))
	add(11, list(g.data()...))
	return Generated{Wasm: out, Exports: g.own}
}

func (g *generator) memory() []byte {
	least := byte([]int{1, 2, 7}[g.pick(3)])
	switch g.pick(4) {
	case 1:
		return []byte{0, least}
	case 2:
		return []byte{1, least, least}
	}
	return []byte{1, least, least + 1 + byte(g.pick(3))}
}

func (g *generator) globalValues() (values [][]byte) {
	for i, t := range g.globals {
		g.code = nil
		g.constant(t)
		if i == 0 {
			g.code = I32Const(60) // for the start function
		}
		values = append(values, append(append([]byte{t, 1}, g.code...), 0x0b))
	}
	return values
}

// elements: the first segment fills a part of the table, the second is passive.
func (g *generator) elements() [][]byte {
	segment := func() []byte {
		var entries [][]byte
		for range 3 {
			entries = append(entries, uleb(uint32(g.pick(len(g.own)))))
		}
		return list(entries...)
	}
	return [][]byte{append([]byte{0, 0x41, 0, 0x0b}, segment()...), append([]byte{1, 0}, segment()...)}
}

// data: the second segment is passive, in modules that may use it.
func (g *generator) data() [][]byte {
	content := make([]byte, generatedSegment)
	for i := range content {
		content[i] = byte(g.pick(256))
	}
	first := append(append([]byte{0}, I32Const(int32(g.pick(200)))...), 0x0b)
	second := []byte{1}
	if !g.stately {
		second = append(append([]byte{0}, I32Const(int32(60_000+g.pick(200)))...), 0x0b)
	}
	return [][]byte{append(first, text(string(content))...), append(second, text(string(content))...)}
}

func (g *generator) function(f Function) []byte {
	own := g.someTypes(4)
	own = append(own, valueTypes...) // at least one of each
	g.locals = append(append([]byte(nil), f.Params...), own...)
	g.labels, g.code, g.left, g.deep = [][]byte{f.Results}, nil, 150, 0
	g.burn()
	g.statements()
	g.values(f.Results)
	var locals [][]byte
	for _, t := range own {
		locals = append(locals, []byte{1, t})
	}
	return append(append(list(locals...), g.code...), 0x0b)
}

func (g *generator) emit(parts ...[]byte) { g.code = append(g.code, Code(parts...)...) }

// burn takes fuel.
func (g *generator) burn() {
	g.emit([]byte{0x23, 0, 0x45, 0x04, 0x40, 0x00, 0x0b, 0x23, 0, 0x41, 1, 0x6b, 0x24, 0})
}

func (g *generator) values(types []byte) {
	for _, t := range types {
		g.value(t)
	}
}

// put takes values from the stack, the last first.
func (g *generator) put(types []byte) {
	for i := len(types) - 1; i >= 0; i-- {
		if local, ok := g.local(types[i]); ok && g.pick(4) > 0 {
			g.emit([]byte{0x21}, uleb(local))
		} else {
			g.emit(Drop)
		}
	}
}

// local chooses a local of a type.
func (g *generator) local(t byte) (uint32, bool) { return g.oneOf(g.locals, t) }

func (g *generator) oneOf(types []byte, t byte) (uint32, bool) {
	start := g.pick(len(types))
	for i := range types {
		if at := (start + i) % len(types); types[at] == t {
			return uint32(at), true
		}
	}
	return 0, false
}

func (g *generator) constant(t byte) {
	v := int64(int8(g.pick(256))) << (g.pick(9) * 7)
	switch t {
	case I32:
		g.emit(I32Const(int32(v)))
	case I64:
		g.emit(I64Const(v))
	case F32:
		g.emit([]byte{0x43, byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)})
	case F64:
		g.emit(F64Const(float64(v) / 3))
	case V128:
		g.emit([]byte{0xfd, 12})
		for lane := range 16 {
			g.emit([]byte{byte(v >> (4 * lane))})
		}
	}
}
