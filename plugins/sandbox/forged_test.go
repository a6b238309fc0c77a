package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/core/jsonsize"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/abi"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/hostile"
)

// forge returns a host with a forged plugin.
func forge(t testing.TB, m hostile.Module) (*Host, string) {
	t.Helper()
	h, err := New(t.Context(), Config{CacheDir: guesttest.CacheDir(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close(context.Background())) })
	return h, forgeOn(t, h, m)
}

// forgeOn loads a forged plugin on a host that is there.
func forgeOn(t testing.TB, h *Host, m hostile.Module) (digest string) {
	t.Helper()
	p, err := h.Load(t.Context(), m.Encode(), false)
	require.NoError(t, err)
	return p.Digest
}

func forgedCall(t *testing.T, digest string) (work.Call, *recorder) {
	r := newRecorder(t)
	return work.Call{
		Job: "J", Digest: digest, Routine: "attack", Kind: routine.Analysis, Params: json.RawMessage(`{}`), Host: r,
		Limits: job.Limits{MemoryBytes: 16 << 20, OutputBytes: 1 << 20, LogBytes: 1 << 20},
	}, r
}

// attackWith runs a forged plugin's only routine.
func attackWith(t *testing.T, m hostile.Module) (work.Report, error) {
	t.Helper()
	h, digest := forge(t, m)
	c, _ := forgedCall(t, digest)
	return h.Run(t.Context(), c)
}

func failure(t *testing.T, err error) *job.Error {
	t.Helper()
	var failed *job.Error
	require.ErrorAs(t, err, &failed)
	return failed
}

// imported declares a host function as a module imports it.
func imported(module, name string, f hostFunction) hostile.Function {
	return hostile.Function{Module: module, Name: name, Params: bytesOf(f.params), Results: bytesOf(f.results)}
}

func bytesOf(types []api.ValueType) (out []byte) { return append(out, types...) }

// Every function that a guest may import is called with the worst arguments of
// each type: none may do more than end the job, or answer with an error.
func TestNoHostFunctionTrustsItsArguments(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), Config{CacheDir: guesttest.CacheDir(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close(context.Background())) })
	for module, functions := range imports {
		for name, f := range functions {
			for _, worst := range []int64{-1, math.MinInt32, math.MaxInt32, 65_535, 0} {
				t.Run(fmt.Sprintf("%s/%d", name, worst), func(t *testing.T) {
					t.Parallel()
					digest := forgeOn(t, h, hostile.Module{
						Imports: []hostile.Function{imported(module, name, f)},
						Run:     callWith(f, worst),
					})
					c, _ := forgedCall(t, digest)
					_, err := h.Run(t.Context(), c)
					if err != nil {
						assert.Contains(t, []string{"abi_violation", "guest_exit"}, failure(t, err).Code)
					}
				})
			}
		}
	}
}

// argumentsFor pushes one value as every argument.
func argumentsFor(f hostFunction, arg int64) (code []byte) {
	for _, p := range f.params {
		switch p {
		case i32:
			code = append(code, hostile.I32Const(int32(arg))...)
		case i64:
			code = append(code, hostile.I64Const(arg)...)
		default:
			code = append(code, hostile.F64Const(math.NaN())...)
		}
	}
	return code
}

func callWith(f hostFunction, arg int64) []byte {
	code := argumentsFor(f, arg)
	code = append(code, hostile.Call(0)...)
	for range f.results {
		code = append(code, hostile.Drop...)
	}
	return append(code, hostile.I32Const(0)...)
}

