// Package rewrite changes modules so that the host can do more with them. What it
// returns is a valid module if it was given one, and computes the same.
//
// It does not decide whether a module may be run: see package sandbox.
package rewrite

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"thresher/plugins/sandbox/binary"
)

// prefix starts the names of the exports that Lift adds.
const prefix = "thresher:"

// Lifted is a module whose initialisation was lifted out, so that its state can be
// taken once and given to every instance: its memory and the globals named here
// are all the state it has.
type Lifted struct {
	Wasm    []byte        // without data segments and start function
	Data    []binary.Data // to be written to the memory first
	Start   string        // then to be called, where it is not empty
	Globals []string      // exported mutable globals: the state beside the memory
}

// Lift lifts a module's initialisation out of it. An error is an *[Unliftable] or
// a *[binary.Error].
func Lift(m *binary.Module) (Lifted, error) {
	if err := liftable(m); err != nil {
		return Lifted{}, err
	}
	l := Lifted{Data: m.Data}
	exports := slices.Clone(m.Exports)
	for i, g := range m.Globals {
		if g.Mutable {
			name := prefix + "global:" + strconv.Itoa(i)
			l.Globals = append(l.Globals, name)
			exports = append(exports, binary.Export{Name: name, Kind: binary.KindGlobal, Index: uint32(i)})
		}
	}
	if m.Start != nil {
		l.Start = prefix + "start"
		exports = append(exports, binary.Export{Name: l.Start, Kind: binary.KindFunction, Index: *m.Start})
	}
	var sections []binary.Section
	for _, s := range m.Sections {
		switch s.ID {
		case binary.SectionStart, binary.SectionData, binary.SectionDataCount:
			continue
		case binary.SectionExport:
			s.Content = binary.EncodeExports(exports)
		}
		sections = append(sections, s)
	}
	l.Wasm = binary.Encode(sections)
	return l, nil
}

// Unliftable says why a module's state cannot be taken.
type Unliftable struct{ Reason string }

func (u *Unliftable) Error() string { return u.Reason }

func unliftable(format string, args ...any) error {
	return &Unliftable{Reason: fmt.Sprintf(format, args...)}
}

// liftable refuses modules with state beside one memory and globals that are numbers.
func liftable(m *binary.Module) error {
	if m.Memories != 1 {
		return unliftable("it has %d memories of its own", m.Memories)
	}
	for _, i := range m.Imports {
		if i.Kind != binary.KindFunction {
			return unliftable("it imports %s.%s, which is not a function", i.Module, i.Name)
		}
	}
	for i, g := range m.Globals {
		if g.Mutable && (g.Type < binary.TypeF64 || g.Type > binary.TypeI32) {
			return unliftable("global %d changes and is not a number", i)
		}
	}
	for i, d := range m.Data {
		if !d.Active || !d.Constant {
			return unliftable("data segment %d has no constant place", i)
		}
	}
	if len(m.Exports) == 0 {
		return unliftable("it exports nothing")
	}
	for _, e := range m.Exports {
		if strings.HasPrefix(e.Name, prefix) {
			return unliftable("it exports %q: names that start with %q are taken", e.Name, prefix)
		}
	}
	for _, body := range m.Bodies {
		if err := stateless(body); err != nil {
			return err
		}
	}
	return nil
}

// changesState are the instructions that change what is neither memory nor global.
var changesState = map[uint32]string{
	binary.OpTableSet:   "table.set",
	binary.OpTableInit:  "table.init",
	binary.OpTableCopy:  "table.copy",
	binary.OpTableGrow:  "table.grow",
	binary.OpTableFill:  "table.fill",
	binary.OpElemDrop:   "elem.drop",
	binary.OpMemoryInit: "memory.init",
	binary.OpDataDrop:   "data.drop",
}

func stateless(body binary.Body) error {
	return body.Instructions(func(i binary.Instruction) error {
		if name, found := changesState[i.Op]; found {
			return unliftable("%s at offset %d changes a table or a segment", name, body.Offset+i.Start)
		}
		return nil
	})
}
