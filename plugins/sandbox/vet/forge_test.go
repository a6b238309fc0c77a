package vet_test

import (
	"bytes"
	stdbinary "encoding/binary"

	"thresher/plugins/sandbox/binary"
)

// forged is a module of one function, told section by section.
type forged struct {
	types     [][]byte // default: () → ()
	imports   [][]byte
	functions [][]byte // beside the one: their types' numbers
	tables    [][]byte
	memories  [][]byte
	globals   [][]byte
	exports   [][]byte
	elements  [][]byte
	count     []byte
	locals    [][]byte
	code      []byte
	data      [][]byte
	custom    [][]byte
}

func (f forged) bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	if f.types == nil {
		f.types = [][]byte{funcType(nil, nil)}
	}
	add := func(id byte, content []byte) {
		out = append(append(append(out, id), uleb(len(content))...), content...)
	}
	entries := func(id byte, list [][]byte) {
		if list != nil {
			add(id, vec(list...))
		}
	}
	entries(binary.SectionType, f.types)
	entries(binary.SectionImport, f.imports)
	entries(binary.SectionFunction, append([][]byte{{0}}, f.functions...))
	entries(binary.SectionTable, f.tables)
	entries(binary.SectionMemory, f.memories)
	entries(binary.SectionGlobal, f.globals)
	entries(binary.SectionExport, f.exports)
	entries(binary.SectionElement, f.elements)
	if f.count != nil {
		add(binary.SectionDataCount, f.count)
	}
	bodies := [][]byte{sized(cat(vec(f.locals...), f.code, end))}
	for range f.functions {
		bodies = append(bodies, sized([]byte{0, 0x00, 0x0b}))
	}
	entries(binary.SectionCode, bodies)
	entries(binary.SectionData, f.data)
	for _, c := range f.custom {
		add(binary.SectionCustom, c)
	}
	return out
}

// code is a module whose function has that code, a memory and a table.
func code(parts ...[]byte) forged {
	return forged{
		types: [][]byte{funcType(nil, nil), funcType(nil, []byte{i32})}, tables: [][]byte{{0x70, 0, 1}}, memories: [][]byte{{0, 1}},
		locals: [][]byte{{8, i32}}, code: cat(parts...),
	}
}

const i32 = binary.TypeI32

var end = []byte{0x0b}

func uleb(v int) []byte { return stdbinary.AppendUvarint(nil, uint64(v)) }

func vec(items ...[]byte) []byte { return append(uleb(len(items)), cat(items...)...) }

func sized(b []byte) []byte { return append(uleb(len(b)), b...) }

func text(s string) []byte { return sized([]byte(s)) }

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func rep(n int, parts ...[]byte) []byte { return bytes.Repeat(cat(parts...), n) }

func list(n int, item ...byte) (all [][]byte) {
	for range n {
		all = append(all, item)
	}
	return all
}

func funcType(params, results []byte) []byte { return cat([]byte{0x60}, sized(params), sized(results)) }

func get(local int) []byte { return append([]byte{0x20}, uleb(local)...) }

func set(local int) []byte { return append([]byte{0x21}, uleb(local)...) }

var (
	ifVoid    = []byte{0x04, 0x40}
	blockVoid = []byte{0x02, 0x40}
	loopVoid  = []byte{0x03, 0x40}
	brIf0     = []byte{0x0d, 0}
)
