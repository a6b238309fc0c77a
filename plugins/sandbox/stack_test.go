package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/work"
	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/rewrite"
)

// paces are how long slices of gas may be, which no guest may notice.
var paces = []time.Duration{1, Slice, time.Hour}

// sameAtEveryPace calls something with slices of gas of all lengths, and expects the same
// of it each time.
func sameAtEveryPace(t *testing.T, h *Host, run func() string) {
	t.Helper()
	h.slice = paces[0]
	want := run()
	for _, slice := range paces[1:] {
		h.slice = slice
		assert.Equal(t, want, run(), "with slices of %v", slice)
	}
}

// endless calls a function without an end.
func endless(function uint32) []byte { return hostile.Code(hostile.LocalGet0, hostile.Call(function)) }

// times are instructions for each number from 1 to n.
func times(n int, each func(i int) []byte) (code []byte) {
	for i := 1; i <= n; i++ {
		code = append(code, each(i)...)
	}
	return code
}

func local(op byte, index int) []byte {
	if index < 0x80 {
		return []byte{op, byte(index)}
	}
	return []byte{op, byte(index&0x7f | 0x80), byte(index >> 7)}
}

// deep are modules whose calls are nested without an end, with frames of all sizes.
func deep() map[string]hostile.Module {
	self, further := hostile.Self(0), hostile.Further(0, 0)
	add := []byte{0x6a}
	yield := imported(wasiModule, "sched_yield", wasiFunctions["sched_yield"])
	scaled := func(i int) []byte { return hostile.Code(hostile.LocalGet0, hostile.I32Const(int32(i)), []byte{0x6c}) }
	sum := func(n int) []byte {
		return times(n, func(i int) []byte { return hostile.Code(local(0x20, i), add) })
	}
	kept := times(3000, func(i int) []byte { return hostile.Code(scaled(i), local(0x21, i)) })
	met := times(1900, func(i int) []byte {
		return hostile.Code(hostile.LocalGet0, []byte{0x04, 0x40}, scaled(i), local(0x21, i%300+1), []byte{0x0b})
	})
	looped := times(100, func(i int) []byte {
		return hostile.Code([]byte{0x03, 0x40},
			times(20, func(n int) []byte {
				return hostile.Code(local(0x20, n), hostile.I32Const(int32(i)), add, local(0x21, n))
			}),
			hostile.I32Const(0), []byte{0x0d, 0, 0x0b})
	})
	vectors := hostile.Code(times(2000, func(i int) []byte { return hostile.Code(scaled(i), []byte{0xfd, 17}) }), endless(self),
		[]byte{0xfd, 17}, times(2000, func(int) []byte { return []byte{0xfd, 0xae, 1} }), []byte{0xfd, 27, 0})
	loads := hostile.Code(times(1000, func(i int) []byte {
		return hostile.Code(scaled(0), hostile.I32Const(int32(i)), add, []byte{0x28, 2, 0})
	}),
		endless(self), times(1000, func(int) []byte { return add }))
	return map[string]hostile.Module{
		"itself":            {Run: endless(self)},
		"each other":        {Run: endless(further), More: [][]byte{endless(self)}},
		"through a table":   {Run: hostile.Code(hostile.LocalGet0, hostile.I32Const(0), []byte{0x11, 1, 0}), Table: 1, Filled: true},
		"in a loop":         {Run: hostile.Code([]byte{0x03, 0x40}, endless(self), []byte{0x0d, 0, 0x0b}, hostile.I32Const(0))},
		"past the host":     {Imports: []hostile.Function{yield}, Run: hostile.Code(hostile.Call(0), hostile.Drop, endless(hostile.Self(1)))},
		"locals":            {Run: hostile.Code(kept, endless(self), sum(3000)), Locals: 3000},
		"locals of ifs":     {Run: hostile.Code(met, endless(self), sum(300)), Locals: 300},
		"locals of loops":   {Run: hostile.Code(looped, endless(self), sum(20)), Locals: 20},
		"operands":          {Run: hostile.Code(times(3000, scaled), endless(self), times(3000, func(int) []byte { return add }))},
		"vectors":           {Run: vectors},
		"loads":             {Run: loads},
		"without recursion": chain(130),
	}
}

