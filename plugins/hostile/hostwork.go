package hostile

import (
	"fmt"
	"math"
	"strings"
)

// hostWork have the host work, and hope not to pay for it: without an answer, for an error,
// or for pieces of nothing.
func hostWork() []Attack {
	kernel := func(name string, params ...byte) Function { return host(name, []byte{I64}, params...) }
	const v, w, x, y = 64, 96, 1 << 20, 2 << 20
	return ending("gas_limit",
		Attack{Name: "asks_what_it_was_called_with", Does: "asks for its call info for ever, with room for nothing",
			Wasm: calling(host("call_info", []byte{I32}, I32, I32), nil, Push(0, 0))},
		Attack{Name: "gives_reasons", Does: "says why it failed for ever, in 12 MiB", Wasm: calling(host("fail", nil, I32, I32), nil, Push(0, 200<<16))},
		Attack{Name: "prints_nothing", Does: "prints 1024 empty pieces at once, for ever",
			Wasm: calling(wasi("fd_write", I32, I32, I32, I32), nil, Push(1, x, 1024, 0))},
		Attack{Name: "reads_nothing", Does: "reads into 1024 empty pieces at once, for ever",
			Wasm: calling(wasi("fd_read", I32, I32, I32, I32), nil, Push(0, x, 1024, 0))},
		Attack{Name: "asks_for_arguments", Does: "asks for arguments that there are none of for ever", Wasm: calling(wasi("args_get", I32, I32), nil, Push(0, 64))},
		Attack{Name: "opens_files", Does: "opens files that it may not open for ever",
			Wasm: calling(wasi("path_open", I32, I32, I32, I32, I32, I64, I64, I32, I32), nil,
				Push(3, 0, 0, 8, 0), I64Const(0), I64Const(0), Push(0, 0))},
		Attack{Name: "sums_nothing", Does: "has the host add no numbers for ever",
			Wasm: calling(kernel("vector_sum", I32, I32), vectorIn(v, 0, x, 0), Push(v, 128))},
		Attack{Name: "last_key_is_wrong", Does: "groups numbers, of which the last has a key that is wrong, for ever",
			Wasm: calling(kernel("vector_group", I32, I64, I32, I32, I32, I32, I32),
				Code(vectorIn(v, 1, x, 16_000), vectorIn(w, 0, y, 16_000), Store(x+8*15_999, 1)),
				Push(v), I64Const(0), Push(w, 1, 8, 16, 24))},
		Attack{Name: "last_share_is_wrong", Does: "asks for 100 000 quantiles, of which the last is of a share above 1, for ever",
			Wasm: calling(kernel("vector_quantiles", I32, I32, I32, I32, I32),
				Code(vectorIn(v, 0, x, 0), Store(x+8*99_999+4, 0x4000_0000)), Push(v, 100_000, x, y, 0))},
		Attack{Name: "sum_is_too_large", Does: "adds integers whose sums do not fit, for ever",
			Wasm: calling(kernel("vector_cumsum", I32, I32), Code(vectorIn(v, 1, x, 2), Store(x, -1), Store(x+4, math.MaxInt32), Store(x+8, 1)), Push(v, 128))},
		Attack{Name: "arguments_product", Does: "is a program with 64 arguments that name a param 341 times each", Code: "manifest_invalid", Refused: true,
			Wasm: Code(Program(nil, []byte{0x01}), manifestSection(argumentsProduct()))},
	)
}

func argumentsProduct() string {
	arg := `"` + strings.Repeat("{x}", 341) + `"`
	return fmt.Sprintf(`{"name":"forged","version":"1.0.0","summary":"","routines":[{"name":"attack","kind":"analysis","title":"","stdout":"text","args":[%s],`+
		`"params":{"type":"object","properties":{"x":{"type":"string"}}}}]}`, copies(64, arg))
}
