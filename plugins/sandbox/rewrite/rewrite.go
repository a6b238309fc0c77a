// Package rewrite changes modules so that the host can do more with them: end or
// pause them anywhere, charge for what they do, and start each job from a copy of
// what the module's initialisers left.
//
// What it returns is a valid module if and only if it was given one, and computes the
// same, but that it stops where the host's tick stops it. Modules with instructions
// that it does not know are refused, and those that name what they do not have. It does not decide whether a module may be run:
// that is package vet.
package rewrite

import (
	stdbinary "encoding/binary"
	"errors"
	"slices"
	"strconv"

	"thresher/plugins/sandbox/binary"
)

// The names that rewritten modules use. A module that exports a name with this
// prefix is refused.
const (
	prefix = "thresher:"

	// Host is the module that the tick is imported from: Tick takes as an i64 the
	// gas that was owed and not there, and returns when there is at least so much.
	// Deep takes the gas that was taken by a function for which no stack is left, and
	// the stack that it needs. It does not return.
	Host = "thresher:host"
	Tick = "tick"
	Deep = "deep"
	// Global is the exported global, an i64, that holds a [Left]. There is no gas at first,
	// and all of the stack. Whoever calls an export gives it all of the stack: a trap leaves
	// what there was.
	Global = "thresher:left"
	// Start is the exported function that was the start function of a lifted module.
	Start = "thresher:start"
)

// Rewritten is a module that pays for what it does.
type Rewritten struct {
	Wasm []byte
	// Lifted is what was taken out of it; nil where it initialises itself, and
	// then Plain says why.
	Lifted *Lifted
	Plain  string
	Frame  uint64 // what the function that takes the most of the stack takes, in bytes
}

// Rewrite returns the module rewritten, with its initialisation taken out of it where
// that can be. An error is a *[binary.Error].
func Rewrite(m *binary.Module) (out Rewritten, err error) {
	var plain *unliftable
	switch err := liftable(m); {
	case err == nil:
		out.Lifted = lift(m)
	case errors.As(err, &plain):
		out.Plain = plain.reason
	default:
		return out, err
	}
	out.Wasm, out.Frame, err = rewrite(m, out.Lifted)
	return out, err
}

// Metered returns the module rewritten, still initialising itself. An error is a
// *[binary.Error].
func Metered(m *binary.Module) (wasm []byte, err error) {
	wasm, _, err = rewrite(m, nil)
	return wasm, err
}

func rewrite(m *binary.Module, lifted *Lifted) (wasm []byte, largest uint64, err error) {
	if err := checkOwn(m); err != nil {
		return nil, 0, err
	}
	r := rewriter{m: m, layout: plan(m), refs: map[uint32]uint32{}, blocks: map[string]uint32{}}
	if err := r.findReferences(); err != nil {
		return nil, 0, err
	}
	if err := r.measureFrames(); err != nil {
		return nil, 0, err
	}
	for _, f := range r.frames {
		largest = max(largest, f.bytes)
	}
	sections, err := r.sections(lifted)
	if err != nil {
		return nil, 0, err
	}
	return binary.Encode(sections), largest, nil
}

// addedImports are the tick and what ends a guest that is too deep.
const addedImports = 2

// plan decides where the added parts go: behind the module's own, but for the imports,
// which come before its own functions.
func plan(m *binary.Module) layout {
	functions := uint32(m.ImportedFunctions + len(m.Functions) + addedImports)
	types, tables, globals := uint32(len(m.Types)), uint32(m.Tables), uint32(len(m.Globals))
	for _, i := range m.Imports {
		switch i.Kind {
		case binary.KindTable:
			tables++
		case binary.KindGlobal:
			globals++
		}
	}
	return layout{
		global: globals,
		tick:   uint32(m.ImportedFunctions),
		deep:   uint32(m.ImportedFunctions) + 1,
		shift:  uint32(m.ImportedFunctions),
		charge: functions,
		fill:   functions + 1,
		copy:   functions + 2,
		bulk:   types + typeBulk,
		table:  tables,
	}
}

// The types that are added, behind the module's own.
const (
	typeTick = iota
	typeDeep
	typeCharge
	typeBulk
)

var addedTypes = []binary.FuncType{
	typeTick:   {Params: []byte{binary.TypeI64}},
	typeDeep:   {Params: []byte{binary.TypeI64, binary.TypeI64}},
	typeCharge: {Params: []byte{binary.TypeI32}},
	typeBulk:   {Params: []byte{binary.TypeI32, binary.TypeI32, binary.TypeI32}},
}

type rewriter struct {
	m      *binary.Module
	layout layout
	refs   map[uint32]uint32 // function → its place in the table of references
	frames []frame           // of the module's own functions
	blocks map[string]uint32 // several results → the type of a block that leaves them
}