// chain is a module in which each function calls the next one, and no one calls itself: there
// are more of them than may go uncounted.
func chain(n int) hostile.Module {
	m := hostile.Module{Run: endless(hostile.Further(0, 0))}
	body := func(next uint32) []byte {
		many := bytes.Repeat([]byte{0x67}, 40_000) // i32.clz: each makes a value
		return hostile.Code(hostile.LocalGet0, many, hostile.Call(next))
	}
	for i := range n {
		m.More = append(m.More, body(hostile.Further(0, i+1)))
	}
	m.More = append(m.More, hostile.LocalGet0)
	return m
}

// However long a slice of gas is, calls end at the same depth with the same words, and
// have spent the same. They end where that is counted, before the runtime ends them.
func TestCallsEndAtAnExactDepth(t *testing.T) {
	t.Parallel()
	for name, m := range deep() {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name == "without recursion" {
				t.Skip("long: five million instructions are compiled; make test-long runs it")
			}
			t.Parallel()
			h, loaded := prepared(t, m)
			sameAtEveryPace(t, h, func() string {
				k, err := h.attack(t.Context(), loaded, newRecorder(t), job.Limits{})
				failed := failure(t, err)
				assert.Equal(t, "stack_limit", failed.Code)
				assert.Contains(t, failed.Detail, fmt.Sprintf("limit %d bytes of stack; the next call needed ", rewrite.StackBytes))
				assert.NotEmpty(t, failed.Stack)
				return fmt.Sprint(failed, failed.Stack, k.meter.spent)
			})
		})
	}
}

// The depth is what follows from the code: not one call more or less.
func TestTheDepthFollowsFromTheCode(t *testing.T) {
	t.Parallel()
	h, loaded := prepared(t, hostile.Module{Run: endless(hostile.Self(0))})
	k, err := h.attack(t.Context(), loaded, newRecorder(t), job.Limits{})
	assert.Equal(t, "stack_limit", failure(t, err).Code)
	const frame, call = 96 + 2*3, 1 + 16 // a parameter, an argument and a result; local.get and call
	assert.Equal(t, uint64(rewrite.StackBytes/frame*call), k.meter.spent)
}

// What a call takes of the stack is there again when it has returned, by whatever way, and
// when it has trapped.
func TestTheStackIsGivenBack(t *testing.T) {
	t.Parallel()
	further := hostile.Further(0, 0)
	down := hostile.Code(hostile.LocalGet0, hostile.I32Const(-1), []byte{0x6a}, hostile.Call(further))
	ways := map[string][]byte{
		"at the end": hostile.Code(hostile.LocalGet0, []byte{0x04, 0x7f}, down, []byte{0x05}, hostile.I32Const(0), []byte{0x0b}),
		"return":     hostile.Code(hostile.LocalGet0, []byte{0x45, 0x04, 0x40}, hostile.I32Const(0), []byte{0x0f, 0x0b}, down, []byte{0x0f}),
		"a branch":   hostile.Code(hostile.I32Const(0), hostile.LocalGet0, []byte{0x45, 0x0d, 0, 0x1a}, down, []byte{0x0c, 0}),
		"a table": hostile.Code([]byte{0x02, 0x40}, hostile.LocalGet0, []byte{0x04, 0x40, 0x0c, 1, 0x0b},
			hostile.I32Const(0), hostile.I32Const(0), []byte{0x0e, 0, 1, 0x0b}, down),
	}
	const calls = 70_000 // close to the deepest nesting that the stack allows
	for name, code := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			again := times(5, func(int) []byte { return hostile.Code(hostile.I32Const(calls), hostile.Call(further), hostile.Drop) })
			h, loaded := prepared(t, hostile.Module{Run: hostile.Code(again, hostile.I32Const(0)), More: [][]byte{code}})
			for range 3 {
				_, err := h.attack(t.Context(), loaded, newRecorder(t), job.Limits{})
				require.NoError(t, err)
			}
		})
	}
	t.Run("a trap", func(t *testing.T) {
		t.Parallel()
		h, loaded := prepared(t, hostile.Module{Run: endless(hostile.Self(0))})
		var texts []string
		for range 3 {
			_, err := h.attack(t.Context(), loaded, newRecorder(t), job.Limits{})
			texts = append(texts, failure(t, err).Detail)
		}
		assert.Equal(t, []string{texts[0], texts[0], texts[0]}, texts)
	})
}

