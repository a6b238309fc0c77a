package vet

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A refusal names every import that no guest may have, and the way out.
func TestUnknownImportsAreNamedWithTheWayOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names  []string
		advice string
	}{
		{[]string{"env.emit", "host.now"}, "link what defines them"},
		{[]string{"host.now"}, "guests have the functions of docs/abi.md"},
		{[]string{"env.memcpy", "env.emscripten_resize_heap"}, "emcc -sSTANDALONE_WASM"},
		{[]string{"gojs.runtime.wasmExit"}, "GOOS=wasip1"},
		{[]string{"wbg.__wbindgen_throw"}, "wasm-bindgen"},
		{[]string{"./page_bg.js.__wbg_log"}, "wasm-bindgen"},
		{[]string{"wasi:cli/stdout@0.2.0.get-stdout"}, "preview 2"},
		{[]string{"wasi_unstable.proc_exit"}, "before preview 1"},
		{[]string{"env.abort"}, "asc --use abort="},
		{[]string{"extism:host/env.input_length"}, "Extism"},
		{[]string{"wasi_snapshot_preview1.sock_open"}, "network"},
	} {
		r := unknownImports(8, c.names)
		assert.Equal(t, "import_unknown", r.Code)
		for _, name := range c.names {
			assert.Contains(t, r.Detail, name)
		}
		assert.Contains(t, r.Detail, c.advice, "%v", c.names)
	}
	var many []string
	for i := range mostImports + 5 {
		many = append(many, fmt.Sprintf("env.f%d", i))
	}
	assert.Contains(t, unknownImports(8, many).Detail, "env.f9 and 5 more, which no guest may have")
}
