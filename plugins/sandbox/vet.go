package sandbox

import (
	"bytes"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"thresher/plugins/abi"
	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/rewrite"
)

// maxModule is the largest module that is loaded.
const maxModule = 32 << 20

var (
	moduleMagic      = []byte("\x00asm\x01\x00\x00\x00")
	componentVersion = []byte("\x00asm\x0d\x00\x01\x00")
)

// vetHeader refuses what is not a core module, before anything parses it.
func vetHeader(wasm []byte) error {
	switch {
	case len(wasm) > maxModule:
		return refuse("module_too_large", "%d bytes: the limit is %d", len(wasm), maxModule)
	case bytes.HasPrefix(wasm, componentVersion):
		return refuse("component_binary", "this is a component: build a core module (for Go: GOOS=wasip1 GOARCH=wasm -buildmode=c-shared)")
	case !bytes.HasPrefix(wasm, moduleMagic):
		return refuse("not_wasm", "the file does not start with the WebAssembly magic and version 1")
	}
	return nil
}

// vetImports refuses what no guest may have.
func vetImports(m *binary.Module) error {
	for _, i := range m.Imports {
		if i.Kind != binary.KindFunction {
			return refuse("import_unknown", "it imports %s.%s, which is not a function: no guest may have it", i.Module, i.Name)
		}
		if _, known := importSignature(i.Module, i.Name); !known {
			return refuse("import_unknown", "it imports %s.%s, which no guest may have", i.Module, i.Name)
		}
	}
	return nil
}

// vetModule refuses imports that are used otherwise than they are, and modules
// without the exports of the contract.
func vetModule(compiled wazero.CompiledModule) error {
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if module == rewrite.Host {
			continue // our own
		}
		want, _ := importSignature(module, name)
		if got := signatureOf(f); got != want {
			return refuse("import_signature", "it imports %s.%s as %s: it is %s", module, name, got, want)
		}
	}
	if _, ok := compiled.ExportedMemories()[abi.ExportMemory]; !ok {
		return refuse("export_missing", "it exports no memory named %q", abi.ExportMemory)
	}
	exports := compiled.ExportedFunctions()
	for name, want := range map[string]string{abi.ExportDescribe: "()i64", abi.ExportAlloc: "(i32)i32"} {
		if err := vetExport(exports, name, want); err != nil {
			return err
		}
	}
	return nil
}

func vetExport(exports map[string]api.FunctionDefinition, name, want string) error {
	f, ok := exports[name]
	if !ok {
		return refuse("export_missing", "it exports no function %s %s", name, want)
	}
	if got := signatureOf(f); got != want {
		return refuse("export_signature", "it exports %s as %s: want %s", name, got, want)
	}
	return nil
}

func signatureOf(f api.FunctionDefinition) string {
	return signature(f.ParamTypes(), f.ResultTypes())
}

func signature(params, results []api.ValueType) string {
	var b bytes.Buffer
	b.WriteByte('(')
	for i, p := range params {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(api.ValueTypeName(p))
	}
	b.WriteByte(')')
	for _, r := range results {
		b.WriteString(api.ValueTypeName(r))
	}
	return b.String()
}
