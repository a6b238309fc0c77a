package binary

// Modes of element segments.
const (
	ElementActive byte = iota
	ElementPassive
	ElementDeclared
)

// Element is an element segment. Its entries are function indices, or constant
// expressions of its type.
type Element struct {
	Mode      byte
	Table     uint32     // where active
	Offset    Expression // where active
	Type      byte       // of its entries
	Count     uint32     // of its entries
	Functions []Reference
}

// Reference is a place in the module that names a function.
type Reference struct {
	Start, End uint32 // offsets in the module of the number's first byte, and behind its last
	Function   uint32
}

// The bits of an element segment's flags.
const (
	elementNotActive   = 1
	elementExplicit    = 2 // active: the table is given; else: declared
	elementExpressions = 4
)

func (r *reader) element() (e Element) {
	at := r.at
	flags := r.uint32()
	if flags > 7 {
		r.at = at
		r.fail("an element segment with flags %d", flags)
		return e
	}
	switch {
	case flags&elementNotActive == 0:
		if flags&elementExplicit != 0 {
			e.Table = r.uint32()
		}
		e.Offset = r.constant()
	case flags&elementExplicit != 0:
		e.Mode = ElementDeclared
	default:
		e.Mode = ElementPassive
	}
	e.Type = TypeFuncref
	if flags&(elementNotActive|elementExplicit) != 0 {
		e.Type = r.elementType(flags)
	}
	r.entries(&e, flags&elementExpressions != 0)
	return e
}

// elementType reads the type that is written out: of expressions a reference type,
// of function indices a kind.
func (r *reader) elementType(flags uint32) byte {
	if flags&elementExpressions != 0 {
		return r.referenceType()
	}
	at := r.at
	if kind := r.byte(); kind != 0 {
		r.at = at
		r.fail("an element segment of kind %d", kind)
	}
	return TypeFuncref
}

func (r *reader) entries(e *Element, expressions bool) {
	at := r.at
	e.Count = r.count()
	r.elements += uint64(e.Count)
	r.counted(CountElementEntries, r.elements, at)
	for range e.Count {
		if r.err != nil {
			return
		}
		if !expressions {
			e.Functions = append(e.Functions, r.reference())
		} else if f, ok := r.constant().Function(); ok {
			e.Functions = append(e.Functions, f)
		}
	}
}

func (r *reader) reference() Reference {
	start := uint32(r.base + r.at)
	function := r.uint32()
	return Reference{Start: start, End: uint32(r.base + r.at), Function: function}
}
