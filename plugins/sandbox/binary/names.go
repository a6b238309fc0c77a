package binary

// The parts of the name section that name something.
const (
	namesOfModule = iota
	namesOfFunctions
	namesOfLocals
)

// custom reads a custom section: its name, and if that is "name", all of it.
func (r *reader) custom() {
	if r.name() != "name" {
		r.at = len(r.data)
		return
	}
	for !r.done() {
		id := r.byte()
		part := r.part(r.uint32())
		if r.err != nil {
			return
		}
		switch id {
		case namesOfModule:
			part.text()
		case namesOfFunctions:
			part.functionNames(func(uint32, []byte) bool { return true })
		case namesOfLocals:
			part.localNames()
		default:
			continue
		}
		if part.err == nil && !part.done() {
			part.fail("part %d of the names holds more than it declares", id)
		}
		r.err = part.err
	}
}

// functionNames calls visit with each function's name until it returns false.
func (r *reader) functionNames(visit func(function uint32, name []byte) bool) {
	for range r.count() {
		function, name := r.uint32(), r.text()
		if r.err != nil || !visit(function, name) {
			return
		}
	}
}

func (r *reader) localNames() {
	for range r.count() {
		r.uint32()
		r.functionNames(func(uint32, []byte) bool { return true })
		if r.err != nil {
			return
		}
	}
}

// FunctionName returns the name that the module's name section gives a function,
// or "". It reads the section each time.
func (m *Module) FunctionName(function uint32) (found string) {
	for _, s := range m.Sections {
		r := &reader{data: s.Content}
		if s.ID != SectionCustom || r.name() != "name" {
			continue
		}
		for !r.done() {
			id := r.byte()
			part := r.part(r.uint32())
			if id != namesOfFunctions {
				continue
			}
			part.functionNames(func(f uint32, name []byte) bool {
				if f == function {
					found = string(name)
				}
				return f != function
			})
		}
	}
	return found
}
