package vet_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin"
	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/vet"
)

// anything is a policy that asks for no exports, and knows one import.
func anything(l vet.Limits) vet.Policy {
	return vet.Policy{Limits: l, Module: "thresher", Import: func(module, name string) (binary.FuncType, bool) {
		return binary.FuncType{}, module == "m" && name == "f"
	}}
}

func refusal(t testing.TB, wasm []byte, p vet.Policy) *vet.Refusal {
	t.Helper()
	_, err := vet.Check(wasm, p)
	var r *vet.Refusal
	require.ErrorAs(t, err, &r)
	return r
}

// Each limit lets what is at it pass, and refuses one more.
func TestEachLimitIsExact(t *testing.T) {
	t.Parallel()
	imported := func(name string) []byte { return cat(text("m"), text(name), []byte{0, 0}) }
	cases := map[string]func(n int) forged{
		"custom_sections": func(n int) forged { return forged{custom: list(n, 0)} },
		"types":           func(n int) forged { return forged{types: list(n, funcType(nil, nil)...)} },
		"params":          func(n int) forged { return forged{types: [][]byte{funcType(rep(n, []byte{i32}), nil)}} },
		"results": func(n int) forged {
			return forged{types: [][]byte{funcType(nil, rep(n, []byte{i32}))}, code: []byte{0}}
		},
		"imports":          func(n int) forged { return forged{imports: list(n, imported("f")...)} },
		"functions":        func(n int) forged { return forged{functions: list(n-1, 0)} },
		"tables":           func(n int) forged { return forged{tables: list(n, 0x70, 0, 0)} },
		"table_entries":    func(n int) forged { return forged{tables: [][]byte{cat([]byte{0x70, 0}, uleb(n-1)), {0x70, 0, 1}}} },
		"table_max":        func(n int) forged { return forged{tables: [][]byte{cat([]byte{0x70, 1, 0}, uleb(n))}} },
		"memory_min":       func(n int) forged { return forged{memories: [][]byte{cat([]byte{0}, uleb(n))}} },
		"memory_max":       func(n int) forged { return forged{memories: [][]byte{cat([]byte{1, 0}, uleb(n))}} },
		"globals":          func(n int) forged { return forged{globals: list(n, i32, 0, 0x41, 0, 0x0b)} },
		"exports":          func(n int) forged { return forged{exports: list(n, 0, 0, 0)} }, // twice a name: the runtime's to see
		"element_segments": func(n int) forged { return forged{elements: list(n, 1, 0, 0)} },
		"element_entries": func(n int) forged {
			return forged{elements: [][]byte{{1, 0, 1, 0}, cat([]byte{1, 0}, sized(make([]byte, n-1)))}}
		},
		"data_segments": func(n int) forged { return forged{data: list(n, 1, 0)} },
		"name_bytes":    func(n int) forged { return forged{exports: [][]byte{cat(text(strings.Repeat("x", n)), []byte{0, 0})}} },
		"body_bytes":    func(n int) forged { return forged{code: rep(n-1, []byte{1})} },
		"locals": func(n int) forged {
			return forged{types: [][]byte{funcType([]byte{i32, i32}, nil)}, locals: [][]byte{cat(uleb(n-2), []byte{i32})}}
		},
		"nesting":      func(n int) forged { return code(rep(n, blockVoid), rep(n, end)) },
		"loop_nesting": func(n int) forged { return code(rep(n, loopVoid), rep(n, end)) },
		"br_table":     func(n int) forged { return code(get(0), []byte{0x0e}, uleb(n), make([]byte, n+1)) },
		"br_targets": func(n int) forged {
			return code(rep(n/2, blockVoid, get(0), []byte{0x0e, 2, 0, 0, 0}, end), blockVoid, get(0), []byte{0x0e}, uleb(n%2), make([]byte, n%2+1), end)
		},
		"blocks": func(n int) forged { return code(rep(n-1, blockVoid, end)) },
		"effort": func(n int) forged { return code(rep(n-1, []byte{1})) },
		// 8 locals live through each of the blocks that they are read behind.
		"spans": func(n int) forged {
			return code(rep(n/8, blockVoid, end), get(0), get(1), get(2), get(3), get(4), get(5), get(6), get(7), rep(8, []byte{0x1a}), rep(n%8, blockVoid, end), get(0), []byte{0x1a})
		},
	}
	limits := map[string]int{"br_targets": 10, "effort": 10, "element_entries": 10, "table_entries": 10, "locals": 10, "spans": 88}
	for _, name := range vet.Names() {
		build, found := cases[name]
		if !found {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := max(limits[name], 7)
			var l vet.Limits
			require.NoError(t, l.Set(name+"="+string([]byte{byte('0' + limit/10), byte('0' + limit%10)})))
			_, err := vet.Check(build(limit).bytes(), anything(l))
			require.NoError(t, err, "at the limit")
			r := refusal(t, build(limit+1).bytes(), anything(l))
			assert.Equal(t, "limit_"+name, r.Code, r)
			assert.Equal(t, name, r.Rule)
			assert.EqualValues(t, limit, r.Limit)
			assert.EqualValues(t, limit+1, r.Found)
			assert.Contains(t, r.Error(), name)
		})
	}
	var l vet.Limits
	wasm := forged{}.bytes()
	l.ModuleBytes = len(wasm) - 1
	assert.Equal(t, "module_too_large", refusal(t, wasm, anything(l)).Code)
	l.ModuleBytes++
	_, err := vet.Check(wasm, anything(l))
	assert.NoError(t, err)
}