// findReferences gives every function that code takes a reference of a place in a
// table. The runtime makes a new reference each time one is taken, and keeps it: in
// a loop that fills its memory. From a table it is always the same.
func (r *rewriter) findReferences() error {
	for _, b := range r.m.Bodies {
		err := b.Instructions(func(i binary.Instruction) error {
			if i.Op == binary.OpRefFunc {
				target, _ := stdbinary.Uvarint(b.Code[i.Start+1 : i.End])
				if _, known := r.refs[uint32(target)]; !known {
					r.refs[uint32(target)] = uint32(len(r.refs))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sections returns the module's sections rewritten, and those that are added.
func (r *rewriter) sections(lifted *Lifted) ([]binary.Section, error) {
	has := map[byte]binary.Section{}
	var custom []binary.Section
	for _, s := range r.m.Sections {
		if s.ID == binary.SectionCustom {
			custom = append(custom, s)
		} else {
			has[s.ID] = s
		}
	}
	source := r.source(custom)
	code, err := r.code(source)
	if err != nil {
		return nil, err
	}
	has[binary.SectionCode] = binary.Section{Content: code}
	has[binary.SectionType] = binary.Section{Content: r.types()}
	has[binary.SectionImport] = binary.Section{Content: r.imports(has[binary.SectionImport])}
	has[binary.SectionFunction] = binary.Section{Content: r.functions()}
	has[binary.SectionGlobal] = binary.Section{Content: r.globals(has[binary.SectionGlobal])}
	has[binary.SectionExport] = binary.Section{Content: binary.EncodeExports(r.exports(lifted))}
	if tables := r.tables(); len(tables) > 1 {
		has[binary.SectionTable] = binary.Section{Content: tables}
	}
	if elements, some := r.elements(has[binary.SectionElement]); some {
		has[binary.SectionElement] = binary.Section{Content: elements}
	}
	if start := r.m.Start; start != nil {
		has[binary.SectionStart] = binary.Section{Content: stdbinary.AppendUvarint(nil, uint64(r.layout.function(*start)))}
	}
	if lifted != nil {
		has[binary.SectionMemory] = binary.Section{Content: roomToShrink(r.m.MemoryTypes[0])}
		delete(has, binary.SectionStart)
		delete(has, binary.SectionData)
		delete(has, binary.SectionDataCount)
	}
	var all []binary.Section
	for _, id := range order {
		if s, ok := has[id]; ok {
			s.ID = id
			all = append(all, s)
		}
	}
	return slices.Concat(all, r.names(custom), source.sections()), nil
}

// roomToShrink declares a memory that may have a page more than the module says: the
// host asks for it to put the memory back to its first size, and never gives it.
func roomToShrink(memory binary.Limits) []byte {
	const most = 1 << 16 // pages
	if !memory.HasMax {
		memory.Max = most
	}
	out := stdbinary.AppendUvarint([]byte{1, 1}, uint64(memory.Min))
	return stdbinary.AppendUvarint(out, uint64(min(memory.Max+1, most)))
}

// order is that of the sections in a module.
var order = []byte{
	binary.SectionType, binary.SectionImport, binary.SectionFunction, binary.SectionTable, binary.SectionMemory,
	binary.SectionGlobal, binary.SectionExport, binary.SectionStart, binary.SectionElement, binary.SectionDataCount,
	binary.SectionCode, binary.SectionData,
}

// more appends entries to the content of a section that has some already, or none.
func more(content []byte, entries ...[]byte) []byte {
	n, size := stdbinary.Uvarint(content)
	size = max(size, 0)
	out := stdbinary.AppendUvarint(nil, n+uint64(len(entries)))
	out = append(out, content[size:]...)
	return append(out, slices.Concat(entries...)...)
}

func (r *rewriter) types() []byte {
	all := slices.Concat(r.m.Types, addedTypes, make([]binary.FuncType, len(r.blocks)))
	for results, index := range r.blocks {
		all[index].Results = []byte(results)
	}
	out := stdbinary.AppendUvarint(nil, uint64(len(all)))
	for _, t := range all {
		out = append(out, 0x60)
		for _, values := range [][]byte{t.Params, t.Results} {
			out = stdbinary.AppendUvarint(out, uint64(len(values)))
			out = append(out, values...)
		}
	}
	return out
}

// imports adds the host's functions as the last ones: the numbers of other imports stay.
func (r *rewriter) imports(s binary.Section) []byte {
	return more(s.Content, r.hostImport(Tick, typeTick), r.hostImport(Deep, typeDeep))
}

func (r *rewriter) hostImport(name string, added int) (entry []byte) {
	for _, text := range []string{Host, name} {
		entry = stdbinary.AppendUvarint(entry, uint64(len(text)))
		entry = append(entry, text...)
	}
	entry = append(entry, binary.KindFunction)
	return stdbinary.AppendUvarint(entry, uint64(len(r.m.Types)+added))
}

func (r *rewriter) functions() []byte {
	n := uint64(len(r.m.Types))
	out := stdbinary.AppendUvarint(nil, uint64(len(r.m.Functions)+3))
	for _, t := range r.m.Functions {
		out = stdbinary.AppendUvarint(out, uint64(t))
	}
	for _, t := range []uint64{typeCharge, typeBulk, typeBulk} {
		out = stdbinary.AppendUvarint(out, n+t)
	}
	return out
}

// maxTable bounds how far a table can grow, whatever it declares: the runtime keeps
// tables outside of the guest's memory.
const maxTable = 1 << 16

func (r *rewriter) tables() []byte {
	tables := slices.Clone(r.m.TableTypes)
	for i, t := range tables {
		bound := max(t.Min, maxTable)
		if !t.HasMax || t.Max > bound {
			tables[i].Max, tables[i].HasMax = bound, true
		}
	}
	if n := uint32(len(r.refs)); n > 0 {
		tables = append(tables, binary.Table{Type: binary.TypeFuncref, Limits: binary.Limits{Min: n, Max: n, HasMax: true}})
	}
	out := stdbinary.AppendUvarint(nil, uint64(len(tables)))
	for _, t := range tables {
		out = append(out, t.Type, 1)
		out = stdbinary.AppendUvarint(out, uint64(t.Min))
		out = stdbinary.AppendUvarint(out, uint64(t.Max))
	}
	return out
}

func (r *rewriter) globals(s binary.Section) []byte {
	var refs []binary.Reference
	for _, g := range r.m.Globals {
		if f, ok := g.Init.Function(); ok {
			refs = append(refs, f)
		}
	}
	left := code{binary.TypeI64, 1} // 1: mutable
	left.i64(int64(NewLeft(0, StackBytes)))
	left.ops(binary.OpEnd)
	return more(r.splice(s, refs), left)
}

// splice renumbers the functions that a section names.
func (r *rewriter) splice(s binary.Section, refs []binary.Reference) (out []byte) {
	at := uint32(s.Offset)
	for _, f := range refs {
		out = append(out, s.Content[at-uint32(s.Offset):f.Start-uint32(s.Offset)]...)
		out = stdbinary.AppendUvarint(out, uint64(r.layout.function(f.Function)))
		at = f.End
	}
	return append(out, s.Content[at-uint32(s.Offset):]...)
}

func (r *rewriter) exports(lifted *Lifted) []binary.Export {
	exports := slices.Clone(r.m.Exports)
	for i, e := range exports {
		if e.Kind == binary.KindFunction {
			exports[i].Index = r.layout.function(e.Index)
		}
	}
	exports = append(exports, binary.Export{Name: Global, Kind: binary.KindGlobal, Index: r.layout.global})
	if lifted == nil {
		return exports
	}
	for _, g := range lifted.globals {
		exports = append(exports, binary.Export{Name: globalName(g), Kind: binary.KindGlobal, Index: g})
	}
	if r.m.Start != nil {
		exports = append(exports, binary.Export{Name: Start, Kind: binary.KindFunction, Index: r.layout.function(*r.m.Start)})
	}
	return exports
}

func globalName(index uint32) string { return prefix + "global:" + strconv.Itoa(int(index)) }

// elements adds a segment that fills the table of references.
func (r *rewriter) elements(s binary.Section) (content []byte, some bool) {
	var refs []binary.Reference
	for _, e := range r.m.Elements {
		if f, ok := e.Offset.Function(); ok {
			refs = append(refs, f)
		}
		refs = append(refs, e.Functions...)
	}
	content = r.splice(s, refs)
	if len(r.refs) == 0 {
		return content, len(content) > 0
	}
	functions := make([]uint32, len(r.refs))
	for f, place := range r.refs {
		functions[place] = r.layout.function(f)
	}
	const activeInTable = 2
	segment := code(stdbinary.AppendUvarint([]byte{activeInTable}, uint64(r.layout.table)))
	segment.i32(0)
	segment.ops(binary.OpEnd, 0) // 0: of functions
	segment = stdbinary.AppendUvarint(segment, uint64(len(functions)))
	for _, f := range functions {
		segment = stdbinary.AppendUvarint(segment, uint64(f))
	}
	return more(content, segment), true
}

func (r *rewriter) code(s *source) ([]byte, error) {
	w := meter{rewriter: r}
	out := stdbinary.AppendUvarint(nil, uint64(len(r.m.Bodies)+3))
	add := func(body []byte) {
		out = stdbinary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	for i, b := range r.m.Bodies {
		w.moved = s.function(b)
		body, err := w.body(i)
		if err != nil {
			return nil, err
		}
		add(body)
		s.done(len(out)-len(body), len(out))
	}
	add(chargeBody(r.layout))
	if r.hasMemory() {
		add(fillBody(r.layout))
		add(copyBody(r.layout))
	} else { // nothing calls them
		add([]byte{0, binary.OpUnreachable, binary.OpEnd})
		add([]byte{0, binary.OpUnreachable, binary.OpEnd})
	}
	return out, nil
}

func (r *rewriter) hasMemory() bool {
	return r.m.Memories > 0 || slices.ContainsFunc(r.m.Imports, func(i binary.Import) bool { return i.Kind == binary.KindMemory })
}

// names keeps the names of functions, for the stack of a trap. Of other custom sections,
// which are about the code as it was, see source.
func (r *rewriter) names(custom []binary.Section) []binary.Section {
	for _, s := range custom {
		if content, ok := binary.ShiftNames(s.Content, r.layout.shift, addedImports); ok {
			return []binary.Section{{ID: binary.SectionCustom, Content: content}}
		}
	}
	return nil
}
