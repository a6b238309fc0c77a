package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"golang.org/x/sys/unix"
)

// firstKernel is the number of the routine that is the first kernel.
const firstKernel = 3

// kernels are the guests' routines from there on, in the order of their numbers.
var kernels = []string{"fib", "matmul", "sieve", "nbody", "sha256", "sort", "search", "hash"}

// gas is what it costs that a guest can be metered, paused and ended: the kernels as
// the product runs them, ticks and all, against the same modules untouched, and
// against wazero's own way to end a guest.
func gas(ctx context.Context, b *bench) error {
	title("Gas: CPU time of kernels, untouched in ms, as Thresher runs them, and with WithCloseOnContextDone")
	var with, closing []float64
	results := map[string]int64{}
	for _, g := range b.guests {
		untouched, stop, err := routinesOf(ctx, g, wazero.NewRuntimeConfigCompiler())
		if err != nil {
			return err
		}
		defer stop(ctx)
		stoppable, stop, err := routinesOf(ctx, g, wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(true))
		if err != nil {
			return err
		}
		defer stop(ctx)
		for i, name := range kernels {
			row, err := compare(ctx, b, g, i, untouched, stoppable)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", g.name, name, err)
			}
			if first, known := results[name]; known && first != row.result {
				return fmt.Errorf("%s in %s gives %d, and %d in another language", name, g.name, row.result, first)
			}
			results[name] = row.result
			a, c := row.thresher.Seconds()/row.plain.Seconds(), row.closing.Seconds()/row.plain.Seconds()
			with, closing = append(with, a), append(closing, c)
			fmt.Printf("%-16s %-8s %8.2f ms %+7.1f %% %+9.0f %%\n", g.name, name, row.plain.Seconds()*1000, (a-1)*100, (c-1)*100)
		}
	}
	fmt.Printf("%-16s %-8s %11s %+7.1f %% %+9.0f %%\n", "median", "", "", (median(with)-1)*100, (median(closing)-1)*100)
	fmt.Printf("%-16s %-8s %11s %+7.1f %% %+9.0f %%\n", "worst", "", "", (with[len(with)-1]-1)*100, (closing[len(closing)-1]-1)*100)
	return nil
}

// routines are a guest's in a runtime that runs it as it is.
type routines struct {
	run    api.Function // what the product calls too
	kernel api.Function // the same work, with its result
}

func routinesOf(ctx context.Context, g guest, config wazero.RuntimeConfig) (of routines, stop func(context.Context) error, err error) {
	r, err := plainRuntime(ctx, config)
	if err != nil {
		return routines{}, nil, err
	}
	m, err := r.InstantiateWithConfig(ctx, g.wasm, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		return routines{}, nil, err
	}
	return routines{run: m.ExportedFunction("thresher_run"), kernel: m.ExportedFunction("kernel")}, r.Close, nil
}

// times are the shortest of several, of one kernel.
type times struct {
	plain, thresher, closing time.Duration
	result                   int64
}

func compare(ctx context.Context, b *bench, g guest, k int, untouched, stoppable routines) (t times, err error) {
	ctx, cancel := context.WithCancel(ctx) // one that can end: else nothing is checked
	defer cancel()
	t = times{plain: time.Hour, thresher: time.Hour, closing: time.Hour}
	if t.result, err = untouched.result(ctx, k); err != nil {
		return t, err
	}
	c := call(g, kernels[k], quiet{})
	for n := range 15 {
		took, err := untouched.timed(ctx, k)
		if err != nil {
			return t, err
		}
		t.plain = min(t.plain, took)
		report, err := b.host.Run(ctx, c)
		if err != nil {
			return t, err
		}
		t.thresher = min(t.thresher, time.Duration(report.CPUSeconds*1e9))
		if n >= 2 {
			continue
		}
		if took, err = stoppable.timed(ctx, k); err != nil {
			return t, err
		}
		t.closing = min(t.closing, took)
	}
	return t, nil
}

func (r routines) result(ctx context.Context, k int) (int64, error) {
	results, err := r.kernel.Call(ctx, uint64(k))
	if err != nil {
		return 0, err
	}
	return int64(results[0]), nil
}

func (r routines) timed(ctx context.Context, k int) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadTime()
	_, err := r.run.Call(ctx, uint64(firstKernel+k))
	return threadTime() - start, err
}

// threadTime is the CPU time that the calling thread has had.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
