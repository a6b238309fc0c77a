package hostile

import "strings"

// records try to leave more than the record of a job holds: what takes one byte, such as
// a control character, takes six there.
func records() []Attack {
	const name, media = 128, 200
	list := saying("flooded_"+strings.Repeat("x", name-8)+strings.Repeat("\x01", media+1), artifact, func(at, _ int32) []byte {
		return Forever(counting(at), I32Const(at), I32Const(name), I32Const(at+name), I32Const(media), I32Const(0), I32Const(0), Call(0))
	})
	longMedia := saying("x"+strings.Repeat("x", media+1), artifact, func(at, n int32) []byte {
		return Code(I32Const(at), I32Const(1), I32Const(at), I32Const(media+1), I32Const(0), I32Const(0), Call(0))
	})
	columns := "[" + numbered(600, `{"name":"c%d`+strings.Repeat("x", 1000)+`","type":"int64"}`) + "]"
	wide := saying("t"+columns, tableAppend, func(at, n int32) []byte {
		return Code(I32Const(at), I32Const(1), I32Const(at+1), I32Const(n-1), I64Const(0), I32Const(32), Call(0))
	})
	down := Code(LocalGet0, []byte{0x45}, ifVoid, Unreachable, end, LocalGet0, I32Const(1), []byte{0x6b}, Call(Further(0, 0)))
	stack := Module{Run: Code(I32Const(60), Call(Further(0, 0))), More: [][]byte{down}, Name: strings.Repeat("<", 20_000)}
	brackets := strings.Repeat("<", 60_000)
	all := ending("artifact_limit",
		Attack{Name: "artifact_list", Does: "makes artifacts with long names, and with media types of control characters", Wasm: list},
		Attack{Name: "long_media_type", Does: "makes an artifact with a media type of 201 bytes", Code: "abi_violation", Wasm: longMedia},
		Attack{Name: "wide_table", Does: "makes a table of 600 columns with names of 1000 bytes", Code: "output_limit", Wasm: wide},
		Attack{Name: "long_function_names", Does: "crashes 60 calls deep, in functions with names of 20 000 bytes", Code: "guest_trap", Wasm: stack.Encode()},
		Attack{Name: "fails_in_brackets", Does: "fails with a message of 60 000 angle brackets", Code: "guest_error",
			Wasm: saying(brackets, host("fail", nil, I32, I32), func(at, n int32) []byte {
				return Code(I32Const(at), I32Const(n), Call(0), I32Const(-1), []byte{0x0f})
			})},
		Attack{Name: "result_of_brackets", Does: "has a result of 60 000 angle brackets", Code: None,
			Wasm: saying(`"`+brackets+`"`, result, func(at, n int32) []byte { return Code(I32Const(at), I32Const(n), Call(0)) })},
		Attack{Name: "progress_of_brackets", Does: "reports progress in 60 000 angle brackets", Code: None,
			Wasm: saying(brackets, host("progress", nil, F64, I32, I32), func(at, n int32) []byte {
				return Code(F64Const(0.5), I32Const(at), I32Const(n), Call(0))
			})},
	)
	for i := range all {
		all[i].Limits.Artifacts, all[i].Limits.Gas = 10_000, 1<<30
	}
	return all
}
