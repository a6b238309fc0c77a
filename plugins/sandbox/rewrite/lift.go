package rewrite

import (
	"fmt"

	"thresher/plugins/sandbox/binary"
)

// Lifted is the initialisation of a module, taken out of it, so that its state can
// be taken once and given to every instance: its memory and the globals named here
// are all the state it has. Data segments are to be written to the memory, and then
// Start called, where the module exports it.
type Lifted struct {
	Data    []binary.Data
	Globals []string // exported mutable globals: the state beside the memory

	globals []uint32
}

func lift(m *binary.Module) *Lifted {
	l := &Lifted{Data: m.Data}
	for i, g := range m.Globals {
		if g.Mutable {
			l.globals = append(l.globals, uint32(i)) // a lifted module imports none
			l.Globals = append(l.Globals, globalName(uint32(i)))
		}
	}
	return l
}

// unliftable says why a module's state cannot be taken.
type unliftable struct{ reason string }

func (u *unliftable) Error() string { return u.reason }

func notLiftable(format string, args ...any) error {
	return &unliftable{reason: fmt.Sprintf(format, args...)}
}

// liftable returns an *[unliftable] for modules with state beside one memory and
// globals that are numbers.
func liftable(m *binary.Module) error {
	if m.Memories != 1 {
		return notLiftable("it has %d memories of its own", m.Memories)
	}
	for _, i := range m.Imports {
		if i.Kind != binary.KindFunction {
			return notLiftable("it imports %s.%s, which is not a function", i.Module, i.Name)
		}
	}
	for i, g := range m.Globals {
		if g.Mutable && (g.Type < binary.TypeF64 || g.Type > binary.TypeI32) {
			return notLiftable("global %d changes and is not a number", i)
		}
	}
	for i, d := range m.Data {
		if !d.Active || !d.Constant {
			return notLiftable("data segment %d has no constant place", i)
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
			return notLiftable("%s at offset %d changes a table or a segment", name, body.Offset+i.Start)
		}
		return nil
	})
}
