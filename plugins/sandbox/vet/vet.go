// Package vet decides whether a module may go on to be compiled: it is the only
// code that sees a module before it was found harmless. It checks the header, every
// count and size against a limit, the structure and the indices of all code, what
// is imported against a list, and the exports of the contract.
//
// It takes time linear in the module's size, and memory that the limits bound. It
// does not check types of operands: that is the runtime's, which takes no harm from
// what the limits let pass. Its functions may be called concurrently.
package vet

import (
	"bytes"
	"errors"

	"thresher/plugins/sandbox/binary"
)

// Policy is what a module is held against.
type Policy struct {
	Limits Limits
	// Import returns the type of a function that a guest may import.
	Import func(module, name string) (binary.FuncType, bool)
	// The contract: the name of the memory, and the functions that must be exported.
	// A module that exports none of these functions is of another contract.
	Memory  string
	Exports map[string]binary.FuncType
	// Command is the function that a command exports instead, a program with its manifest
	// in a custom section of that name. Empty: there are no commands.
	Command, Manifest string
	// Module is the name that the contract's functions are imported from. One that
	// begins with it and a slash is another version's.
	Module string
}

// Report is what was found in a module that passed.
type Report struct {
	Module  *binary.Module
	Figures []Figure // the largest of each limited thing
}

// Figure is the most that was found of something, and its limit.
type Figure struct {
	Name  string `json:"name"`
	Found uint64 `json:"found"`
	Limit int    `json:"limit"` // -1: none
}

var (
	coreHeader      = []byte("\x00asm\x01\x00\x00\x00")
	componentHeader = []byte("\x00asm\x0d\x00\x01\x00")
)

// Check vets a module. An error is a *[Refusal].
func Check(wasm []byte, p Policy) (Report, error) {
	c := &checker{policy: p, limits: p.Limits.withDefaults()}
	err := c.check(wasm)
	if err != nil {
		return Report{}, c.refusal(err)
	}
	return Report{Module: c.module, Figures: c.figures()}, nil
}

// checker is the state of one check.
type checker struct {
	policy Policy
	limits Limits
	found  [numRules]uint64
	module *binary.Module

	offsets   [binary.SectionDataCount + 1]int // of the sections' contents
	functions []uint32                         // the type of each, imported ones first
	mutable   uint64                           // globals that change
}

func (c *checker) check(wasm []byte) error {
	if err := c.count(moduleBytes, uint64(len(wasm)), 0); err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(wasm, componentHeader):
		return refuse("component_binary", 4, "this is a component: build a core module (for Go: GOOS=wasip1 GOARCH=wasm -buildmode=c-shared)")
	case !bytes.HasPrefix(wasm, coreHeader):
		return refuse("not_wasm", 0, "the file does not start with the WebAssembly magic and version 1")
	}
	var err error
	if c.module, err = binary.ParseChecked(wasm, c.counted); err != nil {
		return err
	}
	c.index()
	for _, step := range []func() error{c.declarations, c.imports, c.exports, c.indices, c.bodies} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// counted is told how many entries a section has, before they are read.
func (c *checker) counted(what binary.Count, n uint64, offset int) error {
	if what == binary.CountMemories {
		if n > 1 {
			return &binary.Error{Offset: offset, Feature: binary.FeatureMultiMemory, Detail: "more than one memory needs multi_memory"}
		}
		return nil
	}
	return c.count(counts[what], n, offset)
}

// count notes how many there are of something, and holds it against its limit.
func (c *checker) count(r rule, n uint64, offset int) error {
	c.found[r] = max(c.found[r], n)
	limit := *rules[r].pointer(&c.limits)
	if limit < 0 || n <= uint64(limit) {
		return nil
	}
	return &Refusal{Code: r.code(), Rule: rules[r].name, Function: -1, Offset: offset, Found: n, Limit: uint64(limit),
		Detail: rules[r].what}
}

func (c *checker) figures() []Figure {
	all := make([]Figure, numRules)
	for i := range rules {
		all[i] = Figure{Name: rules[i].name, Found: c.found[i], Limit: *rules[i].pointer(&c.limits)}
	}
	return all
}

// refusal makes an error one, and adds a function's name.
func (c *checker) refusal(err error) *Refusal {
	r, _ := c.refusalOf(err)
	if r.Function >= 0 {
		r.Name = c.module.FunctionName(uint32(r.Function))
	}
	return r
}

func (c *checker) refusalOf(err error) (*Refusal, bool) {
	var r *Refusal
	if errors.As(err, &r) {
		return r, true
	}
	var bad *binary.Error
	if !errors.As(err, &bad) {
		return nil, false
	}
	r = refuse("invalid_module", bad.Offset, "%s", bad.Detail)
	if bad.Feature != "" {
		r.Code = "feature_" + string(bad.Feature)
	} else if bad.Unknown {
		r.Code = "instruction_unknown"
	}
	return r, true
}
