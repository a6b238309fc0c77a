package vet

import (
	"fmt"
	"strconv"
	"strings"

	"thresher/plugins/sandbox/binary"
)

// Limits bound what a module may declare and hold. In each field 0 stands for the
// default, -1 for no limit. docs/performance.md has the measurements behind the
// defaults.
type Limits struct {
	ModuleBytes    int
	CustomSections int
	NameBytes      int // of an import's or an export's name
	Types          int
	Params         int // of a function or block
	Results        int // of a function or block
	Imports        int
	Functions      int // own ones
	Tables         int
	TableEntries   int // that all tables have at first
	TableMax       int // entries that a table declares it may grow to
	MemoryMin      int // pages of 64 KiB
	MemoryMax      int // pages that the memory declares it may grow to
	Globals        int
	Exports        int
	Elements       int // segments
	ElementEntries int // of all segments
	Data           int // segments

	// Of each function:
	BodyBytes int
	Locals    int // params included
	Nesting   int // of blocks, loops and ifs
	LoopNests int // of loops alone
	BrTable   int // targets of one br_table
	BrTargets int // targets of all br_tables
	Blocks    int // places where control meets or parts
	Spans     int // blocks that locals and operands live through, summed
	Walks     int // blocks that lead to a branch, summed over the branches
	Bounds    int // checked addresses that are known in a block, summed over the blocks
	Effort    int // instructions, and the values that they move at once
}

// rule is one of the limits.
type rule int

const (
	moduleBytes rule = iota
	customSections
	nameBytes
	types
	params
	results
	imports
	functions
	tables
	tableEntries
	tableMax
	memoryMin
	memoryMax
	globals
	exports
	elements
	elementEntries
	dataSegments
	bodyBytes
	locals
	nesting
	loopNests
	brTable
	brTargets
	blocks
	spans
	walks
	bounds
	effort
	numRules
)

// rules name the limits, with their defaults.
var rules = [numRules]struct {
	name    string
	what    string // there are so many of
	normal  int
	pointer func(*Limits) *int
}{
	moduleBytes:    {"module_bytes", "bytes of module", 32 << 20, func(l *Limits) *int { return &l.ModuleBytes }},
	customSections: {"custom_sections", "custom sections", 100, func(l *Limits) *int { return &l.CustomSections }},
	nameBytes:      {"name_bytes", "bytes of a name", 2048, func(l *Limits) *int { return &l.NameBytes }},
	types:          {"types", "types", 4096, func(l *Limits) *int { return &l.Types }},
	params:         {"params", "params", 128, func(l *Limits) *int { return &l.Params }},
	results:        {"results", "results", 16, func(l *Limits) *int { return &l.Results }},
	imports:        {"imports", "imports", 1000, func(l *Limits) *int { return &l.Imports }},
	functions:      {"functions", "functions", 100_000, func(l *Limits) *int { return &l.Functions }},
	tables:         {"tables", "tables", 16, func(l *Limits) *int { return &l.Tables }},
	tableEntries:   {"table_entries", "entries in tables", 100_000, func(l *Limits) *int { return &l.TableEntries }},
	tableMax:       {"table_max", "entries that a table may grow to", 1 << 20, func(l *Limits) *int { return &l.TableMax }},
	memoryMin:      {"memory_min", "pages of memory", 32_768, func(l *Limits) *int { return &l.MemoryMin }},
	memoryMax:      {"memory_max", "pages that the memory may grow to", 65_536, func(l *Limits) *int { return &l.MemoryMax }},
	globals:        {"globals", "globals", 1000, func(l *Limits) *int { return &l.Globals }},
	exports:        {"exports", "exports", 10_000, func(l *Limits) *int { return &l.Exports }},
	elements:       {"element_segments", "element segments", 10_000, func(l *Limits) *int { return &l.Elements }},
	elementEntries: {"element_entries", "entries of element segments", 200_000, func(l *Limits) *int { return &l.ElementEntries }},
	dataSegments:   {"data_segments", "data segments", 250_000, func(l *Limits) *int { return &l.Data }},
	bodyBytes:      {"body_bytes", "bytes of code", 256 << 10, func(l *Limits) *int { return &l.BodyBytes }},
	locals:         {"locals", "locals", 10_000, func(l *Limits) *int { return &l.Locals }},
	nesting:        {"nesting", "nested blocks", 4096, func(l *Limits) *int { return &l.Nesting }},
	loopNests:      {"loop_nesting", "nested loops", 32, func(l *Limits) *int { return &l.LoopNests }},
	brTable:        {"br_table", "targets of a br_table", 8192, func(l *Limits) *int { return &l.BrTable }},
	brTargets:      {"br_targets", "targets of br_tables", 8192, func(l *Limits) *int { return &l.BrTargets }},
	blocks:         {"blocks", "basic blocks", 16_384, func(l *Limits) *int { return &l.Blocks }},
	spans:          {"spans", "blocks that values live through", 2 << 20, func(l *Limits) *int { return &l.Spans }},
	walks:          {"walks", "blocks that lead to branches", 4 << 20, func(l *Limits) *int { return &l.Walks }},
	bounds:         {"bounds", "addresses known in blocks", 4 << 20, func(l *Limits) *int { return &l.Bounds }},
	effort:         {"effort", "instructions and values moved", 256 << 10, func(l *Limits) *int { return &l.Effort }},
}

// counts are the rules for what the parser counts.
var counts = map[binary.Count]rule{
	binary.CountTypes: types, binary.CountImports: imports, binary.CountFunctions: functions, binary.CountTables: tables,
	binary.CountGlobals: globals, binary.CountExports: exports, binary.CountElements: elements,
	binary.CountElementEntries: elementEntries, binary.CountData: dataSegments, binary.CountCustom: customSections,
	binary.CountLocals: locals, // groups of them
}

var features = []binary.Feature{
	binary.FeatureThreads, binary.FeatureTailCalls, binary.FeatureExceptions, binary.FeatureMemory64, binary.FeatureMultiMemory,
	binary.FeatureGC, binary.FeatureFunctionReferences, binary.FeatureExtendedConst, binary.FeatureRelaxedSIMD,
}

// code is the code of what passes the limit of a rule.
func (r rule) code() string {
	if r == moduleBytes {
		return "module_too_large"
	}
	return "limit_" + rules[r].name
}

func (l Limits) withDefaults() Limits {
	for i := range rules {
		if p := rules[i].pointer(&l); *p == 0 {
			*p = rules[i].normal
		}
	}
	return l
}

// Set changes a limit, given as name=value.
func (l *Limits) Set(setting string) error {
	name, value, _ := strings.Cut(setting, "=")
	for i := range rules {
		if rules[i].name != name {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < -1 || n == 0 {
			return fmt.Errorf("%s=%s: want a whole number above 0, or -1 for no limit", name, value)
		}
		*rules[i].pointer(l) = n
		return nil
	}
	return fmt.Errorf("%q is no limit: want name=value with one of %s", setting, strings.Join(Names(), ", "))
}

// Names are the names of the limits.
func Names() []string {
	all := make([]string, numRules)
	for i := range rules {
		all[i] = rules[i].name
	}
	return all
}
