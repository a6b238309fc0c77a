package binary

import "bytes"

// The sections, by their number.
const (
	SectionCustom    = 0
	SectionImport    = 2
	SectionTable     = 4
	SectionMemory    = 5
	SectionGlobal    = 6
	SectionExport    = 7
	SectionStart     = 8
	SectionElement   = 9
	SectionCode      = 10
	SectionData      = 11
	SectionDataCount = 12
)

// Kinds of imports and exports.
const (
	KindFunction byte = iota
	KindTable
	KindMemory
	KindGlobal
)

// Types of values that are numbers.
const (
	TypeI32 byte = 0x7f
	TypeI64 byte = 0x7e
	TypeF32 byte = 0x7d
	TypeF64 byte = 0x7c
)

var header = []byte("\x00asm\x01\x00\x00\x00")

// Section is a section as it stands in the module.
type Section struct {
	ID      byte
	Content []byte
}

// Import is an import. Of its type only a global's is kept.
type Import struct {
	Module, Name string
	Kind         byte
	Global       Global // where it is one
}

// Global is a global's type.
type Global struct {
	Type    byte
	Mutable bool
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
	Constant bool   // the offset is a lone i32.const
	Offset   uint32 // where Constant
	Bytes    []byte // in the module
}

// Module is a parsed module. Its slices point into the bytes it was parsed from.
type Module struct {
	Sections []Section
	Imports  []Import
	Tables   int // own ones
	Memories int // own ones
	Globals  []Global
	Exports  []Export
	Start    *uint32
	Data     []Data
	Bodies   []Body // of each own function
}

// Body is the instructions of a function.
type Body struct {
	Offset int // in the module
	Code   []byte
}

// Parse reads a module. An error is an *[Error].
func Parse(wasm []byte) (*Module, error) {
	if !bytes.HasPrefix(wasm, header) {
		return nil, &Error{Detail: "it does not start with the WebAssembly magic and version 1"}
	}
	m := &Module{}
	r := &reader{data: wasm, at: len(header)}
	for !r.done() {
		id := r.byte()
		content := r.part(r.uint32())
		if r.err != nil {
			return nil, r.err
		}
		m.Sections = append(m.Sections, Section{ID: id, Content: content.data})
		if err := m.parse(id, content); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// parse reads what the section declares.
func (m *Module) parse(id byte, r *reader) error {
	switch id {
	case SectionImport:
		each(r, func() { m.Imports = append(m.Imports, r.imported()) })
	case SectionTable:
		m.Tables = int(r.uint32())
		return r.err
	case SectionMemory:
		m.Memories = int(r.uint32())
		return r.err
	case SectionGlobal:
		each(r, func() {
			m.Globals = append(m.Globals, r.global())
			r.constant()
		})
	case SectionExport:
		each(r, func() { m.Exports = append(m.Exports, Export{Name: r.name(), Kind: r.byte(), Index: r.uint32()}) })
	case SectionStart:
		start := r.uint32()
		m.Start = &start
	case SectionCode:
		each(r, func() { m.Bodies = append(m.Bodies, r.body()) })
	case SectionData:
		each(r, func() { m.Data = append(m.Data, r.segment()) })
	default:
		return nil // nothing in it is needed
	}
	if r.err == nil && !r.done() {
		r.fail("section %d holds more than it declares", id)
	}
	return r.err
}

func each(r *reader, read func()) {
	for range r.count() {
		if r.err != nil {
			return
		}
		read()
	}
}

func (r *reader) imported() Import {
	i := Import{Module: r.name(), Name: r.name(), Kind: r.byte()}
	switch i.Kind {
	case KindFunction:
		r.uint32()
	case KindTable:
		r.byte()
		r.limits()
	case KindMemory:
		r.limits()
	case KindGlobal:
		i.Global = r.global()
	default:
		r.fail("an import of kind %d", i.Kind)
	}
	return i
}

func (r *reader) limits() {
	flags := r.byte()
	r.uint32()
	if flags&1 != 0 {
		r.uint32()
	}
}

func (r *reader) global() Global { return Global{Type: r.byte(), Mutable: r.byte() == 1} }

// constant reads a constant expression, and its value if it is a lone i32.const.
func (r *reader) constant() (value uint32, ok bool) {
	for n := 0; r.err == nil; n++ {
		start := r.at
		switch op := r.instruction(); {
		case op == OpEnd:
			return value, ok && n == 1
		case op == OpI32Const && n == 0:
			value, ok = uint32((&reader{data: r.data, at: start + 1}).signed(32)), true
		}
	}
	return 0, false
}

// body reads a function: its locals are skipped, its instructions returned.
func (r *reader) body() Body {
	b := r.part(r.uint32())
	for range b.count() {
		b.uint32()
		b.byte()
	}
	if b.err != nil && r.err == nil {
		r.err = b.err
	}
	return Body{Offset: b.base + b.at, Code: b.data[b.at:]}
}

func (r *reader) segment() (d Data) {
	switch flags := r.uint32(); flags {
	case 0:
		d.Active = true
	case 1:
	case 2:
		d.Active = true
		r.uint32() // the memory: there is one
	default:
		r.fail("a data segment with flags %d", flags)
	}
	if d.Active {
		d.Offset, d.Constant = r.constant()
	}
	d.Bytes = r.bytes(r.uint32())
	return d
}
