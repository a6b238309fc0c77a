// Command uploads measures how long the verification of a small module takes beside jobs
// that do all they can to be in its way, and fails where they delay it by more than they
// may:
//
//	go run ./uploads              two such jobs at a time, on all cores
//	go run ./uploads -cores 1     on one
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"thresher/bench/quiet"
	"thresher/core/job"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/abi"
	"thresher/plugins/hostile"
	"thresher/plugins/sandbox"
)

var (
	jobs  = flag.Int("jobs", 2, "how many such jobs run")
	most  = flag.Duration("most", 2*time.Second, "how much later a verification may end than without them")
	times = flag.Int("times", 5, "how many modules are verified beside each kind of job; the slowest counts")
	cores = flag.Int("cores", runtime.NumCPU(), "how many guests go on at once")
)

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "thresher-uploads-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: dir, Cores: *cores})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	wide, err := wideTable(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wide.Close()) }()
	alone, err := verify(ctx, host, "alone")
	if err != nil {
		return err
	}
	fmt.Printf("%-40s %8.3f s\n", "alone", alone.Seconds())
	var late []error
	for _, kind := range kinds() {
		took, err := beside(ctx, host, kind, wide)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		fmt.Printf("%-40s %8.3f s\n", fmt.Sprintf("beside %d jobs: %s", *jobs, kind.name), took.Seconds())
		if took-alone > *most {
			late = append(late, fmt.Errorf("%s: the verification took %.3f s longer, the limit is %g s", kind.name, (took-alone).Seconds(), most.Seconds()))
		}
	}
	return errors.Join(late...)
}

// verify checks modules that nobody has seen, and returns how long the slowest took.
func verify(ctx context.Context, host *sandbox.Host, salt string) (slowest time.Duration, err error) {
	for i := range *times {
		honest := hostile.Module{Manifest: strings.Replace(hostile.Manifest("analysis"), "forged", fmt.Sprintf("honest-%s-%d", salt, i), 1)}
		start := time.Now()
		r, err := host.Check(sandbox.WithTenant(ctx, "honest"), honest.Encode(), nil)
		if err != nil || !r.Accepted {
			return 0, fmt.Errorf("%+v: %w", r.Refusal, err)
		}
		slowest = max(slowest, time.Since(start))
	}
	return slowest, nil
}

// beside is verify beside jobs of a kind.
func beside(ctx context.Context, host *sandbox.Host, kind kind, wide *table.File) (took time.Duration, err error) {
	p, err := host.Load(ctx, kind.module.Encode(), false)
	if err != nil {
		return 0, err
	}
	hostileCtx, cancel := context.WithCancel(ctx)
	ended := make(chan error, *jobs)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for range *jobs {
		c := work.Call{
			Digest: p.Digest, Routine: "attack", Host: quiet.Host{}, Inputs: map[string]*table.File{},
			Limits: job.Limits{MemoryBytes: 64 << 20, OutputBytes: 1 << 30},
		}
		for i := range kind.inputs {
			c.Inputs[fmt.Sprint("i", i)] = wide
		}
		all.Go(func() {
			_, err := host.Run(hostileCtx, c)
			ended <- err
		})
	}
	took, err = verify(ctx, host, strings.ToLower(strings.ReplaceAll(kind.name, " ", "-")))
	select {
	case early := <-ended:
		err = errors.Join(err, fmt.Errorf("a job ended before the verifications did, with error %v", early))
	default:
	}
	return took, err
}

// kind is a kind of job that never ends.
type kind struct {
	name   string
	module hostile.Module
	inputs int // of the wide table
}

func kinds() []kind {
	const mebibyte = 1 << 20
	fill := func(value, size int32) []byte { return hostile.Code(hostile.Push(0, value, size), []byte{0xfc, 11, 0}) }
	floats := func(at, address, rows int32) []byte {
		return hostile.Code(hostile.Store(at, abi.InMemory), hostile.Store(at+8, address), hostile.Store(at+16, rows))
	}
	return []kind{
		{name: "count", module: hostile.Module{Run: hostile.LoopForever}},
		{name: "fill 32 MiB", module: hostile.Module{Pages: 600, Run: hostile.Forever(fill(1, 32*mebibyte))}},
		{name: "ask for a large call info", module: calling("call_info", 1, nil, 0, 0), inputs: 64},
		{name: "ask for a layout", module: calling("input_layout", 1, nil, 0, 0, 0, 1<<16), inputs: 1},
		{name: "ask for 32 MiB of random bytes", module: calling("random_get", 600, nil, 0, 32*mebibyte)},
		{name: "sort 4 million numbers", module: calling("vector_sort", 600, floats(8, 64, 4*mebibyte), 8, 64)},
		{name: "write a result of 16 MiB", module: calling("result_write", 300, fill('1', 16*mebibyte), 0, 16*mebibyte)},
		{name: "log 32 MiB", module: calling("log", 600, nil, 0, 32*mebibyte)},
	}
}

// calling is a module that calls an import for ever, after code that is run once.
func calling(name string, pages uint32, setup []byte, arguments ...int32) hostile.Module {
	all := sandbox.Imports()
	f := hostile.Function(all[slices.IndexFunc(all, func(i sandbox.Import) bool { return i.Name == name })])
	call := hostile.Code(hostile.Push(arguments...), hostile.Call(0), bytes.Repeat(hostile.Drop, len(f.Results)))
	return hostile.Module{Imports: []hostile.Function{f}, Pages: pages, Run: hostile.Code(setup, hostile.Forever(call))}
}

// wideTable is a table of 900 columns with names of 505 bytes.
func wideTable(ctx context.Context, dir string) (*table.File, error) {
	names, cells := make([]string, 900), make([]string, 900)
	for i := range names {
		names[i], cells[i] = fmt.Sprintf("c%04d%s", i, strings.Repeat("x", 500)), "1"
	}
	sealed, err := table.Import(ctx, strings.NewReader(strings.Join(names, ",")+"\n"+strings.Join(cells, ",")+"\n"), table.CSV, dir, nil)
	if err != nil {
		return nil, err
	}
	return table.Open(sealed.Path)
}
