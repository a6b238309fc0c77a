package vet

import (
	"fmt"
	"strings"
)

// mostImports is how many imports a refusal names.
const mostImports = 10

// unknownImports refuses a module for imports that no guest may have: it names them all,
// unless they are very many, and says what commonly makes such a module.
func unknownImports(at int, names []string) *Refusal {
	shown, more := names, ""
	if len(shown) > mostImports {
		shown, more = shown[:mostImports], fmt.Sprintf(" and %d more", len(names)-mostImports)
	}
	return refuse("import_unknown", at, "it imports %s%s, which no guest may have: %s", strings.Join(shown, ", "), more, madeBy(names))
}

// toolchains are what the imports of common compilers begin with, and the way out. The
// first that fits is named, so that those with more to go by stand first.
var toolchains = []struct {
	prefixes []string
	advice   string
}{
	{[]string{"wbg.", "__wbindgen_", "./"}, "wasm-bindgen made it for a web page: build for wasm32-unknown-unknown with the SDK for Rust alone"},
	{[]string{"gojs.", "go."}, "Go made it for a web page: build with GOOS=wasip1, not GOOS=js"},
	{[]string{"wasi:"}, "it is for WASI preview 2: build for preview 1 (wasm32-wasip1)"},
	{[]string{"wasi_unstable."}, "it is for WASI before preview 1: build with a newer compiler (wasm32-wasip1)"},
	{[]string{"extism:", "env.extism_"}, "it is a plugin for Extism: build it on an SDK of this server, or as a program of WASI"},
	{[]string{"env.emscripten_", "env.__syscall_", "env.invoke_", "env._embind_", "env.__cxa_", "env.__asyncjs_"}, "Emscripten made it for a web page: build with clang --target=wasm32-wasi, or emcc -sSTANDALONE_WASM"},
	{[]string{"env.abort", "env.seed", "env.trace", "env.console."}, "AssemblyScript made it without the SDK: build with asc --use abort=…/assembly/abort/abort, as docs/plugins/assemblyscript.md has it"},
	{[]string{"wasi_snapshot_preview1.sock_"}, "it needs a network, which guests do not have"},
	{[]string{"env."}, "in C and Rust these are functions that are declared but nowhere defined: link what defines them, or remove the calls"},
}

// madeBy guesses what made a module with such imports.
func madeBy(names []string) string {
	for _, t := range toolchains {
		for _, name := range names {
			for _, prefix := range t.prefixes {
				if strings.HasPrefix(name, prefix) {
					return t.advice
				}
			}
		}
	}
	return "guests have the functions of docs/abi.md and of WASI preview 1 only; remove the calls"
}
