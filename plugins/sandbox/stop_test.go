package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/core/work"
	"thresher/plugins/abi"
	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/rewrite"
)

// bulk pushes three numbers and does fill (11) or copy (10) with them.
func bulk(op byte, a, b, c uint32) []byte {
	code := hostile.Code(hostile.I32Const(int32(a)), hostile.I32Const(int32(b)), hostile.I32Const(int32(c)), []byte{0xfc, op, 0})
	if op == 10 {
		code = append(code, 0)
	}
	return code
}

// neverEnding are guests that would run for ever, or as good as.
func neverEnding() map[string]hostile.Module {
	self := hostile.Call(hostile.Self(0))
	clock := imported(wasiModule, "clock_time_get", wasiFunctions["clock_time_get"])
	sleep := imported(wasiModule, "poll_oneoff", wasiFunctions["poll_oneoff"])
	const gigabyte = 1 << 30
	return map[string]hostile.Module{
		"counting_loop": {Run: hostile.Forever(hostile.I32Const(1), hostile.Drop)},
		"empty_loop":    {Run: hostile.LoopForever},
		// 2^64 calls, 64 deep, and no loop: run(n) = n == 0 ? 0 : run(n-1) + run(n-1).
		"call_tree": {Run: hostile.Code(hostile.LocalGet0, hostile.I32Const(64), []byte{0x46, 0x04, 0x7f}, hostile.I32Const(0), []byte{0x05},
			hostile.LocalGet0, hostile.I32Const(1), []byte{0x6a}, self,
			hostile.LocalGet0, hostile.I32Const(1), []byte{0x6a}, self, []byte{0x6a, 0x0b})},
		"host_calls": {Imports: []hostile.Function{clock},
			Run: hostile.Forever(hostile.I32Const(0), hostile.I64Const(0), hostile.I32Const(8), hostile.Call(0), hostile.Drop)},
		"sleeps": {Imports: []hostile.Function{sleep},
			Run: hostile.Forever(hostile.I32Const(0), hostile.I32Const(512), hostile.I32Const(1), hostile.I32Const(256), hostile.Call(0), hostile.Drop)},
		"fill":        {Pages: gigabyte/pageSize + 1, Run: hostile.Forever(bulk(11, 0, 0, gigabyte))},
		"copy_up":     {Pages: gigabyte/pageSize + 2, Run: hostile.Forever(bulk(10, pageSize, 0, gigabyte))},
		"copy_down":   {Pages: gigabyte/pageSize + 2, Run: hostile.Forever(bulk(10, 0, pageSize, gigabyte))},
		"grow_loop":   {Run: hostile.Forever(hostile.I32Const(1), hostile.Grow, hostile.Drop)},
		"loop_inside": {Run: hostile.Forever([]byte{0x03, 0x40}, hostile.I32Const(1), []byte{0x0d, 0, 0x0b})},
	}
}

// gatekeeper is a Host whose gate does what a test says each time it is asked.
type gatekeeper struct {
	mute
	ask func(ctx context.Context, n int64) error
	n   atomic.Int64
}

func (g *gatekeeper) Gate(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return g.ask(ctx, g.n.Add(1))
}

// prepared loads a forged module that need not be able to describe itself within the
// memory that describing may take.
func prepared(t testing.TB, m hostile.Module) (*Host, *module) {
	t.Helper()
	h, err := New(t.Context(), Config{})
	require.NoError(t, err)
	loaded, err := h.compile(t.Context(), m.Encode(), digestOf(m.Encode()), &Report{})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, h.unload(context.Background(), loaded))
		assert.NoError(t, h.Close(context.Background()))
	})
	return h, loaded
}

func (h *Host) attack(ctx context.Context, m *module, host work.Host, limits job.Limits) (*call, error) {
	limits.MemoryBytes = 2 << 30
	k := newCall(work.Call{Host: host, Limits: limits})
	return k, h.attackBy(ctx, m, k)
}

