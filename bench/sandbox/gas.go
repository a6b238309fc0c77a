package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"golang.org/x/sys/unix"

	"thresher/bench/quiet"
)

// firstKernel is the number of the routine that is the first kernel.
const firstKernel = 3

// kernels are the guests' routines from there on, in the order of their numbers.
var kernels = []string{"fib", "matmul", "sieve", "nbody", "sha256", "sort", "search", "hash"}

// gas is what it costs that a guest can be metered, paused and ended: the kernels as
// the product runs them, ticks and all, against the same modules untouched, and
// against wazero's own way to end a guest.
//
// Other programs on the machine must not decide what comes out. So the two are run by
// turns, each first every other time; what counts is the CPU time of the thread, and of
// many runs the quickest. Each half of the rounds gives an overhead of its own: how far
// these are apart is how much can be believed.
func gas(ctx context.Context, b *bench) error {
	title("Gas: CPU time of kernels, untouched in ms, as Thresher runs them (± half of what two measurements differ), and with WithCloseOnContextDone")
	var all []overhead
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
			if b.kernel != "" && b.kernel != name {
				continue
			}
			row, err := compare(ctx, b, g, i, untouched, stoppable)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", g.name, name, err)
			}
			if first, known := results[name]; known && first != row.result {
				return fmt.Errorf("%s in %s gives %d, and %d in another language", name, g.name, row.result, first)
			}
			results[name] = row.result
			o := row.overhead()
			all = append(all, o)
			fmt.Printf("%-16s %-8s %8.2f ms %+7.1f ± %4.1f %% %+9.0f %%   %d rounds\n", g.name, name, row.all.plain.Seconds()*1000,
				o.thresher, o.spread, o.closing, row.rounds)
		}
	}
	for _, of := range []struct {
		name string
		at   int
	}{{"median", len(all) / 2}, {"worst", len(all) - 1}} {
		fmt.Printf("%-16s %-8s %11s %+7.1f ± %4.1f %% %+9.0f %%\n", of.name, "", "", nth(all, of.at, overhead.ofThresher),
			nth(all, of.at, overhead.ofSpread), nth(all, of.at, overhead.ofClosing))
	}
	return nil
}

// overhead is in per cent of the untouched kernel.
type overhead struct{ thresher, spread, closing float64 }

func (o overhead) ofThresher() float64 { return o.thresher }
func (o overhead) ofSpread() float64   { return o.spread }
func (o overhead) ofClosing() float64  { return o.closing }

func nth(all []overhead, n int, of func(overhead) float64) float64 {
	var list []float64
	for _, o := range all {
		list = append(list, of(o))
	}
	slices.Sort(list)
	return list[n]
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
type times struct{ plain, thresher time.Duration }

func (t times) percent() float64 { return (t.thresher.Seconds()/t.plain.Seconds() - 1) * 100 }

// row is what was measured of one kernel.
type row struct {
	all     times
	halves  [2]times // of every other pair of rounds
	closing time.Duration
	rounds  int
	result  int64
}

func (r *row) overhead() overhead {
	return overhead{
		thresher: r.all.percent(),
		spread:   math.Abs(r.halves[0].percent()-r.halves[1].percent()) / 2,
		closing:  (r.closing.Seconds()/r.all.plain.Seconds() - 1) * 100,
	}
}

// A kernel is measured until so many rounds, in a row, found nothing quicker.
const (
	leastRounds  = 30
	calmRounds   = 20
	mostRounds   = 300
	quicker      = 0.995 // than the quickest so far counts as quicker
	closingTimes = 2     // it takes long
)

func compare(ctx context.Context, b *bench, g guest, k int, untouched, stoppable routines) (r row, err error) {
	ctx, cancel := context.WithCancel(ctx) // one that can end: else nothing is checked
	defer cancel()
	never := times{time.Hour, time.Hour}
	r = row{all: never, halves: [2]times{never, never}, closing: time.Hour}
	if r.result, err = untouched.result(ctx, k); err != nil {
		return r, err
	}
	for range closingTimes {
		took, err := stoppable.timed(ctx, k)
		if err != nil {
			return r, err
		}
		r.closing = min(r.closing, took)
	}
	c := call(g, kernels[k], quiet.Host{})
	plain := func() (time.Duration, error) { return untouched.timed(ctx, k) }
	metered := func() (time.Duration, error) {
		report, err := b.host.Run(ctx, c)
		return time.Duration(report.CPUSeconds * 1e9), err
	}
	for calm := 0; r.rounds < mostRounds && (r.rounds < leastRounds || calm < calmRounds); r.rounds++ {
		took, err := pair(plain, metered, r.rounds%2 == 0)
		if err != nil {
			return r, err
		}
		calm++
		if took.plain.Seconds() < quicker*r.all.plain.Seconds() || took.thresher.Seconds() < quicker*r.all.thresher.Seconds() {
			calm = 0
		}
		r.all = r.all.shorter(took)
		half := &r.halves[r.rounds/2%2]
		*half = half.shorter(took)
	}
	return r, nil
}

func (t times) shorter(u times) times {
	return times{min(t.plain, u.plain), min(t.thresher, u.thresher)}
}

// pair runs both, in the order that is asked for.
func pair(plain, metered func() (time.Duration, error), plainFirst bool) (t times, err error) {
	first, second := plain, metered
	if !plainFirst {
		first, second = metered, plain
	}
	if t.plain, err = first(); err != nil {
		return t, err
	}
	if t.thresher, err = second(); err != nil {
		return t, err
	}
	if !plainFirst {
		t.plain, t.thresher = t.thresher, t.plain
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
