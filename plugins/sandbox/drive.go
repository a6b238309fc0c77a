package sandbox

import (
	"bytes"
	"context"

	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/core/work"
	"thresher/plugins/abi"
)

// Guest is an instance whose exports are called one by one: see [Host.Drive]. Its
// methods return what ended the guest as a *[job.Error], or the cause of the context.
// After that it must not be called any more.
type Guest struct {
	ctx   context.Context
	call  *call
	guest api.Module
}

// Drive calls fn with an instance of a loaded plugin, under the limits of a call and
// with its inputs and host. Run is how a job's routine is run; this is for whoever asks
// how a module behaves where a job would not take it.
func (h *Host) Drive(ctx context.Context, c work.Call, fn func(*Guest) error) error {
	m := h.module(c.Digest)
	if m == nil {
		return &job.Error{Code: "plugin_missing", Title: "The plugin is not loaded", Detail: "digest " + c.Digest}
	}
	k := newCall(c)
	return h.with(ctx, m, k, func(ctx context.Context, guest api.Module) error { return fn(&Guest{ctx, k, guest}) })
}

// Describe returns the manifest, as it stands in the guest's memory.
func (g *Guest) Describe() ([]byte, error) {
	at, err := g.export(abi.ExportDescribe)
	if err != nil {
		return nil, err
	}
	text, ok := g.guest.Memory().Read(uint32(at>>32), uint32(at))
	if !ok {
		return nil, violation("the manifest of %d bytes at %d is outside the memory of %d bytes", uint32(at), at>>32, g.MemoryBytes())
	}
	return bytes.Clone(text), nil
}

// Program reports whether the module is a program of WASI, without the contract's exports.
func (g *Guest) Program() bool { return g.guest.ExportedFunction(abi.ExportDescribe) == nil }

// Alloc asks for memory, and returns its address.
func (g *Guest) Alloc(bytes int32) (address uint32, err error) {
	at, err := g.export(abi.ExportAlloc, uint64(uint32(bytes)))
	return uint32(at), err
}

// Fill writes a byte all over a range of the memory. It reports whether the range is
// within it.
func (g *Guest) Fill(address, n uint32, value byte) bool {
	return g.guest.Memory().Write(address, bytes.Repeat([]byte{value}, int(n)))
}

// MemoryBytes is how large the memory is.
func (g *Guest) MemoryBytes() uint32 { return g.guest.Memory().Size() }

// Run calls an analysis by its number, Init a simulation, and Step takes steps of it.
// They return the status as it is.
func (g *Guest) Run(routine int32) (status int32, err error) { return g.status(abi.ExportRun, routine) }
func (g *Guest) Init(routine int32) (status int32, err error) {
	return g.status(abi.ExportInit, routine)
}
func (g *Guest) Step(steps int32) (status int32, err error) { return g.status(abi.ExportStep, steps) }

// Said is what the guest last gave as the reason of a failure.
func (g *Guest) Said() string { return g.call.failed }

// Result is what the guest last wrote as its result; nil: nothing.
func (g *Guest) Result() []byte { return g.call.result }

func (g *Guest) status(export string, argument int32) (int32, error) {
	answer, err := g.export(export, uint64(uint32(argument)))
	return int32(uint32(answer)), err
}

func (g *Guest) export(name string, arguments ...uint64) (uint64, error) {
	f := g.guest.ExportedFunction(name)
	if f == nil {
		return 0, &job.Error{Code: "export_missing", Title: "The plugin exports no such function", Detail: name}
	}
	results, err := g.call.enter(g.ctx, f, arguments...)
	if err != nil {
		return 0, g.call.explain(g.ctx, err)
	}
	return results[0], nil
}
