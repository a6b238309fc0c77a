package binary

import (
	"bytes"
	"fmt"
)

// The sections, by their number.
const (
	SectionCustom    = 0
	SectionType      = 1
	SectionImport    = 2
	SectionFunction  = 3
	SectionTable     = 4
	SectionMemory    = 5
	SectionGlobal    = 6
	SectionExport    = 7
	SectionStart     = 8
	SectionElement   = 9
	SectionCode      = 10
	SectionData      = 11
	SectionDataCount = 12
	sectionTag       = 13
)

// Kinds of imports and exports.
const (
	KindFunction byte = iota
	KindTable
	KindMemory
	KindGlobal
	kindTag
)

// Types of values.
const (
	TypeI32       byte = 0x7f
	TypeI64       byte = 0x7e
	TypeF32       byte = 0x7d
	TypeF64       byte = 0x7c
	TypeV128      byte = 0x7b
	TypeFuncref   byte = 0x70
	TypeExternref byte = 0x6f
)

var header = []byte("\x00asm\x01\x00\x00\x00")

// Section is a section as it stands in the module.
type Section struct {
	ID      byte
	Offset  int // of the content, in the module
	Content []byte
}

// FuncType is a function's type: a byte for each value.
type FuncType struct{ Params, Results []byte }

// Import is an import, with the type of what it is.
type Import struct {
	Module, Name string
	Kind         byte
	Type         uint32 // of a function: its index
	Table        Table
	Memory       Limits
	Global       Global
}

// Limits are a memory's in pages, or a table's in entries.
type Limits struct {
	Min, Max uint32
	HasMax   bool
}

// Table is a table's type.
type Table struct {
	Type byte
	Limits
}

// Global is a global's type, and of an own one its value at first.
type Global struct {
	Type    byte
	Mutable bool
	Init    Expression
}

// Export is an export.
type Export struct {
	Name  string
	Kind  byte
	Index uint32
}

// Data is a data segment.
type Data struct {
	Active   bool
	Constant bool       // the offset is a lone i32.const
	Offset   uint32     // where Constant
	Place    Expression // where Active
	Bytes    []byte     // in the module
	Start    int        // of Bytes, in the module
}

// Module is a parsed module. Its slices point into the bytes it was parsed from.
type Module struct {
	Sections          []Section
	Types             []FuncType
	Imports           []Import
	ImportedFunctions int      // so many functions come before the own ones
	Functions         []uint32 // the type of each own function
	Tables            int      // own ones
	TableTypes        []Table
	Memories          int // own ones
	MemoryTypes       []Limits
	Globals           []Global
	Exports           []Export
	Start             *uint32
	Elements          []Element
	DataCount         *uint32
	Data              []Data
	Bodies            []Body // of each own function

	lastSection byte // that is not a custom one
}

// Local declares so many locals of a type.
type Local struct {
	Count uint32
	Type  byte
}

// Body is the locals and the instructions of a function.
type Body struct {
	Offset int // of Code, in the module
	Locals []Local
	Code   []byte
}

// Parse reads a module. An error is an *[Error].
func Parse(wasm []byte) (*Module, error) { return ParseChecked(wasm, nil) }

// Check is told how many entries follow, before anything is made of them; offset
// is that of the number in the module. An error of it ends the parsing, and is
// returned as it is.
type Check func(what Count, n uint64, offset int) error

// Count is what is counted.
type Count string

// What a [Check] is told.
const (
	CountTypes          Count = "types"
	CountImports        Count = "imports"
	CountFunctions      Count = "functions"
	CountTables         Count = "tables"
	CountMemories       Count = "memories"
	CountGlobals        Count = "globals"
	CountExports        Count = "exports"
	CountElements       Count = "element_segments"
	CountElementEntries Count = "element_entries" // of all segments so far
	CountData           Count = "data_segments"
	CountLocals         Count = "locals"          // groups of one function's
	CountCustom         Count = "custom_sections" // so far
)

// ParseChecked reads a module that may declare so much as check lets it. An error
// is an *[Error] or check's.
func ParseChecked(wasm []byte, check Check) (*Module, error) {
	if !bytes.HasPrefix(wasm, header) {
		return nil, &Error{Detail: "it does not start with the WebAssembly magic and version 1"}
	}
	m := &Module{}
	r := &reader{data: wasm, at: len(header), check: check}
	custom := uint64(0)
	for !r.done() {
		start := r.at
		id := r.byte()
		content := r.part(r.uint32())
		if id == SectionCustom {
			custom++
			r.counted(CountCustom, custom, start)
		}
		if r.err == nil && !m.follows(id) {
			r.failAt(start, "", "section %d does not come after section %d", id, m.lastSection)
		}
		if r.err != nil {
			return nil, r.err
		}
		m.Sections = append(m.Sections, Section{ID: id, Offset: content.base, Content: content.data})
		if err := m.parse(id, content); err != nil {
			return nil, err
		}
	}
	return m, m.consistent(len(wasm))
}

