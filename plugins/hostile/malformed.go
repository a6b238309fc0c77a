package hostile

import "bytes"

// malformed are not what they say they are, or want what no guest may have.
func malformed() []Attack {
	whole := Module{}.Encode()
	header := whole[:8]
	signature := func(edit func(f *Function)) []byte {
		f := host("log", nil, I32, I32)
		edit(&f)
		return Module{Imports: []Function{f}}.Encode()
	}
	return refused("invalid_module",
		Attack{Name: "no_wasm", Does: "is a shell script", Code: "not_wasm", Wasm: []byte("#!/bin/sh\nrm -rf /\n")},
		Attack{Name: "empty_file", Does: "is empty", Code: "not_wasm", Wasm: []byte{}},
		Attack{Name: "component", Does: "is a component", Code: "component_binary", Wasm: []byte("\x00asm\x0d\x00\x01\x00")},
		Attack{Name: "cut_off", Does: "ends in the middle", Wasm: whole[:len(whole)/2]},
		Attack{Name: "section_lies", Does: "has a section that is longer than the file", Wasm: Code(header, []byte{1}, uleb(1<<31))},
		Attack{Name: "vector_lies", Does: "says that four billion types follow",
			Wasm: Code(header, section(1, uleb(1<<32-1)))},
		Attack{Name: "overlong_number", Does: "writes a number in eleven bytes", Wasm: Code(header, []byte{1}, bytes.Repeat([]byte{0x80}, 10), []byte{0})},
		Attack{Name: "sections_out_of_order", Does: "has its code before its types", Wasm: Code(header, section(10, []byte{0}), section(1, []byte{0}))},
		Attack{Name: "ill_typed", Does: "returns what is not there", Wasm: Module{Run: Drop}.Encode()},
		Attack{Name: "unknown_instruction", Does: "executes what no WebAssembly has", Code: "instruction_unknown", Wasm: Module{Run: []byte{0x27}}.Encode()},
		Attack{Name: "calls_nothing", Does: "calls a function that is not there", Wasm: runs(I32Const(0), Call(999), Drop)},
		Attack{Name: "atomics", Does: "waits on an address", Code: "feature_threads", Wasm: runs([]byte{0xfe, 0x03, 0})},
		Attack{Name: "tail_call", Does: "calls itself without a stack", Code: "feature_tail_calls", Wasm: Module{Run: Code(LocalGet0, []byte{0x12}, uleb(Self(0)))}.Encode()},
		Attack{Name: "exception", Does: "throws", Code: "feature_exceptions", Wasm: runs([]byte{0x08, 0})},
		Attack{Name: "foreign_import", Does: "imports system from env", Code: "import_unknown",
			Wasm: Module{Imports: []Function{{Module: "env", Name: "system", Params: []byte{I32}, Results: []byte{I32}}}}.Encode()},
		Attack{Name: "imports_the_meter", Does: "imports the tick that counts its gas", Code: "import_unknown",
			Wasm: Module{Imports: []Function{{Module: "thresher:host", Name: "tick", Params: []byte{I64}}}}.Encode()},
		Attack{Name: "imports_a_global", Does: "imports a global of the host's", Code: "import_unknown", Wasm: Module{Globals: []string{"gas"}}.Encode()},
		Attack{Name: "imports_a_lie", Does: "imports log as a function of a float", Code: "import_signature",
			Wasm: signature(func(f *Function) { f.Params = []byte{F64} })},
		Attack{Name: "later_contract", Does: "is built for a later contract", Code: "abi_version",
			Wasm: signature(func(f *Function) { f.Module = "thresher/2" })},
		Attack{Name: "no_memory", Does: "exports no memory", Code: "export_missing", Wasm: Module{Without: "memory"}.Encode()},
		Attack{Name: "no_description", Does: "exports no description", Code: "export_missing", Wasm: Module{Without: "thresher_describe"}.Encode()},
	)
}