func (h *Host) attackBy(ctx context.Context, m *module, k *call) error {
	return h.with(ctx, m, k, func(ctx context.Context, guest api.Module) error {
		return run(ctx, guest, abi.ExportRun, 0)
	})
}

// A guest of any kind is stopped: at the third tick that it calls, at the latest.
func TestEveryGuestIsStoppedAtATick(t *testing.T) {
	t.Parallel()
	for name, m := range neverEnding() {
		t.Run(name, func(t *testing.T) {
			h, loaded := prepared(t, m)
			why := errors.New("stopped")
			g := &gatekeeper{ask: func(_ context.Context, n int64) error {
				if n == 3 {
					return why
				}
				return nil
			}}
			_, err := h.attack(t.Context(), loaded, g, job.Limits{})
			assert.Equal(t, why, err)
			assert.Equal(t, int64(3), g.n.Load(), "it got no further")
		})
	}
}

// A guest whose context ends is ended with the reason, whatever it does.
func TestEveryGuestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, m := range neverEnding() {
		t.Run(name, func(t *testing.T) {
			h, loaded := prepared(t, m)
			why := errors.New("the reason")
			ctx, cancel := context.WithCancelCause(t.Context())
			g := &gatekeeper{ask: func(context.Context, int64) error { cancel(why); return nil }}
			_, err := h.attack(ctx, loaded, g, job.Limits{})
			assert.Equal(t, why, err)
		})
	}
}

// Every guest ends by its budgets alone, with the code, the limit and what it used.
func TestEveryGuestEndsByItsBudgets(t *testing.T) {
	t.Parallel()
	free := &gatekeeper{ask: func(context.Context, int64) error { return nil }}
	for name, m := range neverEnding() {
		t.Run(name, func(t *testing.T) {
			h, loaded := prepared(t, m)
			k, err := h.attack(t.Context(), loaded, free, job.Limits{Gas: 3_000_000})
			failed := failure(t, err)
			assert.Equal(t, "gas_limit", failed.Code)
			assert.Contains(t, failed.Detail, "limit 3000000; it had used ")
			assert.LessOrEqual(t, k.meter.spent, uint64(3_000_000))
			_, err = h.attack(t.Context(), loaded, free, job.Limits{CPUSeconds: 0.01})
			failed = failure(t, err)
			assert.Equal(t, "cpu_limit", failed.Code)
			assert.Contains(t, failed.Detail, "limit 0.01 s; it used ")
		})
	}
}

// Recursion ends by the stack, though nothing loops: at the limit, not where the runtime
// would end it, and with the functions that it was in.
func TestADeepRecursionEndsAtTheLimitOfTheStack(t *testing.T) {
	t.Parallel()
	h, loaded := prepared(t, hostile.Module{Run: hostile.Code(hostile.LocalGet0, hostile.Call(hostile.Self(0)))})
	free := &gatekeeper{ask: func(context.Context, int64) error { return nil }}
	_, err := h.attack(t.Context(), loaded, free, job.Limits{})
	failed := failure(t, err)
	assert.Equal(t, "stack_limit", failed.Code)
	assert.Contains(t, failed.Detail, fmt.Sprintf("limit %d bytes of stack; the next call needed ", rewrite.StackBytes))
	assert.Contains(t, failed.Detail, "It had used ", "as of any crash")
	assert.NotEmpty(t, failed.Stack)
	_, err = h.attack(t.Context(), loaded, free, job.Limits{Gas: 1000})
	assert.Equal(t, "gas_limit", failure(t, err).Code)
}