func TestForgedAttacksEndTheirJobWithAReason(t *testing.T) {
	t.Parallel()
	result := imported(abi.Module, "result_write", hostFunctions["result_write"])
	for name, c := range map[string]struct {
		module hostile.Module
		code   string
		says   string
	}{
		"unreachable":   {hostile.Module{Run: hostile.Unreachable}, "guest_trap", "unreachable"},
		"native_stack":  {hostile.Module{Run: hostile.Code(hostile.LocalGet0, hostile.Call(hostile.Self(0)))}, "stack_limit", "limit 8388608 bytes of stack; the next call needed 102 and there were "},
		"status_7":      {hostile.Module{Run: hostile.I32Const(7)}, "abi_violation", "status 7"},
		"run_says_more": {hostile.Module{Run: hostile.I32Const(1)}, "abi_violation", "status 1"},
		"fails_mutely":  {hostile.Module{Run: hostile.I32Const(-1)}, "guest_error", ""},
		"not_json": {hostile.Module{Imports: []hostile.Function{result},
			Run: hostile.Code(hostile.I32Const(1025), hostile.I32Const(5), hostile.Call(0), hostile.I32Const(0))}, "abi_violation", "not JSON"},
		"result_too_large": {hostile.Module{Imports: []hostile.Function{result}, Pages: 32,
			Run: hostile.Code(hostile.I32Const(0), hostile.I32Const(2<<20), hostile.Call(0), hostile.I32Const(0))}, "output_limit", "1048576"},
		"dies_after_a_refused_grow": {hostile.Module{
			Run: hostile.Code(hostile.I32Const(60_000), hostile.Grow, hostile.Drop, hostile.Unreachable)}, "memory_limit", "limit 16777216"},
		"fails_after_a_refused_grow": {hostile.Module{
			Run: hostile.Code(hostile.I32Const(60_000), hostile.Grow, hostile.Drop, hostile.I32Const(-1))}, "guest_error", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := attackWith(t, c.module)
			failed := failure(t, err)
			assert.Equal(t, c.code, failed.Code, failed)
			assert.Contains(t, failed.Detail, c.says)
			assert.Nil(t, report.Result)
		})
	}
}

// A guest may ask for too much and manage without.
func TestARefusedGrowAloneIsNoFailure(t *testing.T) {
	t.Parallel()
	_, err := attackWith(t, hostile.Module{
		Run: hostile.Code(hostile.I32Const(60_000), hostile.Grow, hostile.Drop, hostile.I32Const(0))})
	assert.NoError(t, err)
}

// A batch whose columns all point at the same memory is small in the guest and
// large in the host: it must be refused before it is copied.
func TestOverlappingColumnsAreChargedBeforeTheyAreCopied(t *testing.T) {
	t.Parallel()
	const columns, rows, at, buffers = 1000, 100_000, 4 << 20, 5 << 20
	described := make([]string, columns)
	var code []byte
	for i := range columns {
		described[i] = fmt.Sprintf(`{"name":"c%d","type":"int64"}`, i)
		code = append(code, hostile.Store(int32(buffers+abi.BuffersSize*i+8), 0)...)
		code = append(code, hostile.Store(int32(buffers+abi.BuffersSize*i+12), rows*8)...)
	}
	// The manifest's data segment also carries the columns: as its tail.
	schema := "[" + strings.Join(described, ",") + "]"
	manifest := hostile.Manifest("analysis")
	code = append(code, hostile.Code(
		hostile.I32Const(at+2), hostile.I32Const(4), // name: four letters of the manifest
		hostile.I32Const(at+int32(len(manifest))), hostile.I32Const(int32(len(schema))),
		hostile.I64Const(rows), hostile.I32Const(buffers), hostile.Call(0), hostile.I32Const(0))...)
	h, digest := forge(t, hostile.Module{
		Imports:  []hostile.Function{imported(abi.Module, "table_append", hostFunctions["table_append"])},
		Manifest: manifest + schema,
		Describe: hostile.I64Const(at<<32 | int64(len(manifest))),
		DataAt:   at, Pages: 100, Run: code,
	})
	c, r := forgedCall(t, digest)
	c.Limits.OutputBytes = 4 << 20
	_, err := h.Run(t.Context(), c)
	assert.Equal(t, "output_limit", failure(t, err).Code)
	assert.Empty(t, r.tables, "nothing was handed on")
}

func TestMemoryIsGivenBackHoweverACallEnds(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]hostile.Module{
		"returns":                  {},
		"traps":                    {Run: hostile.Unreachable},
		"start_traps":              {Start: hostile.Unreachable},
		"data_outside_of_memory":   {DataAt: 65_530},
		"describe_would_not_do_it": {Describe: hostile.I64Const(-1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := New(t.Context(), Config{})
			require.NoError(t, err)
			defer h.Close(context.Background())
			loaded, err := h.compile(t.Context(), m.Encode(), digestOf(m.Encode()), &Report{})
			require.NoError(t, err)
			defer h.unload(context.Background(), loaded)
			f, err := memoryFile()
			require.NoError(t, err)
			defer f.Close()
			k := newCall(work.Call{Host: mute{}, Limits: job.Limits{MemoryBytes: 1 << 20}})
			_ = h.with(t.Context(), loaded, k, func(ctx context.Context, guest api.Module) error {
				if err := initialise(ctx, loaded, k, guest, f); err != nil {
					return err
				}
				return run(ctx, guest, abi.ExportRun, 0)
			})
			assert.Positive(t, k.peak, "it had some")
			assert.Nil(t, k.memory.reserved)
		})
	}
}

