package rewrite

import (
	"fmt"
	"strings"

	"thresher/plugins/sandbox/binary"
)

// own checks that a module names nothing but what is its own. What rewriting adds
// comes behind that: a number that is out of range before would be in range after,
// and a module could set the gas that it has left. What rewriting takes away or
// writes anew is checked here too, for nobody will see it any more.
type own struct {
	m         *binary.Module
	functions uint32
	tables    uint32
	globals   uint32
	declared  map[uint32]bool // functions that code may take a reference of
}

func checkOwn(m *binary.Module) error {
	o := own{m: m, functions: uint32(len(m.Functions)), tables: uint32(m.Tables), globals: uint32(len(m.Globals)), declared: map[uint32]bool{}}
	for _, check := range []func() error{o.imports, o.declarations, o.exports, o.globalValues, o.elements, o.start, o.bodies} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func wrong(offset int, format string, args ...any) error {
	return &binary.Error{Offset: offset, Detail: fmt.Sprintf(format, args...)}
}

// within checks an index.
func within(offset int, what string, index, n uint32) error {
	if index >= n {
		return wrong(offset, "there is no %s %d: it has %d", what, index, n)
	}
	return nil
}

func (o *own) imports() error {
	for _, i := range o.m.Imports {
		if strings.HasPrefix(i.Module, prefix) {
			return wrong(0, "it imports %s.%s: names that start with %q are taken", i.Module, i.Name, prefix)
		}
		switch i.Kind {
		case binary.KindFunction:
			o.functions++
			if err := within(0, "type", i.Type, uint32(len(o.m.Types))); err != nil {
				return err
			}
		case binary.KindTable:
			o.tables++
		case binary.KindGlobal:
			o.globals++
		}
	}
	return nil
}

const mostPages = 1 << 16 // of a memory

func (o *own) declarations() error {
	for _, t := range o.m.Functions {
		if err := within(0, "type", t, uint32(len(o.m.Types))); err != nil {
			return err
		}
	}
	for _, l := range o.m.MemoryTypes {
		if l.Min > mostPages || l.HasMax && (l.Max > mostPages || l.Max < l.Min) {
			return wrong(0, "a memory of %d to %d pages", l.Min, l.Max)
		}
	}
	return nil
}

func (o *own) exports() error {
	for _, e := range o.m.Exports {
		if strings.HasPrefix(e.Name, prefix) {
			return wrong(0, "it exports %q: names that start with %q are taken", e.Name, prefix)
		}
		var err error
		switch e.Kind {
		case binary.KindFunction:
			err = within(0, "function", e.Index, o.functions)
			o.declared[e.Index] = true
		case binary.KindTable:
			err = within(0, "table", e.Index, o.tables)
		case binary.KindGlobal:
			err = within(0, "global", e.Index, o.globals)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *own) globalValues() error {
	for _, g := range o.m.Globals {
		if err := o.constant(g.Init); err != nil {
			return err
		}
	}
	for _, d := range o.m.Data {
		if err := o.constant(d.Place); err != nil {
			return err
		}
	}
	return nil
}

// constant checks a constant expression.
func (o *own) constant(e binary.Expression) error {
	return e.Instructions(func(i binary.Instruction) error {
		switch i.Op {
		case binary.OpGlobalGet:
			return within(e.Offset, "global", i.Index, o.globals)
		case binary.OpRefFunc:
			o.declared[i.Index] = true
			return within(e.Offset, "function", i.Index, o.functions)
		}
		return nil
	})
}

func (o *own) elements() error {
	for _, e := range o.m.Elements {
		if e.Mode == binary.ElementActive {
			if err := within(e.Offset.Offset, "table", e.Table, o.tables); err != nil {
				return err
			}
		}
		if err := o.constant(e.Offset); err != nil {
			return err
		}
		for _, f := range e.Functions {
			o.declared[f.Function] = true
			if err := within(int(f.Start), "function", f.Function, o.functions); err != nil {
				return err
			}
		}
	}
	return nil
}

// start: where it is lifted out, nothing else would refuse one with parameters.
func (o *own) start() error {
	if o.m.Start == nil {
		return nil
	}
	if err := within(0, "function", *o.m.Start, o.functions); err != nil {
		return err
	}
	if t := o.m.Types[functionTypes(o.m)[*o.m.Start]]; len(t.Params)+len(t.Results) > 0 {
		return wrong(0, "its start function takes or returns something")
	}
	return nil
}

// functionTypes are the types of all functions, the imported ones first.
func functionTypes(m *binary.Module) (all []uint32) {
	for _, i := range m.Imports {
		if i.Kind == binary.KindFunction {
			all = append(all, i.Type)
		}
	}
	return append(all, m.Functions...)
}

func (o *own) bodies() error {
	for n, b := range o.m.Bodies {
		locals := uint64(len(o.m.Types[o.m.Functions[n]].Params))
		for _, l := range b.Locals {
			locals += uint64(l.Count)
		}
		if locals >= 1<<32-1 {
			return wrong(b.Offset, "a function with %d locals", locals)
		}
		depth := 1
		err := b.Instructions(func(i binary.Instruction) error {
			switch i.Op {
			case binary.OpBlock, binary.OpLoop, binary.OpIf:
				depth++
			case binary.OpEnd:
				depth--
			}
			if (depth == 0) != (i.End == len(b.Code)) {
				return wrong(b.Offset+i.Start, "a function ends before its code does, or does not end")
			}
			return o.instruction(b.Offset+i.Start, i, uint32(locals))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *own) instruction(at int, i binary.Instruction, locals uint32) error {
	types, segments := uint32(len(o.m.Types)), uint32(len(o.m.Elements))
	switch i.Op {
	case binary.OpBlock, binary.OpLoop, binary.OpIf:
		if i.Block >= 0 {
			return within(at, "type", uint32(i.Block), types)
		}
	case binary.OpLocalGet, binary.OpLocalSet, binary.OpLocalTee:
		return within(at, "local", i.Index, locals)
	case binary.OpGlobalGet, binary.OpGlobalSet:
		return within(at, "global", i.Index, o.globals)
	case binary.OpCall:
		return within(at, "function", i.Index, o.functions)
	case binary.OpRefFunc:
		if !o.declared[i.Index] {
			return wrong(at, "a reference of function %d, which is not declared", i.Index)
		}
		return within(at, "function", i.Index, o.functions)
	case binary.OpElemDrop:
		return within(at, "element segment", i.Index, segments)
	case binary.OpTableGet, binary.OpTableSet, binary.OpTableSize, binary.OpTableGrow, binary.OpTableFill:
		return within(at, "table", i.Index, o.tables)
	case binary.OpCallIndirect:
		return o.two(at, "type", i.Index, types, i.Second)
	case binary.OpTableInit:
		return o.two(at, "element segment", i.Index, segments, i.Second)
	case binary.OpTableCopy:
		return o.two(at, "table", i.Index, o.tables, i.Second)
	}
	return nil
}

// two checks an index, and that of a table.
func (o *own) two(at int, what string, index, n, table uint32) error {
	if err := within(at, what, index, n); err != nil {
		return err
	}
	return within(at, "table", table, o.tables)
}
