package hostile

import "strings"

var (
	blockVoid = []byte{0x02, 0x40}
	ifVoid    = []byte{0x04, 0x40}
	loopVoid  = []byte{0x03, 0x40}
	end       = []byte{0x0b}
	nop       = []byte{0x01}
)

// bombs are small modules that are large when they are compiled, or declare more
// than anyone should have.
func bombs() []Attack {
	brTable := func(n uint32) []byte {
		return Code(LocalGet0, []byte{0x0e}, uleb(n), make([]byte, n+1))
	}
	return refused("",
		Attack{Name: "nested_ifs", Does: "nests 37 600 ifs", Code: "limit_nesting",
			Wasm: runs(repeat(37_600, LocalGet0, ifVoid), repeat(37_600, end))},
		Attack{Name: "nested_loops", Does: "nests 40 loops", Code: "limit_loop_nesting",
			Wasm: runs(repeat(40, loopVoid), repeat(40, end))},
		Attack{Name: "huge_br_table", Does: "branches to 9000 targets at once", Code: "limit_br_table",
			Wasm: runs(blockVoid, brTable(9000), end)},
		Attack{Name: "many_br_tables", Does: "branches to 100 targets 100 times", Code: "limit_br_targets",
			Wasm: runs(repeat(100, blockVoid, brTable(100), end))},
		Attack{Name: "huge_body", Does: "has a function of 300 KiB", Code: "limit_body_bytes",
			Wasm: runs(repeat(300<<10, nop))},
		Attack{Name: "many_blocks", Does: "has 20 000 ifs one after the other", Code: "limit_blocks",
			Wasm: runs(repeat(20_000, LocalGet0, ifVoid, end))},
		Attack{Name: "ways_out", Does: "leaves one block in 6000 ways", Code: "limit_walks",
			Wasm: runs(blockVoid, repeat(6000, LocalGet0, []byte{0x0d, 0}), end)},
		Attack{Name: "giant_locals", Does: "declares 500 million locals", Code: "limit_locals",
			Wasm: Module{Locals: 500_000_000}.Encode()},
		Attack{Name: "living_operands", Does: "keeps 1400 operands through 800 ifs", Code: "limit_spans",
			Wasm: runs(repeat(1400, LocalGet0), repeat(800, LocalGet0, ifVoid, end), repeat(1400, Drop))},
		Attack{Name: "giant_table", Does: "declares a table of 128 million entries", Code: "limit_table_entries",
			Wasm: Module{Table: 128 << 20}.Encode()},
		Attack{Name: "giant_memory", Does: "starts with a memory of 3.7 GiB", Code: "limit_memory_min",
			Wasm: Module{Pages: 60_000}.Encode()},
		Attack{Name: "memory_beyond_the_budget", Does: "starts with more memory than a description may have", Code: "describe_failed",
			Wasm: Module{Pages: 16_000}.Encode()},
		Attack{Name: "many_functions", Does: "declares 100 001 functions more than it may", Code: "limit_functions",
			Wasm: Module{More: make([][]byte, 100_001)}.Encode()},
		Attack{Name: "many_params", Does: "imports a function of 1000 params", Code: "limit_params",
			Wasm: Module{Imports: []Function{host("log", nil, repeat(1000, []byte{I32})...)}}.Encode()},
		Attack{Name: "long_name", Does: "exports a name of 1 MiB", Code: "limit_name_bytes",
			Wasm: Module{Also: strings.Repeat("x", 1<<20)}.Encode()},
		Attack{Name: "many_custom_sections", Does: "has 1000 sections that mean nothing", Code: "limit_custom_sections",
			Wasm: Code(Module{}.Encode(), repeat(1000, section(0, text("x"))))},
		Attack{Name: "giant_module", Does: "is 33 MiB long", Code: "module_too_large",
			Wasm: Code(Module{}.Encode(), section(0, Code(text("x"), make([]byte, 33<<20))))},
	)
}