// A panic of the host's own while a guest is set up or run costs that job only.
func TestAHostsPanicEndsOneJob(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, hostile.Module{
		Imports: []hostile.Function{imported(abi.Module, "log", hostFunctions["log"])},
		Run:     hostile.Code(hostile.I32Const(0), hostile.I32Const(1), hostile.Call(0), hostile.I32Const(0)),
	})
	c, r := forgedCall(t, digest)
	r.onCall = func(int) error { panic("a bug") }
	_, err := h.Run(t.Context(), c)
	require.ErrorContains(t, err, "a bug")
	var failed *job.Error
	assert.False(t, errors.As(err, &failed), "a fault of the host is not the guest's")
	c.Host = mute{}
	err = h.with(t.Context(), h.module(digest), newCall(c), func(context.Context, api.Module) error { panic("outside") })
	require.ErrorContains(t, err, "outside")
	_, err = h.Run(t.Context(), c)
	assert.NoError(t, err, "the next job is not the worse for it")
}

// How a call ended is decided by who ended it: a guest that returned in the same
// moment changes nothing.
func TestAnEndedContextComesBeforeWhatTheGuestSays(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, hostile.Module{
		Imports: []hostile.Function{imported(wasiModule, "sched_yield", wasiFunctions["sched_yield"])},
		Run:     hostile.Code(hostile.Call(0), hostile.Drop, hostile.I32Const(-1)),
	})
	c, r := forgedCall(t, digest)
	why := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	r.onCall = func(int) error { cancel(why); return nil }
	_, err := h.Run(ctx, c)
	assert.Equal(t, why, err)
}

// The gate's answer is what Run returns, as it is, even after a refused grow.
func TestTheGatesRefusalIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, hostile.Module{
		Imports: []hostile.Function{imported(wasiModule, "sched_yield", wasiFunctions["sched_yield"])},
		Run:     hostile.Code(hostile.I32Const(60_000), hostile.Grow, hostile.Drop, hostile.Call(0)),
	})
	c, r := forgedCall(t, digest)
	why := errors.New("handed back")
	r.onCall = func(int) error { return why }
	_, err := h.Run(t.Context(), c)
	assert.Equal(t, why, err)
}

// What a guest says of itself ends up in the job's record: it must stay small.
func TestWordsOfAGuestAreBounded(t *testing.T) {
	t.Parallel()
	words := strings.Repeat("é\x1b", 20_000)
	manifest := hostile.Manifest("analysis")
	_, err := attackWith(t, hostile.Module{
		Imports:  []hostile.Function{imported(abi.Module, "fail", hostFunctions["fail"])},
		Manifest: manifest + words, Pages: 4,
		Describe: hostile.I64Const(1024<<32 | int64(len(manifest))),
		Run: hostile.Code(hostile.I32Const(1024+int32(len(manifest))), hostile.I32Const(int32(len(words))),
			hostile.Call(0), hostile.I32Const(-1)),
	})
	failed := failure(t, err)
	assert.Equal(t, "guest_error", failed.Code)
	assert.LessOrEqual(t, len(failed.Detail), 4096+3)
	assert.NotContains(t, failed.Detail, "\x1b", "control characters would reach terminals")
}

// The stack of a crash shows functions by names that the guest chose: they are cut, and
// where the crash was stays.
func TestTheStackOfACrashIsBounded(t *testing.T) {
	t.Parallel()
	down := hostile.Code(hostile.LocalGet0, []byte{0x45, 0x04, 0x40, 0x00, 0x0b}, // unreachable at 0
		hostile.LocalGet0, hostile.I32Const(1), []byte{0x6b}, hostile.Call(hostile.Further(0, 0)))
	for name, character := range map[string]string{"plain": "f", "escaped": "<", "wide": "é"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := attackWith(t, hostile.Module{
				Name: strings.Repeat(character, 20_000), More: [][]byte{down},
				Run: hostile.Code(hostile.I32Const(60), hostile.Call(hostile.Further(0, 0))),
			})
			failed := failure(t, err)
			assert.Equal(t, "guest_trap", failed.Code)
			require.Greater(t, len(failed.Stack), 20)
			assert.LessOrEqual(t, len(failed.Stack), job.MaxFrames)
			for _, frame := range failed.Stack[:20] {
				assert.True(t, strings.HasPrefix(frame, character), frame)
				assert.True(t, strings.HasSuffix(frame, jsonsize.Mark), frame)
				assert.LessOrEqual(t, jsonsize.String(frame)-2, job.MaxFrame)
			}
		})
	}
}