// What takes the runtime seconds, gigabytes, or the process's life is refused.
func TestBombsAreRefusedByName(t *testing.T) {
	t.Parallel()
	table128m := []byte{0x70, 0, 0x80, 0x80, 0x80, 0x40}
	many := func(n int, each func(i int) []byte) (all []byte) {
		for i := range n {
			all = append(all, each(i)...)
		}
		return all
	}
	for name, c := range map[string]struct {
		module forged
		code   string
	}{
		"nested_ifs_of_188_KB":      {code(rep(37_600, get(0), ifVoid), rep(37_600, end)), "limit_nesting"},
		"br_table_of_a_million":     {code(blockVoid, get(0), []byte{0x0e}, uleb(1_000_000), make([]byte, 1_000_001), end), "limit_body_bytes"},
		"br_table_of_200_000":       {code(blockVoid, get(0), []byte{0x0e}, uleb(200_000), make([]byte, 200_001), end), "limit_br_table"},
		"500_million_locals":        {forged{locals: [][]byte{cat(uleb(500_000_000), []byte{i32})}}, "limit_locals"},
		"20_tables_of_128_million":  {forged{tables: list(20, table128m...)}, "limit_tables"},
		"a_table_of_128_million":    {forged{tables: [][]byte{table128m}}, "limit_table_entries"},
		"a_million_data_segments":   {forged{data: list(1_000_000, 1, 0)}, "limit_data_segments"},
		"names_that_are_not_there":  {forged{custom: [][]byte{cat(text("name"), []byte{1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f})}}, "invalid_module"},
		"locals_that_are_not_there": {forged{custom: [][]byte{cat(text("name"), []byte{2, 7, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})}}, "invalid_module"},
		"loops_with_many_locals": {forged{locals: [][]byte{{0x80, 0x08, i32}},
			code: rep(12, rep(30, loopVoid), many(400, func(i int) []byte { return cat(get(i), set(i)) }), rep(30, end))}, "limit_spans"},
		"ways_out_of_one_block": {code(blockVoid, rep(6000, get(0), brIf0), end), "limit_walks"},
		"addresses_in_all_blocks": {code(rep(3000, get(0), []byte{0x28, 2, 0}, set(0)), rep(2000, get(0), ifVoid), rep(2000, end)),
			"limit_bounds"},
		"operands_in_all_blocks":  {code(rep(1400, get(0)), rep(800, get(0), ifVoid, end), rep(1400, []byte{0x1a})), "limit_spans"},
		"calls_with_many_globals": {forged{globals: list(900, i32, 1, 0x41, 0, 0x0b), code: rep(300, []byte{0x10, 0})}, "limit_effort"},
		"results_on_results":      {forged{types: [][]byte{funcType(nil, rep(16, []byte{i32}))}, code: cat(rep(20_000, []byte{0x10, 0}), []byte{0})}, "limit_effort"},
		"fills":                   {code(rep(6000, get(0), get(0), get(0), []byte{0xfc, 10, 0, 0})), "limit_blocks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := refusal(t, c.module.bytes(), anything(vet.Limits{}))
			assert.Equal(t, c.code, r.Code, r)
		})
	}
}