// Also before there is a job the depth is exact: in the initialisers, lifted out or not, in
// describe, and in each call of a simulation.
func TestTheDepthIsExactWhereverAGuestRuns(t *testing.T) {
	t.Parallel()
	recursion := endless(hostile.Further(0, 0))
	begin := hostile.Code(hostile.I32Const(0), hostile.Call(hostile.Further(0, 0)), hostile.Drop)
	plain := hostile.Code([]byte{0xd0, 0x70}, hostile.I32Const(0), []byte{0xfc, 15, 0, 0x1a}) // table.grow by 0
	for name, m := range map[string]hostile.Module{
		"start":       {Start: begin, More: [][]byte{recursion}},
		"plain start": {Start: hostile.Code(plain, begin), More: [][]byte{recursion}, Table: 1},
		"initialize":  {Late: begin, More: [][]byte{recursion}},
		"describe":    {Describe: hostile.Code(begin, hostile.I64Const(0)), More: [][]byte{recursion}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := New(t.Context(), Config{})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, h.Close(context.Background())) })
			sameAtEveryPace(t, h, func() string {
				_, err := h.Load(t.Context(), m.Encode(), false)
				require.ErrorContains(t, err, "bytes of stack; the next call needed ")
				return err.Error()
			})
		})
	}
	for name, m := range map[string]hostile.Module{
		"init": {Run: recursion, More: [][]byte{recursion}, Manifest: hostile.Manifest(string(routine.Simulation))},
		"step": {Step: recursion, More: [][]byte{recursion}, Manifest: hostile.Manifest(string(routine.Simulation))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, loaded := prepared(t, m)
			sameAtEveryPace(t, h, func() string {
				k := newCall(work.Call{Host: newRecorder(t), Limits: job.Limits{MemoryBytes: 1 << 20}})
				err := h.with(t.Context(), loaded, k, func(ctx context.Context, guest api.Module) error { return simulate(ctx, k, guest, 0) })
				failed := failure(t, err)
				assert.Equal(t, "stack_limit", failed.Code)
				return fmt.Sprint(failed, k.meter.spent)
			})
		})
	}
}

// A simulation is asked for as many steps as follow from the gas that those before spent,
// however slow the machine is.
func TestTheNumberOfStepsFollowsFromGas(t *testing.T) {
	t.Parallel()
	// It keeps the numbers that it is asked for in memory, and is done at the 40th.
	const count, left = 8, 12
	step := hostile.Code(
		hostile.I32Const(count), hostile.I32Const(count), []byte{0x28, 2, 0}, hostile.I32Const(4), []byte{0x6a, 0x36, 2, 0},
		hostile.I32Const(count), []byte{0x28, 2, 0}, hostile.LocalGet0, []byte{0x36, 2, 64},
		hostile.I32Const(left), hostile.LocalGet0, hostile.I32Const(2000), []byte{0x6c, 0x36, 2, 0},
		[]byte{0x03, 0x40}, hostile.I32Const(left), hostile.I32Const(left), []byte{0x28, 2, 0}, hostile.I32Const(1), []byte{0x6b, 0x36, 2, 0},
		hostile.I32Const(left), []byte{0x28, 2, 0, 0x0d, 0, 0x0b},
		hostile.I32Const(count), []byte{0x28, 2, 0}, hostile.I32Const(160), []byte{0x46})
	h, loaded := prepared(t, hostile.Module{Step: step, Manifest: hostile.Manifest(string(routine.Simulation))})
	sameAtEveryPace(t, h, func() (asked string) {
		k := newCall(work.Call{Host: newRecorder(t), Limits: job.Limits{MemoryBytes: 1 << 20}})
		err := h.with(t.Context(), loaded, k, func(ctx context.Context, guest api.Module) error {
			err := simulate(ctx, k, guest, 0)
			view, _ := guest.Memory().Read(64+4, 160)
			asked = fmt.Sprint(k.meter.used(), string(view))
			return err
		})
		require.NoError(t, err)
		return asked
	})
}

func TestNextStepsAimAtTheirGas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ last, gas, want uint64 }{
		{1, 0, 2}, {1, stepGas/2 - 1, 2}, {8, stepGas / 2, 8}, {8, 2 * stepGas, 8}, {8, 2*stepGas + 1, 4}, {1, 1 << 40, 1}, {maxSteps, 0, maxSteps},
	} {
		assert.Equal(t, c.want, nextSteps(c.last, c.gas), "after %d steps that spent %d", c.last, c.gas)
	}
}
