package sandbox

import (
	"github.com/tetratelabs/wazero/api"

	"thresher/plugins/abi"
	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/vet"
)

// policy is what a module must be like to be compiled.
func policy(limits vet.Limits) vet.Policy {
	return vet.Policy{
		Limits: limits,
		Module: abi.Module,
		Import: importType,
		Memory: abi.ExportMemory,

		Command:  abi.ExportStart,
		Manifest: abi.ManifestSection,
		Exports: map[string]binary.FuncType{
			abi.ExportDescribe: {Results: []byte{i64}},
			abi.ExportAlloc:    {Params: []byte{i32}, Results: []byte{i32}},
		},
	}
}

// importType returns the type of a function that guests may import.
func importType(module, name string) (t binary.FuncType, known bool) {
	var f hostFunction
	switch module {
	case abi.Module:
		f, known = hostFunctions[name]
	case wasiModule:
		f, known = wasiFunctions[name]
	}
	return binary.FuncType{Params: f.params, Results: f.results}, known
}

// vetExport refuses a module without a function that its manifest calls for.
func vetExport(exports map[string]api.FunctionDefinition, name string, want binary.FuncType) error {
	f, ok := exports[name]
	if !ok {
		return refuse("export_missing", "it exports no function %s %s", name, vet.Signature(want))
	}
	got := binary.FuncType{Params: f.ParamTypes(), Results: f.ResultTypes()}
	if vet.Signature(got) != vet.Signature(want) {
		return refuse("export_signature", "it exports %s as %s: want %s", name, vet.Signature(got), vet.Signature(want))
	}
	return nil
}
