package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"thresher/core/routine"
	"thresher/core/schema"
	"thresher/plugins/abi"
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

// vetModule refuses imports that are not on the list, and modules without the
// exports of the contract.
func vetModule(compiled wazero.CompiledModule) error {
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		want, known := importSignature(module, name)
		if !known {
			return refuse("import_unknown", "it imports %s.%s, which no guest may have", module, name)
		}
		if got := signatureOf(f); got != want {
			return refuse("import_signature", "it imports %s.%s as %s: it is %s", module, name, got, want)
		}
	}
	if len(compiled.ImportedMemories()) > 0 {
		return refuse("import_unknown", "it imports a memory: a guest has its own")
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

const maxManifest = 1 << 20 // bytes

var semver = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// parseManifest reads what a module says of itself, and holds it against what the
// module exports.
func parseManifest(raw []byte, compiled wazero.CompiledModule) (routine.Manifest, error) {
	var m routine.Manifest
	if len(raw) > maxManifest {
		return m, refuse("manifest_invalid", "%d bytes: the limit is %d", len(raw), maxManifest)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, refuse("manifest_invalid", "%v", err)
	}
	if err := checkManifest(m); err != nil {
		return m, refuse("manifest_invalid", "%v", err)
	}
	exports := compiled.ExportedFunctions()
	for _, r := range m.Routines {
		needs := []string{abi.ExportRun}
		if r.Kind == routine.Simulation {
			needs = []string{abi.ExportInit, abi.ExportStep}
		}
		for _, name := range needs {
			if err := vetExport(exports, name, "(i32)i32"); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func checkManifest(m routine.Manifest) error {
	if !routine.ValidName(m.Name) {
		return fmt.Errorf("plugin name %q: want lower case letters, digits, dashes and underscores", m.Name)
	}
	if !semver.MatchString(m.Version) {
		return fmt.Errorf("version %q: want a semantic version such as 1.2.3", m.Version)
	}
	if len(m.Routines) == 0 {
		return fmt.Errorf("plugin %s declares no routine", m.Name)
	}
	var names []string
	for _, r := range m.Routines {
		if !routine.ValidName(r.Name) || slices.Contains(names, r.Name) {
			return fmt.Errorf("routine name %q: want unique names of lower case letters, digits, dashes and underscores", r.Name)
		}
		names = append(names, r.Name)
		if r.Kind != routine.Analysis && r.Kind != routine.Simulation {
			return fmt.Errorf("routine %s: kind %q: want %s or %s", r.Name, r.Kind, routine.Analysis, routine.Simulation)
		}
		if _, err := schema.Compile(r.Params); err != nil {
			return fmt.Errorf("routine %s: params: %w", r.Name, err)
		}
	}
	return nil
}