func TestAFrameKeepsTheBeginningOfItsFunctionAndTheEndOfItsPlace(t *testing.T) {
	t.Parallel()
	_, stack := splitStack("wasm error: unreachable\nwasm stack trace:\n\t." + strings.Repeat("<", 1000) + "(i32)\n\t\t0x10: /" +
		strings.Repeat("src/", 200) + "main.rs:12:5\n\t.run(i32) i32")
	require.Len(t, stack, 2)
	assert.True(t, strings.HasPrefix(stack[0], "<<<"), stack[0])
	assert.Contains(t, stack[0], jsonsize.Mark+" at "+jsonsize.Mark)
	assert.True(t, strings.HasSuffix(stack[0], "src/main.rs:12:5"), stack[0])
	assert.LessOrEqual(t, jsonsize.String(stack[0])-2, job.MaxFrame)
	assert.Equal(t, "run(i32) i32", stack[1])
}

// The kind is the manifest's: a call that says otherwise does not crash the host.
func TestTheManifestDecidesTheKind(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, hostile.Module{Without: abi.ExportInit})
	c, _ := forgedCall(t, digest)
	c.Kind = routine.Simulation
	_, err := h.Run(t.Context(), c)
	assert.NoError(t, err)
}

func TestForgedModulesAreRefusedByName(t *testing.T) {
	t.Parallel()
	with := func(manifest string) hostile.Module { return hostile.Module{Manifest: manifest} }
	edit := func(old, replacement string) hostile.Module {
		return with(strings.Replace(hostile.Manifest("analysis"), old, replacement, 1))
	}
	for name, c := range map[string]struct {
		module hostile.Module
		code   string
	}{
		"imports_a_global":       {hostile.Module{Globals: []string{"g"}}, "import_unknown"},
		"imports_another_module": {hostile.Module{Imports: []hostile.Function{{Module: "env", Name: "exec"}}}, "import_unknown"},
		"import_of_wrong_type":   {hostile.Module{Imports: []hostile.Function{{Module: abi.Module, Name: "log"}}}, "import_signature"},
		"no_memory":              {hostile.Module{Without: abi.ExportMemory}, "export_missing"},
		"no_run":                 {hostile.Module{Without: abi.ExportRun}, "export_missing"},
		"no_step":                {hostile.Module{Without: abi.ExportStep, Manifest: hostile.Manifest("simulation")}, "export_missing"},
		"describe_outside":       {hostile.Module{Describe: hostile.I64Const(-1)}, "describe_failed"},
		"describe_traps":         {hostile.Module{Describe: hostile.Unreachable}, "describe_failed"},
		"start_traps":            {hostile.Module{Start: hostile.Unreachable}, "describe_failed"},
		"needs_too_much_memory":  {hostile.Module{Pages: 16_000}, "describe_failed"},
		"declares_too_much":      {hostile.Module{Pages: 60_000}, "limit_memory_min"},
		"no_describe":            {hostile.Module{Without: abi.ExportDescribe}, "export_missing"},
		"imports_a_later_abi":    {hostile.Module{Imports: []hostile.Function{{Module: abi.Module + "/2", Name: "log"}}}, "abi_version"},
		"imports_the_tick":       {hostile.Module{Imports: []hostile.Function{{Module: "thresher:host", Name: "tick", Params: []byte{hostile.I64}}}}, "import_unknown"},
		"not_json":               {with("{"), "manifest_invalid"},
		"trailing_data":          {with(hostile.Manifest("analysis") + "{}"), "manifest_invalid"},
		"unknown_field":          {edit(`"summary"`, `"extra"`), "manifest_invalid"},
		"path_as_name":           {edit("forged", "../forged"), "manifest_invalid"},
		"version_1":              {edit("1.0.0", "1"), "manifest_invalid"},
		"two_of_a_name":          {edit(`}]}`, `},{"name":"attack","kind":"analysis","title":"","params":{}}]}`), "manifest_invalid"},
		"kind":                   {with(hostile.Manifest("virus")), "manifest_invalid"},
		"schema_reads_a_file":    {edit(`{"type":"object"}`, `{"$ref":"file:///etc/passwd"}`), "manifest_invalid"},
		"schema_is_a_number":     {edit(`{"type":"object"}`, `5`), "manifest_invalid"},
		"input_named_by_a_path":  {edit(`"title":""`, `"title":"","inputs":[{"name":"../x"}]`), "manifest_invalid"},
		"two_inputs_of_a_name":   {edit(`"title":""`, `"title":"","inputs":[{"name":"x"},{"name":"x"}]`), "manifest_invalid"},
		"column_of_no_type":      {edit(`"title":""`, `"title":"","inputs":[{"name":"x","columns":[{"name":"c","type":"blob"}]}]`), "manifest_invalid"},
		"output_named_by_a_path": {edit(`"title":""`, `"title":"","outputs":[{"name":"a/b"}]`), "manifest_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := New(t.Context(), Config{CacheDir: guesttest.CacheDir(t)})
			require.NoError(t, err)
			defer h.Close(context.Background())
			_, err = h.Load(t.Context(), c.module.Encode(), false)
			var refused *Refusal
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, c.code, refused.Code, refused)
		})
	}
}

