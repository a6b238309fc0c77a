// Package hostile forges WebAssembly modules that no compiler would make: what an
// attacker writes by hand. The guests that attack through a compiler are in the
// folder guest.
//
// A [Module] is a plugin with one routine, named "attack", whose code is given
// instruction by instruction. Everything about it can be wrong.
package hostile

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Types of values.
const (
	I32 byte = 0x7f
	I64 byte = 0x7e
	F64 byte = 0x7c
)

// Function is a function that a module imports.
type Function struct {
	Module, Name    string
	Params, Results []byte
}

// Module describes what to forge. Its zero value is a plugin that is loaded, and
// whose routine returns 0.
type Module struct {
	Manifest string     // default: a valid one with the routine attack, an analysis
	Imports  []Function // the first one is function 0
	Globals  []string   // imported ones, as module.name with an empty module: a lie
	Run      []byte     // the code of thresher_run; default I32Const(0)
	Step     []byte     // the code of thresher_step; default I32Const(1)
	Start    []byte     // the code of a start function; nil: there is none
	Describe []byte     // default: returns the manifest
	Pages    uint32     // of memory at first; default 1
	Most     uint32     // pages of memory; 0: no word of it
	DataAt   int32      // where the manifest is put; default 1024
	Table    uint32     // entries of a table of functions, empty ones; 0: no table
	Filled   bool       // the first of them is thresher_run
	More     [][]byte   // the code of further functions, i32 → i32: see Further
	Locals   uint32     // of thresher_run, beside its parameter, which is the first
	Late     []byte     // the code of _initialize, in the place of a start function
	Without  string     // an export to leave out
	Also     string     // another name for thresher_alloc
	Name     string     // what the name section calls each function; empty: there is none
}

// Manifest is a manifest with one routine, attack, of that kind.
func Manifest(kind string) string {
	return fmt.Sprintf(`{"name":"forged","version":"1.0.0","summary":"","routines":[{"name":"attack","kind":%q,"title":"","params":{"type":"object"}}]}`, kind)
}

// The functions a module has, behind those it imports.
const (
	describe = iota
	alloc
	run // also thresher_init
	step
	start
)

// Self is the index of thresher_run in a module with that many imports, so that
// its code can call itself.
func Self(imports int) uint32 { return uint32(imports + run) }

// Further is the index of one of the functions in More.
func Further(imports, n int) uint32 { return uint32(imports + start + 1 + n) }

// Encode returns the module's bytes.
func (m Module) Encode() []byte {
	if m.Manifest == "" {
		m.Manifest = Manifest("analysis")
	}
	if m.DataAt == 0 {
		m.DataAt = 1024
	}
	n := uint32(len(m.Imports))
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = append(out, section(1, m.types())...)
	out = append(out, section(2, m.imports())...)
	functions := [][]byte{{0}, {1}, {1}, {1}, {2}}
	for range m.More {
		functions = append(functions, []byte{1})
	}
	out = append(out, section(3, list(functions...))...)
	if m.Table > 0 {
		out = append(out, section(4, list(append([]byte{0x70, 0}, uleb(m.Table)...)))...)
	}
	out = append(out, section(5, list(m.memory()))...)
	out = append(out, section(7, m.exports(n))...)
	if m.Start != nil {
		out = append(out, section(8, uleb(n+start))...)
	}
	if m.Filled {
		out = append(out, section(9, list(Code([]byte{0}, I32Const(0), []byte{0x0b}, list(uleb(n+run)))))...)
	}
	out = append(out, section(10, m.code())...)
	data := append([]byte{0}, I32Const(m.DataAt)...)
	data = append(append(data, 0x0b), text(m.Manifest)...)
	out = append(out, section(11, list(data))...)
	if m.Name != "" {
		out = append(out, section(0, m.names(n+uint32(len(functions))))...)
	}
	return out
}

// names is a name section that gives n functions the same name.
func (m Module) names(n uint32) []byte {
	var names [][]byte
	for i := range n {
		names = append(names, Code(uleb(i), text(m.Name)))
	}
	functions := list(names...)
	return Code(text("name"), []byte{1}, uleb(uint32(len(functions))), functions)
}

func (m Module) memory() []byte {
	least := uleb(max(m.Pages, 1))
	if m.Most == 0 {
		return append([]byte{0}, least...)
	}
	return append(append([]byte{1}, least...), uleb(m.Most)...)
}

// types: 0 is of describe, 1 of alloc, run and step, 2 of start; then the imports'.
func (m Module) types() []byte {
	types := [][]byte{signature(nil, []byte{I64}), signature([]byte{I32}, []byte{I32}), signature(nil, nil)}
	for _, f := range m.Imports {
		types = append(types, signature(f.Params, f.Results))
	}
	return list(types...)
}

