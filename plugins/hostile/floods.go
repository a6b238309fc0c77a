package hostile

import (
	"math"
	"strings"
)

var (
	log         = host("log", nil, I32, I32)
	result      = host("result_write", nil, I32, I32)
	artifact    = host("artifact_write", nil, I32, I32, I32, I32, I32, I32)
	tableAppend = host("table_append", nil, I32, I32, I32, I32, I64, I32)
)

// floods put out more than they may.
func floods() []Attack {
	// A table of the column x: one letter of text in each row.
	const columns = `[{"name":"x","type":"int64"}]`
	rows := func(at, n int32, next []byte) []byte {
		return Forever(next, Store(40, 8<<10), Store(44, 32<<10),
			I32Const(at), I32Const(8), I32Const(at+8), I32Const(n-8), I64Const(4<<10), I32Const(32), Call(0))
	}
	return ending("output_limit",
		Attack{Name: "log_flood", Does: "logs 60 000 bytes for ever", Code: "gas_limit",
			Wasm: Module{Imports: []Function{log}, Run: Forever(I32Const(0), I32Const(60_000), Call(0))}.Encode()},
		Attack{Name: "print_flood", Does: "prints 1024 pieces of 64 KiB at once, for ever", Code: "gas_limit",
			Wasm: Module{Imports: []Function{wasi("fd_write", I32, I32, I32, I32)}, Pages: 2,
				Run: Forever(vectors(), I32Const(1), I32Const(64<<10), I32Const(1024), I32Const(0), Call(0), Drop)}.Encode()},
		Attack{Name: "progress_flood", Does: "reports progress for ever", Code: "gas_limit",
			Wasm: Module{Imports: []Function{host("progress", nil, F64, I32, I32)},
				Run: Forever(F64Const(math.NaN()), I32Const(1024), I32Const(8), Call(0))}.Encode()},
		Attack{Name: "rows_flood", Does: "appends rows for ever", Wasm: saying("flooded_"+columns, tableAppend, func(at, n int32) []byte { return rows(at, n, nil) })},
		Attack{Name: "table_flood", Does: "makes tables for ever", Wasm: saying("flooded_"+columns, tableAppend, func(at, n int32) []byte {
			return Forever(counting(at), I32Const(at), I32Const(8), I32Const(at+8), I32Const(n-8), I64Const(0), I32Const(32), Call(0))
		})},
		Attack{Name: "artifact_flood", Does: "makes artifacts of nothing for ever", Code: "artifact_limit", Wasm: saying("flooded_", artifact, func(at, n int32) []byte {
			return Forever(counting(at), I32Const(at), I32Const(n), I32Const(0), I32Const(0), I32Const(0), I32Const(0), Call(0))
		})},
		Attack{Name: "artifact_bytes", Does: "makes artifacts of 256 KiB for ever", Wasm: saying("flooded_"+strings.Repeat("x", 256<<10), artifact, func(at, n int32) []byte {
			return Forever(counting(at), I32Const(at), I32Const(8), I32Const(0), I32Const(0), I32Const(at), I32Const(n), Call(0))
		})},
		Attack{Name: "result_flood", Does: "writes its result for ever", Code: "gas_limit", Wasm: saying(`"`+strings.Repeat("x", 500_000)+`"`, result, func(at, n int32) []byte {
			return Forever(I32Const(at), I32Const(n), Call(0))
		})},
		Attack{Name: "result_too_large", Does: "has a result of 2 MiB", Wasm: saying(`"`+strings.Repeat("x", 2<<20)+`"`, result, func(at, n int32) []byte {
			return Code(I32Const(at), I32Const(n), Call(0))
		})},
		Attack{Name: "overlapping_columns", Does: "appends 100 columns that are the same 1 MiB of its memory", Wasm: overlapping()},
	)
}

// vectors describes 1024 pieces of text, each all of the first page, for fd_write. It
// does so once: when the first of them is not there.
func vectors() []byte {
	code := Code(I32Const(64<<10+4), []byte{0x28, 2, 0, 0x45}, ifVoid)
	for i := range int32(1024) {
		code = append(code, Store(64<<10+8*i+4, 64<<10)...)
	}
	return append(code, end...)
}

func overlapping() []byte {
	const columns, rows, at = 100, 128 << 10, 2 << 20
	schema := "[" + numbered(columns, `{"name":"c%d","type":"int64"}`) + "]"
	var code []byte
	for i := range int32(columns) {
		code = append(code, Store(at+24*i+12, rows*8)...)
	}
	manifest := Manifest("analysis")
	return Module{
		Imports: []Function{tableAppend}, Manifest: manifest + schema, Pages: 48,
		Describe: I64Const(1024<<32 | int64(len(manifest))),
		Run: Code(code, I32Const(1026), I32Const(4), I32Const(1024+int32(len(manifest))), I32Const(int32(len(schema))),
			I64Const(rows), I32Const(at), Call(0), I32Const(0)),
	}.Encode()
}

// counting counts in four octal digits at an address, so that each turn has another name:
// what is added carries from digit to digit.
func counting(at int32) []byte {
	return Code(I32Const(at), I32Const(at), []byte{0x28, 0, 0}, I32Const(-0x37373737), []byte{0x6a},
		I32Const(0x07070707), []byte{0x71}, I32Const(0x30303030), []byte{0x72}, []byte{0x36, 0, 0})
}
