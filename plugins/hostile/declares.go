package hostile

import "encoding/binary"

// declares are modules that declare more than any compiler does, or what is of a later
// WebAssembly: with those of bombs and malformed there is one for each code that a
// module can be refused with before it is compiled.
func declares() []Attack {
	with := func(id byte, content []byte) []byte { return patched(Module{}.Encode(), id, content) }
	many := func(n int, entry ...byte) []byte { return Code(uleb(uint32(n)), repeat(n, entry)) }
	constant := []byte{I32, 0, 0x41, 0, 0x0b} // a global that is 0
	log := host("log", nil, I32, I32)
	imports := make([]Function, 1001)
	for i := range imports {
		imports[i] = log
	}
	return append(refused("",
		Attack{Name: "many_types", Does: "declares 5000 types", Code: "limit_types", Wasm: with(1, many(5000, signature(nil, nil)...))},
		Attack{Name: "many_results", Does: "imports a function of 100 results", Code: "limit_results",
			Wasm: Module{Imports: []Function{host("log", repeat(100, []byte{I32}))}}.Encode()},
		Attack{Name: "many_imports", Does: "imports a function 1001 times", Code: "limit_imports", Wasm: Module{Imports: imports}.Encode()},
		Attack{Name: "many_tables", Does: "declares 17 tables", Code: "limit_tables", Wasm: with(4, many(17, 0x70, 0, 0))},
		Attack{Name: "growing_table", Does: "declares a table that may grow to two million entries", Code: "limit_table_max",
			Wasm: with(4, list(Code([]byte{0x70, 1, 0}, uleb(2<<20))))},
		Attack{Name: "growing_memory", Does: "declares a memory that may grow to more than there can be", Code: "limit_memory_max",
			Wasm: Module{Most: 65_537}.Encode()},
		Attack{Name: "many_globals", Does: "declares 1001 globals", Code: "limit_globals", Wasm: with(6, many(1001, constant...))},
		Attack{Name: "many_exports", Does: "exports 10 001 names", Code: "limit_exports", Wasm: with(7, many(10_001, 0, 0, 0))},
		Attack{Name: "many_elements", Does: "has 10 001 element segments", Code: "limit_element_segments", Wasm: with(9, many(10_001, 1, 0, 0))},
		Attack{Name: "large_elements", Does: "has an element segment of 200 001 entries", Code: "limit_element_entries",
			Wasm: with(9, list(Code([]byte{1, 0}, uleb(200_001), make([]byte, 200_001))))},
		Attack{Name: "many_data", Does: "has 250 001 data segments", Code: "limit_data_segments", Wasm: with(11, many(250_001, 1, 0))},
		Attack{Name: "checked_addresses", Does: "checks 3000 addresses before 2000 ifs", Code: "limit_bounds",
			Wasm: Module{Locals: 1, Run: Code(
				repeat(3000, []byte{0x20, 1, 0x28, 2, 0, 0x21, 1}), repeat(2000, LocalGet0, ifVoid), repeat(2000, end), I32Const(0))}.Encode()},
		Attack{Name: "calls_with_many_globals", Does: "calls 300 times, with 900 globals that change", Code: "limit_effort",
			Wasm: patched(runs(repeat(300, I32Const(0), Call(Self(0)), Drop)), 6, many(900, I32, 1, 0x41, 0, 0x0b))},
		Attack{Name: "wide_memory", Does: "declares a memory of 64 bits", Code: "feature_memory64", Wasm: with(5, list([]byte{4, 1}))},
		Attack{Name: "two_memories", Does: "declares two memories", Code: "feature_multi_memory", Wasm: with(5, list([]byte{0, 1}, []byte{0, 1}))},
		Attack{Name: "collected", Does: "declares types of garbage collection", Code: "feature_gc", Wasm: with(1, list([]byte{0x4e, 1, 0x60, 0, 0}))},
		Attack{Name: "typed_reference", Does: "declares a reference of a type", Code: "feature_function_references",
			Wasm: with(1, list([]byte{0x60, 1, 0x64, 0x70, 0}))},
		Attack{Name: "computed_constant", Does: "computes a constant", Code: "feature_extended_const",
			Wasm: with(6, list([]byte{I32, 0, 0x41, 1, 0x41, 1, 0x6a, 0x0b}))},
		Attack{Name: "relaxed", Does: "executes relaxed SIMD", Code: "feature_relaxed_simd", Wasm: runs([]byte{0xfd, 0x80, 0x02})},
		Attack{Name: "no_contract", Does: "exports nothing of the contract", Code: "abi_unknown", Wasm: with(7, list(Code(text("memory"), []byte{2, 0})))},
	), refused("export_signature",
		Attack{Name: "exports_a_lie", Does: "exports thresher_alloc as a function of nothing", Wasm: with(7, list(
			Code(text("memory"), []byte{2, 0}), Code(text("thresher_describe"), []byte{0, describe}), Code(text("thresher_alloc"), []byte{0, start})))},
	)...)
}

// order is where sections stand in a module.
var order = map[byte]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9, 12: 10, 10: 11, 11: 12}

// patched is a module whose section of that kind has another content, or which has one.
func patched(wasm []byte, id byte, content []byte) []byte {
	out, rest, done := append([]byte(nil), wasm[:8]...), wasm[8:], false
	for len(rest) > 0 {
		size, n := binary.Uvarint(rest[1:])
		whole := 1 + n + int(size)
		if !done && order[rest[0]] >= order[id] {
			out, done = append(out, section(id, content)...), true
		}
		if rest[0] != id {
			out = append(out, rest[:whole]...)
		}
		rest = rest[whole:]
	}
	if !done {
		out = append(out, section(id, content)...)
	}
	return out
}
