package vet

import "thresher/plugins/sandbox/binary"

// index notes what is looked up often. The only imports that pass are functions, so
// that everything else is numbered as the module declares it.
func (c *checker) index() {
	for _, s := range c.module.Sections {
		c.offsets[s.ID] = s.Offset
	}
	for _, i := range c.module.Imports {
		if i.Kind == binary.KindFunction {
			c.functions = append(c.functions, i.Type)
		}
	}
	c.functions = append(c.functions, c.module.Functions...)
	for _, g := range c.module.Globals {
		if g.Mutable {
			c.mutable++
		}
	}
}

// indices checks what sections other than the code refer to.
func (c *checker) indices() error {
	m := c.module
	for _, t := range m.Functions {
		if int(t) >= len(m.Types) {
			return refuse("invalid_module", c.section(binary.SectionFunction), "a function of type %d of %d", t, len(m.Types))
		}
	}
	for _, e := range m.Exports {
		if all := c.number(e.Kind); int(e.Index) >= all {
			return refuse("invalid_module", c.section(binary.SectionExport), "it exports %s as number %d of %d", clip(e.Name), e.Index, all)
		}
	}
	if m.Start != nil && int(*m.Start) >= len(c.functions) {
		return refuse("invalid_module", c.section(binary.SectionStart), "it starts with function %d of %d", *m.Start, len(c.functions))
	}
	for _, g := range m.Globals {
		if err := c.constant(g.Init); err != nil {
			return err
		}
	}
	return c.elements()
}

func (c *checker) number(kind byte) int {
	switch kind {
	case binary.KindFunction:
		return len(c.functions)
	case binary.KindTable:
		return len(c.module.TableTypes)
	case binary.KindMemory:
		return len(c.module.MemoryTypes)
	}
	return len(c.module.Globals)
}

// constant checks a constant expression. There is no imported global that it could read.
func (c *checker) constant(e binary.Expression) error {
	return e.Instructions(func(i binary.Instruction) error {
		switch {
		case i.Op == binary.OpGlobalGet:
			return refuse("invalid_module", e.Offset, "a constant reads global %d, which is not imported", i.Index)
		case i.Op == binary.OpRefFunc && int(i.Index) >= len(c.functions):
			return refuse("invalid_module", e.Offset, "a constant refers to function %d of %d", i.Index, len(c.functions))
		}
		return nil
	})
}

func (c *checker) elements() error {
	for _, e := range c.module.Elements {
		at := c.section(binary.SectionElement)
		if e.Mode == binary.ElementActive {
			if int(e.Table) >= len(c.module.TableTypes) {
				return refuse("invalid_module", at, "an element segment for table %d of %d", e.Table, len(c.module.TableTypes))
			}
			if err := c.constant(e.Offset); err != nil {
				return err
			}
		}
		for _, f := range e.Functions {
			if int(f.Function) >= len(c.functions) {
				return refuse("invalid_module", int(f.Start), "an element is function %d of %d", f.Function, len(c.functions))
			}
		}
	}
	return nil
}