func TestLaterFeaturesHaveACodeEach(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]forged{
		"feature_threads":             {memories: [][]byte{{3, 1, 1}}},
		"feature_memory64":            {memories: [][]byte{{4, 1}}},
		"feature_multi_memory":        {memories: [][]byte{{0, 1}, {0, 1}}},
		"feature_exceptions":          {imports: [][]byte{cat(text("m"), text("t"), []byte{4, 0, 0})}},
		"feature_gc":                  {types: [][]byte{{0x4e, 1, 0x60, 0, 0}}},
		"feature_function_references": {types: [][]byte{{0x60, 1, 0x64, 0x70, 0}}},
		"feature_extended_const":      {globals: [][]byte{{i32, 0, 0x41, 1, 0x41, 1, 0x6a, 0x0b}}},
		"feature_tail_calls":          {code: []byte{0x12, 0}},
		"feature_relaxed_simd":        {code: []byte{0xfd, 0x80, 0x02}},
		"instruction_unknown":         {code: []byte{0x27}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, name, refusal(t, m.bytes(), anything(vet.Limits{})).Code)
		})
	}
}

func TestWhatIsNotThereIsNotReferredTo(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]forged{
		"type_of_a_function":  {functions: [][]byte{{9}}},
		"type_of_an_import":   {imports: [][]byte{cat(text("m"), text("f"), []byte{0, 9})}},
		"export":              {exports: [][]byte{{1, 'x', 0, 9}}},
		"export_of_no_memory": {exports: [][]byte{{1, 'x', 2, 0}}},
		"element":             {tables: [][]byte{{0x70, 0, 1}}, elements: [][]byte{{0, 0x41, 0, 0x0b, 1, 9}}},
		"element's_table":     {elements: [][]byte{{0, 0x41, 0, 0x0b, 1, 0}}},
		"global_in_constant":  {globals: [][]byte{{i32, 0, 0x23, 0, 0x0b}}},
		"call":                code([]byte{0x10, 9}),
		"type_of_a_call":      code(get(0), []byte{0x11, 9, 0}),
		"table_of_a_call":     code(get(0), []byte{0x11, 0, 9}),
		"type_of_a_block":     code([]byte{0x02, 9, 0x0b}),
		"label":               code([]byte{0x0c, 1}),
		"label_of_a_table":    code(get(0), []byte{0x0e, 1, 9, 0}),
		"local":               code(get(8)),
		"global":              code([]byte{0x23, 0}),
		"table":               code(get(0), []byte{0x25, 1}),
		"segment":             code([]byte{0xfc, 13, 0}),
		"no_data_count":       code([]byte{0xfc, 9, 0}),
		"function":            code([]byte{0xd2, 9}),
		"else":                code([]byte{0x05}),
		"end":                 code(end),
		"no_end":              code(blockVoid),
		"data_are_miscounted": {count: []byte{2}, data: [][]byte{{1, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := refusal(t, m.bytes(), anything(vet.Limits{}))
			assert.Equal(t, "invalid_module", r.Code, r)
			assert.Positive(t, r.Offset)
		})
	}
}

func TestTheContractIsChecked(t *testing.T) {
	t.Parallel()
	p := anything(vet.Limits{})
	p.Memory, p.Exports = "memory", map[string]binary.FuncType{"run": {}, "alloc": {Results: []byte{i32}}}
	export := func(name string, kind, index byte) []byte { return append(text(name), kind, index) }
	memory, run := export("memory", 2, 0), export("run", 0, 0)
	for name, c := range map[string]struct {
		exports [][]byte
		code    string
	}{
		"nothing":     {nil, "abi_unknown"},
		"a_program":   {[][]byte{memory, export("_start", 0, 0)}, "abi_unknown"},
		"no_memory":   {[][]byte{run, export("alloc", 0, 1)}, "export_missing"},
		"no_alloc":    {[][]byte{memory, run}, "export_missing"},
		"other_kind":  {[][]byte{memory, run, export("alloc", 2, 0)}, "export_missing"},
		"other_type":  {[][]byte{memory, run, export("alloc", 0, 0)}, "export_signature"},
		"as_it_is":    {[][]byte{memory, run, export("alloc", 0, 1)}, ""},
		"and_further": {[][]byte{memory, run, export("alloc", 0, 1), export("x", 0, 0)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := code()
			m.functions, m.exports = [][]byte{{1}}, c.exports
			_, err := vet.Check(m.bytes(), p)
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, c.code, refusal(t, m.bytes(), p).Code, err)
		})
	}
}

