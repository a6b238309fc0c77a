// Command uploads measures how long the verification of a small module takes beside jobs
// that do all they can to be in its way, and fails where they delay it by more than they
// may:
//
//	go run ./uploads              two such jobs at a time, on all cores
//	go run ./uploads -cores 1     on one
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core/job"
	"thresher/core/table"
	"thresher/core/work"
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
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for range *jobs {
		c := work.Call{
			Digest: p.Digest, Routine: "attack", Host: quiet{}, Inputs: map[string]*table.File{},
			Limits: job.Limits{MemoryBytes: 64 << 20, OutputBytes: 1 << 30},
		}
		for i := range kind.inputs {
			c.Inputs[fmt.Sprint("i", i)] = wide
		}
		all.Go(func() { _, _ = host.Run(hostileCtx, c) }) // ends with its context
	}
	return verify(ctx, host, strings.ToLower(strings.ReplaceAll(kind.name, " ", "-")))
}

// kind is a kind of job that never ends.
type kind struct {
	name   string
	module hostile.Module
	inputs int // of the wide table
}

func kinds() []kind {
	loop := func(code ...[]byte) []byte {
		return hostile.Code([]byte{0x03, 0x40}, hostile.Code(code...), []byte{0x0c, 0, 0x0b}, hostile.Unreachable)
	}
	calls := func(module, name string, params, results []byte, pages uint32, arguments ...[]byte) hostile.Module {
		code := hostile.Code(hostile.Code(arguments...), hostile.Call(0))
		if len(results) > 0 {
			code = hostile.Code(code, hostile.Drop)
		}
		return hostile.Module{Imports: []hostile.Function{{Module: module, Name: name, Params: params, Results: results}}, Pages: pages, Run: loop(code)}
	}
	i32, i64 := hostile.I32, hostile.I64
	const mebibyte = 1 << 20
	return []kind{
		{name: "count", module: hostile.Module{Run: hostile.LoopForever}},
		{name: "fill 32 MiB", module: hostile.Module{Pages: 600, Run: loop(hostile.I32Const(0), hostile.I32Const(1), hostile.I32Const(32*mebibyte), []byte{0xfc, 11, 0})}},
		{name: "ask for a large call info", inputs: 64,
			module: calls("thresher", "call_info", []byte{i32, i32}, []byte{i32}, 1, hostile.I32Const(0), hostile.I32Const(0))},
		{name: "ask for a layout", inputs: 1, module: calls("thresher", "input_layout", []byte{i32, i32, i32, i32}, []byte{i64}, 1,
			hostile.I32Const(0), hostile.I32Const(0), hostile.I32Const(0), hostile.I32Const(0))},
		{name: "ask for 32 MiB of random bytes", module: calls("wasi_snapshot_preview1", "random_get", []byte{i32, i32}, []byte{i32}, 600,
			hostile.I32Const(0), hostile.I32Const(32*mebibyte))},
		{name: "sort 4 million numbers", module: calls("thresher", "vector_sort", []byte{i32, i32}, []byte{i64}, 600,
			hostile.I32Const(0), hostile.I32Const(4*mebibyte))},
		{name: "write a result of 32 MiB", module: calls("thresher", "result_write", []byte{i32, i32}, nil, 600,
			hostile.I32Const(0), hostile.I32Const(32*mebibyte))},
		{name: "log 32 MiB", module: calls("thresher", "log", []byte{i32, i32}, nil, 600, hostile.I32Const(0), hostile.I32Const(32*mebibyte))},
	}
}

// wideTable is a table of 900 columns with names of 1000 bytes.
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

// quiet is the Host of a guest that hands nothing over.
type quiet struct{}

func (quiet) Held() bool                                                   { return false }
func (quiet) Gate(ctx context.Context) error                               { return context.Cause(ctx) }
func (quiet) Progress(float64, string)                                     {}
func (quiet) Log([]byte)                                                   {}
func (quiet) Append(string, arrow.RecordBatch) error                       { return nil }
func (quiet) Artifact(context.Context, string, string, work.Content) error { return nil }
