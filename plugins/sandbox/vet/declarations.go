package vet

import (
	"maps"
	"slices"
	"strings"

	"thresher/plugins/sandbox/binary"
)

// declarations checks the sizes of what the module declares.
func (c *checker) declarations() error {
	m := c.module
	for _, t := range m.Types {
		if err := first(c.count(params, uint64(len(t.Params)), c.section(binary.SectionType)),
			c.count(results, uint64(len(t.Results)), c.section(binary.SectionType))); err != nil {
			return err
		}
	}
	for _, e := range m.Exports {
		if err := c.count(nameBytes, uint64(len(e.Name)), c.section(binary.SectionExport)); err != nil {
			return err
		}
	}
	if err := c.tables(); err != nil {
		return err
	}
	for _, memory := range m.MemoryTypes {
		if err := c.growing(memory, memoryMin, memoryMax, binary.SectionMemory); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) tables() error {
	entries := uint64(0)
	for _, t := range c.module.TableTypes {
		entries += uint64(t.Min)
		if err := c.count(tableEntries, entries, c.section(binary.SectionTable)); err != nil {
			return err
		}
		if err := c.growing(t.Limits, tableEntries, tableMax, binary.SectionTable); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) growing(l binary.Limits, least, most rule, section byte) error {
	if err := c.count(least, uint64(l.Min), c.section(section)); err != nil || !l.HasMax {
		return err
	}
	if l.Max < l.Min {
		return refuse("invalid_module", c.section(section), "a maximum of %d below the minimum of %d", l.Max, l.Min)
	}
	return c.count(most, uint64(l.Max), c.section(section))
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// section is the offset of a section's content.
func (c *checker) section(id byte) int { return c.offsets[id] }

// imports holds what the module imports against the list.
func (c *checker) imports() error {
	at := c.section(binary.SectionImport)
	var unknown []string
	for _, i := range c.module.Imports {
		name := clip(i.Module) + "." + clip(i.Name)
		if err := first(c.count(nameBytes, uint64(len(i.Module)), at), c.count(nameBytes, uint64(len(i.Name)), at)); err != nil {
			return err
		}
		if strings.HasPrefix(i.Module, c.policy.Module+"/") {
			return refuse("abi_version", at, "it imports %s: this server has version 1 of the contract, whose module is %q", name, c.policy.Module)
		}
		if i.Kind != binary.KindFunction {
			return refuse("import_unknown", at, "it imports %s, which is not a function: no guest may have it", name)
		}
		want, known := c.policy.Import(i.Module, i.Name)
		if !known {
			unknown = append(unknown, name)
			continue
		}
		if int(i.Type) >= len(c.module.Types) {
			return refuse("invalid_module", at, "it imports %s with type %d of %d", name, i.Type, len(c.module.Types))
		}
		if got := Signature(c.module.Types[i.Type]); got != Signature(want) {
			return refuse("import_signature", at, "it imports %s as %s: it is %s", name, got, Signature(want))
		}
	}
	if unknown != nil {
		return unknownImports(at, unknown)
	}
	return nil
}

// exports checks that the contract is kept.
func (c *checker) exports() error {
	at := c.section(binary.SectionExport)
	exported := map[string]binary.Export{}
	some := false
	for _, e := range c.module.Exports {
		exported[e.Name] = e
		_, contract := c.policy.Exports[e.Name]
		some = some || contract
	}
	required := c.policy.Exports
	if _, command := exported[c.policy.Command]; command && !some && c.hasManifest() {
		required = map[string]binary.FuncType{c.policy.Command: {}}
		some = true
	}
	if !some && len(c.policy.Exports) > 0 {
		return refuse("abi_unknown", at, "it exports no function of the contract: %s", c.looksLike(exported))
	}
	if e, ok := exported[c.policy.Memory]; c.policy.Memory != "" && (!ok || e.Kind != binary.KindMemory) {
		return refuse("export_missing", at, "it exports no memory named %q", c.policy.Memory)
	}
	for _, name := range slices.Sorted(maps.Keys(required)) {
		want := required[name]
		e, ok := exported[name]
		if !ok || e.Kind != binary.KindFunction {
			return refuse("export_missing", at, "it exports no function %s %s", name, Signature(want))
		}
		t, ok := c.typeOf(e.Index)
		if !ok {
			return refuse("invalid_module", at, "it exports %s as function %d, which is not there", name, e.Index)
		}
		if got := Signature(t); got != Signature(want) {
			return refuse("export_signature", at, "it exports %s as %s: want %s", name, got, Signature(want))
		}
	}
	return nil
}

// looksLike guesses what the module was built for.
func (c *checker) looksLike(exported map[string]binary.Export) string {
	if _, command := exported["_start"]; command {
		return "it is a WASI program (it exports _start) without a manifest: put one into a file of its name that ends in .json, beside it (docs/wasi.md)"
	}
	return "build it on an SDK"
}

func (c *checker) hasManifest() bool {
	return slices.ContainsFunc(c.module.Sections, func(s binary.Section) bool {
		name, _ := s.Custom()
		return name == c.policy.Manifest && name != ""
	})
}

// typeOf returns the type of a function by its index.
func (c *checker) typeOf(function uint32) (binary.FuncType, bool) {
	if int(function) >= len(c.functions) || int(c.functions[function]) >= len(c.module.Types) {
		return binary.FuncType{}, false
	}
	return c.module.Types[c.functions[function]], true
}

// Signature writes a type as (i32,i32)i64.
func Signature(t binary.FuncType) string {
	var b strings.Builder
	b.WriteByte('(')
	for i, p := range t.Params {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(valueTypes[p])
	}
	b.WriteByte(')')
	for _, r := range t.Results {
		b.WriteString(valueTypes[r])
	}
	return b.String()
}

var valueTypes = map[byte]string{
	binary.TypeI32: "i32", binary.TypeI64: "i64", binary.TypeF32: "f32", binary.TypeF64: "f64",
	binary.TypeV128: "v128", binary.TypeFuncref: "funcref", binary.TypeExternref: "externref",
}

func clip(s string) string {
	if len(s) > maxName {
		return strings.ToValidUTF8(s[:maxName], "") + "…"
	}
	return s
}