func TestImportsAreThoseOfTheList(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entry []byte
		code  string
	}{
		"of_another_module":  {cat(text("env"), text("f"), []byte{0, 0}), "import_unknown"},
		"of_another_name":    {cat(text("m"), text("g"), []byte{0, 0}), "import_unknown"},
		"of_another_type":    {cat(text("m"), text("f"), []byte{0, 1}), "import_signature"},
		"of_a_memory":        {cat(text("m"), text("f"), []byte{2, 0, 1}), "import_unknown"},
		"of_a_later_version": {cat(text("thresher/2"), text("f"), []byte{0, 0}), "abi_version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := forged{types: [][]byte{funcType(nil, nil), funcType([]byte{i32}, nil)}, imports: [][]byte{c.entry}}
			assert.Equal(t, c.code, refusal(t, m.bytes(), anything(vet.Limits{})).Code)
		})
	}
}

// A refusal says where it is: rule, function, name, offset, found, limit.
func TestARefusalNamesTheFunction(t *testing.T) {
	t.Parallel()
	m := code(rep(5, blockVoid), rep(5, end))
	m.imports = [][]byte{cat(text("m"), text("f"), []byte{0, 0})}
	names := vec(cat(uleb(1), text("deep")))
	m.custom = [][]byte{cat(text("name"), []byte{1}, sized(names))}
	wasm := m.bytes()
	r := refusal(t, wasm, anything(vet.Limits{Nesting: 4}))
	assert.Equal(t, vet.Refusal{Code: "limit_nesting", Rule: "nesting", Function: 1, Name: "deep", Offset: r.Offset, Found: 5, Limit: 4,
		Detail: "nested blocks"}, *r)
	assert.Equal(t, blockVoid, wasm[r.Offset:r.Offset+2], "the fifth block")
	assert.Equal(t, blockVoid, wasm[r.Offset-2:r.Offset])
	assert.NotEqual(t, blockVoid, wasm[r.Offset+2:r.Offset+4])
	assert.Contains(t, r.Error(), `function 1 "deep": 5 nested blocks: the limit is 4 (nesting)`)
}

func TestALimitCanBeLiftedAndMisspelt(t *testing.T) {
	t.Parallel()
	var l vet.Limits
	require.NoError(t, l.Set("nesting=-1"))
	require.NoError(t, l.Set("walks=20000000"))
	_, err := vet.Check(code(rep(5000, blockVoid), rep(5000, end)).bytes(), anything(l))
	assert.NoError(t, err)
	for _, bad := range []string{"", "nesting", "nesting=", "nesting=0", "nesting=-2", "nesting=x", "depth=1"} {
		assert.Error(t, l.Set(bad), bad)
	}
}

// What ships passes, far below the limits of what takes the compiler time. So does
// what the usual compilers make: name more modules in THRESHER_VET_MODULES, as
// patterns with spaces between, to see their figures.
func TestRealModulesStayFarBelowTheLimits(t *testing.T) {
	t.Parallel()
	modules, err := builtin.Modules()
	require.NoError(t, err)
	for _, pattern := range strings.Fields(os.Getenv("THRESHER_VET_MODULES")) {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			modules[path], err = os.ReadFile(path)
			require.NoError(t, err)
		}
	}
	for name, wasm := range modules {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			report, err := vet.Check(wasm, allowing(t, wasm))
			require.NoError(t, err)
			for _, f := range report.Figures {
				t.Logf("%-16s %9d of %9d", f.Name, f.Found, f.Limit)
				if f.Name == "walks" || f.Name == "bounds" {
					assert.Less(t, f.Found, uint64(f.Limit)/2, f.Name)
				}
			}
		})
	}
}

// allowing is a policy that allows what a module imports.
func allowing(t *testing.T, wasm []byte) vet.Policy {
	p := anything(vet.Limits{})
	m, err := binary.Parse(wasm)
	require.NoError(t, err)
	all := map[[2]string]binary.FuncType{}
	for _, i := range m.Imports {
		if i.Kind == binary.KindFunction {
			all[[2]string{i.Module, i.Name}] = m.Types[i.Type]
		}
	}
	p.Import = func(module, name string) (binary.FuncType, bool) {
		f, known := all[[2]string{module, name}]
		return f, known
	}
	return p
}
