package sandbox

import (
	"strings"

	"thresher/plugins/sandbox/vet"
)

// hints say what would have passed, where the refusal itself does not.
var hints = map[string]string{
	"not_wasm":            "a WebAssembly module of version 1, such as a compiler writes for wasm32-wasip1",
	"component_binary":    "a core module, not a component",
	"invalid_module":      "a module that is valid by WebAssembly 2.0",
	"instruction_unknown": "instructions of WebAssembly 2.0",
	"import_unknown":      "functions of the contract and of WASI preview 1, and nothing else: docs/abi.md lists them",
	"import_signature":    "the function's type as docs/abi.md has it: a current SDK does",
	"abi_unknown":         "a module that is built on an SDK and exports thresher_describe, or a program of WASI with a manifest: docs/wasi.md",
	"abi_version":         "a module that is built on a current SDK",
	"export_missing":      "the exports that docs/abi.md asks for, and those of the kind of each routine",
	"export_signature":    "the export's type as docs/abi.md has it: a current SDK does",
	"compile_failed":      "a module that compiles within two minutes and the compiler's memory",
	"describe_failed":     "a module that starts and describes itself within 10 s of CPU time and 64 MiB each, with no import but WASI",
	"manifest_invalid":    "a manifest as docs/abi.md describes it: an SDK makes one",
	"example_failed":      "examples that the server can run to their end",
}

// Codes are all the codes that a module can be refused with.
func Codes() []string {
	return append(vet.Codes(), "compile_failed", "describe_failed", "manifest_invalid", "example_failed")
}

// hint says what would pass instead of what has a code.
func hint(code string) string {
	if feature, ok := strings.CutPrefix(code, "feature_"); ok {
		return "a module that is compiled without " + strings.ReplaceAll(feature, "_", " ")
	}
	return hints[code]
}