// follows reports whether a section may come now. Each comes once, in the order of
// their numbers but for the data count, which comes before the code.
func (m *Module) follows(id byte) bool {
	if id == SectionCustom {
		return true
	}
	if place(id) <= place(m.lastSection) {
		return false
	}
	m.lastSection = id
	return true
}

// place is where a section stands among the others.
func place(id byte) int {
	switch id {
	case SectionDataCount:
		return 2*SectionCode - 1
	case sectionTag:
		return 2*SectionMemory + 1
	}
	return 2 * int(id)
}

// consistent checks what two sections say of one thing.
func (m *Module) consistent(end int) error {
	if len(m.Functions) != len(m.Bodies) {
		return &Error{Offset: end, Detail: fmt.Sprintf("%d functions are declared, %d defined", len(m.Functions), len(m.Bodies))}
	}
	if m.DataCount != nil && int(*m.DataCount) != len(m.Data) {
		return &Error{Offset: end, Detail: fmt.Sprintf("%d data segments are counted, %d defined", *m.DataCount, len(m.Data))}
	}
	return nil
}

// parse reads what the section declares.
func (m *Module) parse(id byte, r *reader) error {
	switch id {
	case SectionCustom:
		r.custom()
	case SectionType:
		m.Types = list(r, CountTypes, r.funcType)
	case SectionImport:
		m.Imports = list(r, CountImports, r.imported)
		for _, i := range m.Imports {
			if i.Kind == KindFunction {
				m.ImportedFunctions++
			}
		}
	case SectionFunction:
		m.Functions = list(r, CountFunctions, r.uint32)
	case SectionTable:
		m.TableTypes = list(r, CountTables, r.table)
		m.Tables = len(m.TableTypes)
	case SectionMemory:
		m.MemoryTypes = list(r, CountMemories, r.limits)
		m.Memories = len(m.MemoryTypes)
	case SectionGlobal:
		m.Globals = list(r, CountGlobals, r.ownGlobal)
	case SectionExport:
		m.Exports = list(r, CountExports, r.export)
	case SectionStart:
		start := r.uint32()
		m.Start = &start
	case SectionElement:
		m.Elements = list(r, CountElements, r.element)
	case SectionDataCount:
		n := r.uint32()
		m.DataCount = &n
	case SectionCode:
		m.Bodies = list(r, CountFunctions, r.body)
	case SectionData:
		m.Data = list(r, CountData, r.segment)
	case sectionTag:
		r.needs(FeatureExceptions, "a tag section")
	default:
		r.fail("section %d is not known", id)
	}
	if r.err == nil && !r.done() {
		r.fail("section %d holds more than it declares", id)
	}
	return r.err
}

// list reads as many entries as the section says it has.
func list[T any](r *reader, what Count, read func() T) []T {
	at := r.at
	n := r.count()
	r.counted(what, uint64(n), at)
	var all []T
	for range n {
		entry := read()
		if r.err != nil {
			return nil
		}
		all = append(all, entry)
	}
	return all
}

func (r *reader) funcType() FuncType {
	at := r.at
	switch form := r.byte(); form {
	case 0x60:
	case 0x4d, 0x4e, 0x4f, 0x50, 0x5e, 0x5f:
		r.at = at
		r.needs(FeatureGC, "type %#x", form)
	default:
		r.at = at
		r.fail("type %#x is not known", form)
	}
	return FuncType{Params: r.valueTypes(), Results: r.valueTypes()}
}

func (r *reader) valueTypes() []byte {
	n := r.count()
	start := r.at
	for range n {
		if r.valueType(); r.err != nil {
			return nil
		}
	}
	return r.data[start:r.at]
}

