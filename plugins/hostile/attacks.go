package hostile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"thresher/core/job"
)

// Attack is something that a module tries to do to its host. docs/attacks.md lists
// them all.
type Attack struct {
	Name string
	Does string
	// Code is how it ends: that of the refusal or of the failed job, or None.
	Code string
	// Refused: the module is not loaded. Otherwise its routine, attack, is run.
	Refused bool
	Wasm    []byte
	// Limits of its job that differ from those of most attacks: see [Attack.Budget].
	Limits job.Limits
	// Params of its job. Where they are refused, that is how it ends.
	Params json.RawMessage
}

// None is the Code of an attack that comes to nothing: its job completes.
const None = "none"

// Budget is what the job of the attack may use.
func (a Attack) Budget() job.Limits {
	return job.Limits{
		MemoryBytes: 16 << 20, OutputBytes: 1 << 20, LogBytes: 64 << 10,
		WallSeconds: cmp.Or(a.Limits.WallSeconds, 120),
		CPUSeconds:  cmp.Or(a.Limits.CPUSeconds, 60),
		Gas:         cmp.Or(a.Limits.Gas, 10_000_000),
		Artifacts:   cmp.Or(a.Limits.Artifacts, 8),
	}
}

// Attacks returns all of them. Each is a plugin of another name, so that they can be
// loaded side by side.
func Attacks() []Attack {
	all := slices.Concat(bombs(), malformed(), declares(), starts(), manifests(), crashes(), endless(), unpaid(), floods(), hostWork(), records(), breaches(), sent(), tables())
	for i := range all {
		all[i].Wasm = bytes.Replace(all[i].Wasm, []byte(`"name":"forged"`), fmt.Appendf(nil, `"name":"a%05d"`, i), 1)
	}
	return all
}

// refused are attacks whose modules are not loaded.
func refused(code string, all ...Attack) []Attack {
	for i := range all {
		all[i].Refused = true
		if all[i].Code == "" {
			all[i].Code = code
		}
	}
	return all
}

// ending are attacks that end their jobs with a code, unless they have one.
func ending(code string, all ...Attack) []Attack {
	for i := range all {
		if all[i].Code == "" {
			all[i].Code = code
		}
	}
	return all
}

// runs is a module that does something when it is run, then returns 0.
func runs(code ...[]byte) []byte { return Module{Run: Code(Code(code...), I32Const(0))}.Encode() }

// Forever does something again and again, without an end.
func Forever(code ...[]byte) []byte {
	return Code([]byte{0x03, 0x40}, Code(code...), []byte{0x0c, 0, 0x0b, 0x00})
}

// repeat is a number of copies of code.
func repeat(n int, code ...[]byte) (all []byte) {
	one := Code(code...)
	for range n {
		all = append(all, one...)
	}
	return all
}

// calling is a module that calls a function for ever, after code that is run once.
func calling(f Function, setup []byte, args ...[]byte) []byte {
	code := Code(Code(args...), Call(0), repeat(len(f.Results), Drop))
	return Module{Imports: []Function{f}, Pages: 200, Run: Code(setup, Forever(code))}.Encode()
}

// saying is a module with a text in its memory, behind its manifest, and one import.
func saying(text string, f Function, run func(at, n int32) []byte) []byte {
	manifest := Manifest("analysis")
	return Module{
		Imports: []Function{f}, Manifest: manifest + text, Pages: uint32(1 + (len(text)+4096)>>16),
		Describe: I64Const(1024<<32 | int64(len(manifest))),
		Run:      Code(run(int32(1024+len(manifest)), int32(len(text))), I32Const(0)),
	}.Encode()
}

// host is a function of the contract, wasi one of WASI.
func host(name string, results []byte, params ...byte) Function {
	return Function{Module: "thresher", Name: name, Params: params, Results: results}
}

func wasi(name string, params ...byte) Function {
	return Function{Module: "wasi_snapshot_preview1", Name: name, Params: params, Results: []byte{I32}}
}

var exit = Function{Module: "wasi_snapshot_preview1", Name: "proc_exit", Params: []byte{I32}}