// sum counts down from 300 000 in a loop and adds up, and checks the sum.
func sum() hostile.Module {
	const n = 300_000
	return hostile.Module{Run: hostile.Code(
		hostile.Store(8, n), hostile.Store(16, 0),
		[]byte{0x03, 0x40}, // loop: [16] += [8]; [8] -= 1; while [8] != 0
		hostile.I32Const(16), load(16), load(8), []byte{0x6a, 0x36, 2, 0},
		hostile.I32Const(8), load(8), hostile.I32Const(1), []byte{0x6b, 0x36, 2, 0},
		load(8), []byte{0x0d, 0, 0x0b},
		load(16), hostile.I32Const(int32(uint32(n*(n+1)/2%(1<<32)))), []byte{0x47}, hostile.I32Const(-2), []byte{0x6c},
	)}
}

func load(at int32) []byte { return hostile.Code(hostile.I32Const(at), []byte{0x28, 2, 0}) }

// A guest that is held at a loop goes on where it was.
func TestAPausedGuestGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	h, loaded := prepared(t, sum())
	paused, resume := make(chan struct{}), make(chan struct{})
	g := &gatekeeper{ask: func(_ context.Context, n int64) error {
		if n%3 == 1 { // the first time too: a fast machine asks only a few times
			paused <- struct{}{}
			<-resume
		}
		return nil
	}}
	var held int
	done := make(chan error)
	go func() { _, err := h.attack(t.Context(), loaded, g, job.Limits{}); done <- err }()
	for {
		select {
		case <-paused:
			held++
			runtime.GC() // the guest's thread is not in the way
			resume <- struct{}{}
			continue
		case err := <-done:
			assert.NoError(t, err, "the sum is right")
		}
		break
	}
	assert.Positive(t, held)
}

// A guest that is held is stopped all the same.
func TestAPausedGuestIsStopped(t *testing.T) {
	t.Parallel()
	h, loaded := prepared(t, hostile.Module{Run: hostile.LoopForever})
	why := errors.New("stopped while paused")
	ctx, cancel := context.WithCancelCause(t.Context())
	paused := make(chan struct{})
	g := &gatekeeper{ask: func(ctx context.Context, n int64) error {
		if n == 2 {
			close(paused)
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	}}
	go func() { <-paused; cancel(why) }()
	_, err := h.attack(ctx, loaded, g, job.Limits{})
	assert.Equal(t, why, err)
}

// While guests loop, the collector and other goroutines get their turn.
func TestLoopingGuestsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	h, loaded := prepared(t, hostile.Module{Run: hostile.LoopForever})
	ctx, cancel := context.WithCancel(t.Context())
	free := &gatekeeper{ask: func(context.Context, int64) error { return nil }}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { _, _ = h.attack(ctx, loaded, free, job.Limits{}) })
	}
	for range 20 {
		runtime.GC()
	}
	cancel()
	all.Wait()
}

// What a guest spends does not depend on the clock, on slices or on what else runs,
// and a limit is met at the same instruction: with exactly what is needed it ends well,
// with one less it does not.
func TestGasFollowsFromWhatAGuestDoes(t *testing.T) {
	t.Parallel()
	h, loaded := prepared(t, sum())
	free := &gatekeeper{ask: func(context.Context, int64) error { return nil }}
	k, err := h.attack(t.Context(), loaded, free, job.Limits{})
	require.NoError(t, err)
	want := k.meter.spent
	assert.Greater(t, want, uint64(300_000*10))
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			limits := job.Limits{}
			switch n % 4 {
			case 1:
				limits.Gas = int64(want)
			case 2:
				limits.Gas = int64(want) + int64(n)*1000
			case 3:
				limits.Gas = math.MaxInt64
			}
			k, err := h.attack(t.Context(), loaded, free, limits)
			assert.NoError(t, err)
			assert.Equal(t, want, k.meter.spent)
		})
	}
	all.Wait()
	var spent []uint64
	for range 5 {
		k, err := h.attack(t.Context(), loaded, free, job.Limits{Gas: int64(want) - 1})
		assert.Equal(t, "gas_limit", failure(t, err).Code)
		spent = append(spent, k.meter.spent)
		assert.Less(t, k.meter.spent, want)
		assert.Equal(t, spent[0], k.meter.spent)
	}
}