// valueType reads the type of a value.
func (r *reader) valueType() byte {
	at := r.at
	switch t := r.byte(); {
	case TypeV128 <= t && t <= TypeI32, t == TypeFuncref, t == TypeExternref:
		return t
	case r.err != nil:
	case t == 0x69 || t == 0x74: // exnref, nullexnref
		r.at = at
		r.needs(FeatureExceptions, "value type %#x", t)
	case t == 0x63 || t == 0x64: // (ref null …), (ref …)
		r.at = at
		r.needs(FeatureFunctionReferences, "value type %#x", t)
	case 0x6a <= t && t <= 0x73, t == 0x77, t == 0x78:
		r.at = at
		r.needs(FeatureGC, "value type %#x", t)
	default:
		r.at = at
		r.fail("value type %#x is not known", t)
	}
	return 0
}

// referenceType reads the type of a table's or a segment's entries.
func (r *reader) referenceType() byte {
	at := r.at
	t := r.valueType()
	if r.err == nil && t != TypeFuncref && t != TypeExternref {
		r.at = at
		r.fail("type %#x is not a reference", t)
	}
	return t
}

func (r *reader) imported() Import {
	i := Import{Module: r.name(), Name: r.name()}
	at := r.at
	switch i.Kind = r.byte(); i.Kind {
	case KindFunction:
		i.Type = r.uint32()
	case KindTable:
		i.Table = r.table()
	case KindMemory:
		i.Memory = r.limits()
	case KindGlobal:
		i.Global = r.global()
	case kindTag:
		r.needs(FeatureExceptions, "an import of a tag")
	default:
		r.at = at
		r.fail("an import of kind %d", i.Kind)
	}
	return i
}

func (r *reader) table() Table {
	if r.peek() == 0x40 {
		r.needs(FeatureFunctionReferences, "a table with an initial value")
	}
	return Table{Type: r.referenceType(), Limits: r.limits()}
}

func (r *reader) limits() (l Limits) {
	at := r.at
	flags := r.byte()
	switch {
	case flags <= 1:
	case flags <= 3:
		r.at = at
		r.needs(FeatureThreads, "shared memory")
	case flags <= 7:
		r.at = at
		r.needs(FeatureMemory64, "64-bit limits")
	default:
		r.at = at
		r.fail("limits with flags %#x", flags)
	}
	l.Min = r.uint32()
	if l.HasMax = flags&1 != 0; l.HasMax {
		l.Max = r.uint32()
	}
	return l
}

func (r *reader) global() Global {
	g := Global{Type: r.valueType()}
	at := r.at
	switch mutable := r.byte(); {
	case mutable <= 1:
		g.Mutable = mutable == 1
	case mutable <= 3:
		r.at = at
		r.needs(FeatureThreads, "a shared global")
	default:
		r.at = at
		r.fail("a global with mutability %d", mutable)
	}
	return g
}

func (r *reader) ownGlobal() Global {
	g := r.global()
	g.Init = r.constant()
	return g
}

func (r *reader) export() Export {
	e := Export{Name: r.name()}
	at := r.at
	switch e.Kind = r.byte(); {
	case e.Kind == kindTag:
		r.at = at
		r.needs(FeatureExceptions, "an export of a tag")
	case e.Kind > kindTag:
		r.at = at
		r.fail("an export of kind %d", e.Kind)
	}
	e.Index = r.uint32()
	return e
}

// body reads a function.
func (r *reader) body() (b Body) {
	p := r.part(r.uint32())
	if r.err != nil {
		return b
	}
	at := p.at
	groups := p.count()
	p.counted(CountLocals, uint64(groups), at)
	for range groups {
		b.Locals = append(b.Locals, Local{Count: p.uint32(), Type: p.valueType()})
		if p.err != nil {
			break
		}
	}
	if p.err == nil && (p.done() || p.data[len(p.data)-1] != OpEnd) {
		p.at = len(p.data)
		p.fail("a function does not end with end")
	}
	if r.err = p.err; r.err != nil {
		return b
	}
	b.Offset, b.Code = p.base+p.at, p.data[p.at:]
	return b
}

func (r *reader) segment() (d Data) {
	at := r.at
	switch flags := r.uint32(); flags {
	case 0:
		d.Active = true
	case 1:
	case 2:
		d.Active = true
		at := r.at
		if memory := r.uint32(); memory != 0 {
			r.at = at
			r.needs(FeatureMultiMemory, "a data segment for memory %d", memory)
		}
	default:
		r.at = at
		r.fail("a data segment with flags %d", flags)
	}
	if d.Active {
		d.Place = r.constant()
		d.Offset, d.Constant = d.Place.i32()
	}
	n := r.uint32()
	d.Start = r.base + r.at
	d.Bytes = r.bytes(n)
	return d
}
