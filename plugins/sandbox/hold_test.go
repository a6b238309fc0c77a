package sandbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/table"
	"thresher/plugins/hostile"
)

// forgedProgram returns a program of WASI that calls a function once, if it is given one.
func forgedProgram(t testing.TB, name string, args []byte) []byte {
	t.Helper()
	if name == "" {
		return hostile.Program(nil, []byte{0x01})
	}
	f := importOf(t, name)
	return hostile.Program([]hostile.Function{f}, hostile.Code(args, hostile.Call(0), hostile.Drop))
}

// What the host makes for a guest is held against the guest's limit before it is made,
// on the way into a job, in it, and on the way out.
func TestWhatTheHostMakesCountsAsTheGuestsMemory(t *testing.T) {
	t.Parallel()
	var wide strings.Builder
	for i := range 400 {
		fmt.Fprintf(&wide, "%s%d,", strings.Repeat("c", 1000), i)
	}
	in := sealed(t, wide.String()+"end\n"+strings.Repeat("1,", 400)+"1\n")
	const megabyte = 1 << 20
	for name, c := range map[string]struct {
		module hostile.Module
		inputs map[string]*table.File
		what   string
	}{
		"call_info": {
			hostile.Module{Imports: []hostile.Function{importOf(t, "call_info")},
				Run: hostile.Code(hostile.I32Const(0), hostile.I32Const(0), hostile.Call(0), hostile.Drop, hostile.I32Const(0))},
			map[string]*table.File{"a": in, "b": in, "c": in}, "the call info"},
		"result": {
			hostile.Module{Imports: []hostile.Function{importOf(t, "result_write")}, Pages: 11,
				Run: hostile.Code(bulk(11, 0, '1', 10*pageSize), hostile.I32Const(0), hostile.I32Const(10*pageSize), hostile.Call(0), hostile.I32Const(0))},
			nil, "the result"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, digest := forge(t, c.module)
			call, _ := forgedCall(t, digest)
			call.Inputs, call.Limits.MemoryBytes = c.inputs, megabyte
			report, err := h.Run(t.Context(), call)
			failed := failure(t, err)
			assert.Equal(t, "memory_limit", failed.Code, failed)
			assert.Contains(t, failed.Detail, "limit 1048576 bytes")
			assert.Contains(t, failed.Detail, c.what)
			assert.LessOrEqual(t, report.PeakMemoryBytes, int64(megabyte))
			call.Limits.MemoryBytes = 16 << 20
			report, err = h.Run(t.Context(), call)
			require.NoError(t, err, "with more memory it gets through")
			assert.Greater(t, report.PeakMemoryBytes, int64(megabyte), "and what the host made is counted")
		})
	}
}

// What a program is given and writes is its job's memory too, and its gas.
func TestWhatAProgramIsGivenAndWritesIsHeldAndPaid(t *testing.T) {
	t.Parallel()
	manifest := func(more string) string {
		return `{"name":"p","version":"1.0.0","summary":"","routines":[{"name":"p","kind":"analysis","title":"",` + more + `}]}`
	}
	long := `{"x":"` + strings.Repeat("a", 100_000) + `"}`
	const filled = `"params":{"type":"object","properties":{"x":{"type":"string"}}},"args":["{x}{x}{x}{x}{x}"],"stdout":"text"`
	fdWrite := hostile.Code(hostile.I32Const(7), hostile.Grow, hostile.Drop, hostile.Store(0, 16), hostile.Store(4, 6*pageSize), hostile.I32Const(1), hostile.I32Const(0), hostile.I32Const(1), hostile.I32Const(8))
	for name, c := range map[string]struct {
		wasm     []byte
		manifest string
		params   string
		limits   job.Limits
		code     string
	}{
		"arguments":            {forgedProgram(t, "", nil), manifest(filled), long, job.Limits{MemoryBytes: 1 << 20}, "memory_limit"},
		"arguments_are_paid":   {forgedProgram(t, "", nil), manifest(filled), long, job.Limits{MemoryBytes: 16 << 20, Gas: 10_000}, "gas_limit"},
		"arguments_too_long":   {forgedProgram(t, "", nil), manifest(filled), `{"x":"` + strings.Repeat("a", 250_000) + `"}`, job.Limits{MemoryBytes: 16 << 20}, "abi_violation"},
		"arguments_that_fit":   {forgedProgram(t, "", nil), manifest(filled), long, job.Limits{MemoryBytes: 16 << 20}, ""},
		"output":               {forgedProgram(t, "fd_write", fdWrite), manifest(`"params":{},"stdout":"text"`), `{}`, job.Limits{MemoryBytes: 9 * pageSize}, "memory_limit"},
		"output_that_fits":     {forgedProgram(t, "fd_write", fdWrite), manifest(`"params":{},"stdout":"text"`), `{}`, job.Limits{MemoryBytes: 16 << 20}, ""},
		"output_as_JSON_grows": {forgedProgram(t, "fd_write", fdWrite), manifest(`"params":{},"stdout":"text"`), `{}`, job.Limits{MemoryBytes: 1 << 20}, "memory_limit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, digest, err := commandHost(t, c.wasm, c.manifest)
			require.NoError(t, err)
			call, _ := commandCall(t, digest, "p", c.params, nil)
			c.limits.OutputBytes, c.limits.LogBytes = 32<<20, 1<<20
			call.Limits = c.limits
			report, err := h.Run(t.Context(), call)
			assert.LessOrEqual(t, report.PeakMemoryBytes, c.limits.MemoryBytes)
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, c.code, failure(t, err).Code, err)
		})
	}
}