// A caller that gives up is not told that the module is at fault.
func TestGivingUpOnALoadIsNoRefusal(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), Config{})
	require.NoError(t, err)
	defer h.Close(context.Background())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.Load(ctx, hostile.Module{Start: hostile.LoopForever}.Encode(), false)
	assert.ErrorIs(t, err, context.Canceled)
	var refused *Refusal
	assert.False(t, errors.As(err, &refused))
}

func TestTheNewestVersionComesFirstAndOnesOwnBeforeTheBuiltin(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), Config{})
	require.NoError(t, err)
	defer h.Close(context.Background())
	load := func(version string, size int32, builtin bool) string {
		m := hostile.Module{Manifest: strings.Replace(hostile.Manifest("analysis"), "1.0.0", version, 1), Run: hostile.I32Const(size)}
		p, err := h.Load(t.Context(), m.Encode(), builtin)
		require.NoError(t, err)
		return p.Digest
	}
	old, newest := load("0.9.0", 0, false), load("0.10.0", 0, false)
	shipped := load("0.9.0", 1, true)
	var digests []string
	for _, p := range h.List() {
		digests = append(digests, p.Digest)
	}
	assert.Equal(t, []string{newest, old, shipped}, digests)
}

// What could not be checked at submit, because another job was still to write it,
// is checked before the routine runs.
func TestAnInputThatDoesNotFitEndsTheJob(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, hostile.Module{Manifest: strings.Replace(hostile.Manifest("analysis"), `"title":""`,
		`"title":"","inputs":[{"name":"data","min_rows":3,"columns":[{"name":"a","type":"number"}]}]`, 1)})
	for text, says := range map[string]string{"a\n1\n2\n": "at least 3", "b\n1\n2\n3\n": `no column "a"`, "a\n1\n2\n3\n": ""} {
		sealed, err := table.Import(t.Context(), strings.NewReader(text), table.CSV, t.TempDir(), nil)
		require.NoError(t, err)
		f, err := table.Open(sealed.Path)
		require.NoError(t, err)
		c, _ := forgedCall(t, digest)
		c.Inputs = map[string]*table.File{"data": f}
		_, err = h.Run(t.Context(), c)
		require.NoError(t, f.Close())
		if says == "" {
			assert.NoError(t, err)
			continue
		}
		assert.Equal(t, "input_mismatch", failure(t, err).Code)
		assert.ErrorContains(t, err, says)
	}
}

// However much a job may put out: what is handed over at once is read to its end before
// the job can be paused or ended.
func TestWhatIsHandedOverInOneCallIsBounded(t *testing.T) {
	t.Parallel()
	const size = maxHandOver + 1
	h, digest := forge(t, hostile.Module{
		Imports: []hostile.Function{imported(abi.Module, "result_write", hostFunctions["result_write"])}, Pages: size/65536 + 2,
		Run: hostile.Code(hostile.I32Const(0), hostile.I32Const(size), hostile.Call(0), hostile.I32Const(0)),
	})
	c, _ := forgedCall(t, digest)
	c.Limits.OutputBytes, c.Limits.MemoryBytes = 1<<30, 64<<20
	_, err := h.Run(t.Context(), c)
	failed := failure(t, err)
	assert.Equal(t, "output_limit", failed.Code)
	assert.Contains(t, failed.Detail, fmt.Sprintf("the result has %d bytes; limit %d bytes in one call", size, maxHandOver))
}
