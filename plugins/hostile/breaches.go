package hostile

import "strings"

// breaches break the contract, or look for what is not theirs.
func breaches() []Attack {
	simulation := func(step []byte) []byte { return Module{Manifest: Manifest("simulation"), Step: step}.Encode() }
	writes := func(text string) []byte {
		return saying(text, result, func(at, n int32) []byte { return Code(I32Const(at), I32Const(n), Call(0)) })
	}
	names := func(f Function, name string, rest ...[]byte) []byte {
		return saying(name+"[]", f, func(at, n int32) []byte {
			return Code(I32Const(at), I32Const(n-2), Code(rest...), Call(0))
		})
	}
	nothing := Code(I32Const(0), I32Const(0))
	// marked leaves a mark in its memory, and crashes where one is.
	marked := runs(I32Const(32<<10), []byte{0x28, 2, 0}, ifVoid, Unreachable, end, Store(32<<10, 1),
		// The same in a page that it grows by.
		I32Const(1), Grow, I32Const(16), []byte{0x74, 0x28, 2, 0}, ifVoid, Unreachable, end,
		[]byte{0x3f, 0}, I32Const(1), []byte{0x6b}, I32Const(16), []byte{0x74}, I32Const(1), []byte{0x36, 2, 0})
	return ending("abi_violation",
		Attack{Name: "status_7", Does: "returns a status that means nothing", Wasm: Module{Run: I32Const(7)}.Encode()},
		Attack{Name: "step_of_nonsense", Does: "is a simulation whose step returns nonsense", Wasm: simulation(I32Const(-77))},
		Attack{Name: "step_crashes", Does: "is a simulation whose step crashes", Code: "guest_trap", Wasm: simulation(Unreachable)},
		Attack{Name: "fails_mutely", Does: "fails and does not say why", Code: "guest_error", Wasm: Module{Run: I32Const(-1)}.Encode()},
		Attack{Name: "pointer_outside", Does: "has its result behind its memory", Wasm: Module{Imports: []Function{result}, Run: Code(I32Const(-8), I32Const(16), Call(0), I32Const(0))}.Encode()},
		Attack{Name: "result_is_not_json", Does: "has a result that is not JSON", Wasm: writes(`{"a":`)},
		Attack{Name: "deep_result", Does: "nests 100 000 lists in its result", Wasm: writes(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000))},
		Attack{Name: "result_is_not_text", Does: "has bytes in its result that are no text", Wasm: writes("\"\xff\xfe\"")},
		Attack{Name: "negative_rows", Does: "appends -1 rows", Wasm: names(tableAppend, "table", I32Const(1024), I32Const(0), I64Const(-1), I32Const(0))},
		Attack{Name: "many_rows_of_nothing", Does: "appends 9 quintillion rows without a column", Wasm: names(tableAppend, "table", I32Const(1024), I32Const(0), I64Const(1<<63-1), I32Const(0))},
		Attack{Name: "artifact_as_path", Does: "has an artifact named ../../etc/passwd", Wasm: names(artifact, "../../etc/passwd", nothing, nothing)},
		Attack{Name: "artifact_without_a_name", Does: "has an artifact without a name", Wasm: names(artifact, "", nothing, nothing)},
		Attack{Name: "table_as_path", Does: "has a table named /etc/passwd", Wasm: saying(`/etc/passwd[{"name":"x","type":"int64"}]`, tableAppend, func(at, n int32) []byte {
			return Code(I32Const(at), I32Const(11), I32Const(at+11), I32Const(n-11), I64Const(0), I32Const(0), Call(0))
		})},
		Attack{Name: "maps_nobodys_input", Does: "maps a table that it was not given", Wasm: Module{
			Imports: []Function{host("input_map", []byte{I32}, I32, I64, I64, I32, I32)},
			Run:     Code(I32Const(0), I64Const(0), I64Const(1<<16), I32Const(0), I32Const(1<<18), Call(0), Drop, I32Const(0)),
		}.Encode()},
		Attack{Name: "opens_a_file", Does: "opens a file of the host's, and crashes if it may", Code: None, Wasm: saying("/etc/passwd",
			wasi("path_open", I32, I32, I32, I32, I32, I64, I64, I32, I32), func(at, n int32) []byte {
				return Code(I32Const(3), I32Const(0), I32Const(at), I32Const(n), I32Const(0), I64Const(-1), I64Const(-1), I32Const(0), I32Const(0),
					Call(0), []byte{0x45}, ifVoid, Unreachable, end)
			})},
		Attack{Name: "leaves_a_mark", Does: "looks for what the last job of its instance left, and crashes if it finds it", Code: None, Wasm: marked},
	)
}
