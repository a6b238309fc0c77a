// Package registrytest makes small plugins of any name and version for tests, in
// microseconds: no compiler is needed.
package registrytest

import (
	"cmp"
	"fmt"
	"strings"

	"thresher/plugins/abi"
	"thresher/plugins/hostile"
)

// Plugin is a plugin with one routine, run, whose result is {"version": …}, and its
// salt if it has any.
type Plugin struct {
	Name    string // default "probe"
	Version string // default "1.0.0"
	Salt    string // other bytes with the same name and version
	Params  string // the schema of its params; default: of any object
	// Example is the result that its example wants; default the one that comes.
	Example string
	Times   int  // it has its example so many times; default 1
	Crashes bool // its routine does
	Bare    bool // it has no example
	Data    int  // bytes that its memory has beside
	Steps   int  // that its routine counts before it answers; a hundred million take a moment
}

// Routine is what its routine is called.
func (p Plugin) Routine() string { return cmp.Or(p.Name, "probe") + "/run" }

// Result is what its routine answers.
func (p Plugin) Result() string {
	if p.Salt != "" {
		return fmt.Sprintf(`{"version":%q,"salt":%q}`, cmp.Or(p.Version, "1.0.0"), p.Salt)
	}
	return fmt.Sprintf(`{"version":%q}`, cmp.Or(p.Version, "1.0.0"))
}

// Wasm is its module.
func (p Plugin) Wasm() []byte {
	example := fmt.Sprintf(`{"name":"answers","result":%s}`, cmp.Or(p.Example, p.Result()))
	if p.Crashes {
		example = `{"name":"crashes","error":"guest_trap"}`
	}
	for n := 2; n <= p.Times; n++ {
		example += fmt.Sprintf(`,{"name":"answers_%d","result":%s}`, n, cmp.Or(p.Example, p.Result()))
	}
	if p.Bare {
		example = ""
	}
	manifest := fmt.Sprintf(`{"name":%q,"version":%q,"summary":%q,"routines":[{"name":"run","kind":"analysis","title":"Probe","params":%s,"examples":[%s]}]}`,
		cmp.Or(p.Name, "probe"), cmp.Or(p.Version, "1.0.0"), p.Salt, cmp.Or(p.Params, `{"type":"object"}`), example)
	result := p.Result()
	run := hostile.Code(hostile.I32Const(1024+int32(len(manifest))), hostile.I32Const(int32(len(result))), hostile.Call(0), hostile.I32Const(0))
	if p.Crashes {
		run = []byte{0x00} // unreachable
	}
	if p.Steps > 0 {
		run = hostile.Code(countDown(p.Steps), run)
	}
	return hostile.Module{
		Imports:  []hostile.Function{{Module: abi.Module, Name: "result_write", Params: []byte{hostile.I32, hostile.I32}}},
		Manifest: manifest + result + strings.Repeat("x", p.Data), Pages: uint32((len(manifest)+len(result)+p.Data)>>16 + 2), Describe: hostile.I64Const(1024<<32 | int64(len(manifest))), Run: run,
	}.Encode()
}

// countDown counts down from n in memory.
func countDown(n int) []byte {
	left := hostile.Code(hostile.I32Const(8), []byte{0x28, 2, 0}) // i32.load
	return hostile.Code(
		hostile.Store(8, int32(n)),
		[]byte{0x03, 0x40},                                                       // loop
		hostile.I32Const(8), left, hostile.I32Const(1), []byte{0x6b, 0x36, 2, 0}, // i32.sub, i32.store
		left, []byte{0x0d, 0, 0x0b}, // br_if, end
	)
}