func (m Module) imports() []byte {
	var imports [][]byte
	for i, f := range m.Imports {
		entry := append(text(f.Module), text(f.Name)...)
		imports = append(imports, append(append(entry, 0), uleb(uint32(3+i))...))
	}
	for _, name := range m.Globals {
		imports = append(imports, append(append(text("thresher"), text(name)...), 3, I32, 0))
	}
	return list(imports...)
}

func (m Module) exports(n uint32) []byte {
	var exports [][]byte
	for _, e := range []struct {
		name  string
		kind  byte
		index uint32
	}{
		{"memory", 2, 0},
		{"thresher_describe", 0, n + describe},
		{"thresher_alloc", 0, n + alloc},
		{"thresher_run", 0, n + run},
		{"thresher_init", 0, n + run},
		{"thresher_step", 0, n + step},
		{m.Also, 0, n + alloc},
		{m.late(), 0, n + start},
	} {
		if e.name != m.Without && e.name != "" {
			exports = append(exports, append(append(text(e.name), e.kind), uleb(e.index)...))
		}
	}
	return list(exports...)
}

func (m Module) late() string {
	if m.Late == nil {
		return ""
	}
	return "_initialize"
}

func (m Module) code() []byte {
	first := m.Start
	if m.Late != nil {
		first = m.Late
	}
	if m.Describe == nil {
		m.Describe = I64Const(int64(m.DataAt)<<32 | int64(len(m.Manifest)))
	}
	if m.Run == nil {
		m.Run = I32Const(0)
	}
	if m.Step == nil {
		m.Step = I32Const(1)
	}
	var bodies [][]byte
	for i, code := range append([][]byte{m.Describe, I32Const(8), m.Run, m.Step, first}, m.More...) {
		locals := list()
		if i == run && m.Locals > 0 {
			locals = list(append(uleb(m.Locals), I32))
		}
		body := Code(locals, code, []byte{0x0b})
		bodies = append(bodies, append(uleb(uint32(len(body))), body...))
	}
	return list(bodies...)
}

// Instructions that the attacks need.
var (
	Unreachable = []byte{0x00}
	Drop        = []byte{0x1a}
	LoopForever = []byte{0x03, 0x40, 0x0c, 0x00, 0x0b, 0x00} // loop br 0 end unreachable
	Grow        = []byte{0x40, 0x00}                         // memory.grow
	LocalGet0   = []byte{0x20, 0x00}
)

// I32Const pushes a number.
func I32Const(v int32) []byte { return append([]byte{0x41}, sleb(int64(v))...) }

// I64Const pushes a number.
func I64Const(v int64) []byte { return append([]byte{0x42}, sleb(v)...) }

// F64Const pushes a number.
func F64Const(v float64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(v))
}

// Push pushes numbers of 32 bits.
func Push(numbers ...int32) (code []byte) {
	for _, n := range numbers {
		code = append(code, I32Const(n)...)
	}
	return code
}

// Call calls a function by its index.
func Call(index uint32) []byte { return append([]byte{0x10}, uleb(index)...) }

// Store puts a 32-bit value at an address.
func Store(at, value int32) []byte {
	return Code(I32Const(at), I32Const(value), []byte{0x36, 2, 0})
}

// Code joins instructions.
func Code(parts ...[]byte) (code []byte) {
	for _, p := range parts {
		code = append(code, p...)
	}
	return code
}

func signature(params, results []byte) []byte {
	s := append([]byte{0x60}, uleb(uint32(len(params)))...)
	s = append(append(s, params...), uleb(uint32(len(results)))...)
	return append(s, results...)
}

func section(id byte, content []byte) []byte {
	return append(append([]byte{id}, uleb(uint32(len(content)))...), content...)
}

func list(items ...[]byte) []byte { return Code(uleb(uint32(len(items))), Code(items...)) }

func text(s string) []byte { return append(uleb(uint32(len(s))), s...) }

func uleb(v uint32) []byte { return binary.AppendUvarint(nil, uint64(v)) }

func sleb(v int64) (out []byte) {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

// Program is a program of WASI: what it imports, and the code of _start.
func Program(imports []Function, code []byte) []byte { return program(Module{Imports: imports}, code) }

// program is a Program with the imports and the memory of a module.
func program(m Module, code []byte) []byte {
	n := uint32(len(m.Imports))
	body := Code(list(), code, []byte{0x0b})
	out := append([]byte("\x00asm\x01\x00\x00\x00"), section(1, m.types())...)
	out = append(out, section(2, m.imports())...)
	out = append(out, section(3, list([]byte{2}))...)
	out = append(out, section(5, list(m.memory()))...)
	out = append(out, section(7, list(Code(text("memory"), []byte{2, 0}), Code(text("_start"), []byte{0}, uleb(n))))...)
	return append(out, section(10, list(Code(uleb(uint32(len(body))), body)))...)
}

// manifestSection is the section in which a program has its manifest.
func manifestSection(manifest string) []byte {
	return section(0, Code(text("thresher:manifest"), []byte(manifest)))
}
