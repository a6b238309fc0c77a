// Command hostcalls measures how much of the host's time a unit of gas pays for in each
// function that guests may import, with the worst arguments for the host. It ends with
// exit code 1 if that is more than factor times the time that a unit pays for in a guest's
// own code:
//
//	go run ./hostcalls              all of them, some minutes
//	go run ./hostcalls -only fd_    those whose names begin so
//
// A shared machine does not spoil it: only the time of the job's thread is counted, a run
// of the guest's own code stands beside each run of a function, and of both the shortest
// of many counts.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/hostile"
	"thresher/plugins/sandbox"
)

// factor is how many times as long as the guest's own code a host function may take for
// the same gas. Code of guests that misses the caches takes as long. No price may be wrong
// by orders of magnitude.
const factor = 10

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	only := flag.String("only", "", "functions whose names begin so; all if empty")
	rounds := flag.Int("rounds", 12, "how often each is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bench is what the measurements share.
type bench struct {
	dir    string
	host   *sandbox.Host
	in     *table.File
	file   *work.File
	rounds int

	own, nothing string // digests of guests that call nothing; the second has nothing to do
}

func run(ctx context.Context, only string, rounds int) (err error) {
	b := &bench{rounds: rounds}
	if b.dir, err = os.MkdirTemp("", "thresher-hostcalls-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.in, err = hostile.HostTable(b.dir, hostile.MaxHostCall); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.in.Close()) }()
	b.file = &work.File{ReaderAt: b.in.OS(), Bytes: b.in.Size()}
	if b.host, err = sandbox.New(ctx, sandbox.Config{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.host.Close(context.WithoutCancel(ctx))) }()
	return b.all(ctx, only)
}

// all measures every function that the host offers, and says which are too cheap.
func (b *bench) all(ctx context.Context, only string) error {
	var err error
	if b.own, err = b.load(ctx, hostile.OwnCode(1_000_000)); err != nil {
		return err
	}
	if b.nothing, err = b.load(ctx, hostile.OwnCode(1)); err != nil {
		return err
	}
	fmt.Printf("%-24s %-10s %12s %10s %8s\n", "function", "case", "gas a call", "ns a gas", "ratio")
	var cheap []string
	for _, f := range sandbox.Imports() {
		if !strings.HasPrefix(f.Name, only) {
			continue
		}
		for _, c := range b.calls(f) {
			m, err := b.measure(ctx, f, c)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", f.Name, c.Case, err)
			}
			fmt.Printf("%-24s %-10s %12d %10.3f %8.1f\n", f.Name, c.Case, m.gas, m.nanoseconds, m.ratio)
			if m.ratio > factor {
				cheap = append(cheap, fmt.Sprintf("%s (%s): %.1f times", f.Name, c.Case, m.ratio))
			}
		}
	}
	if len(cheap) > 0 {
		return fmt.Errorf("a unit of gas pays for more than %d times as much of the host's time as of the guest's in\n  %s", factor, strings.Join(cheap, "\n  "))
	}
	return nil
}

// calls are what is tried of a function: long arguments, short ones, and the worst data.
func (b *bench) calls(f sandbox.Import) (calls []hostile.HostCall) {
	add := func(size string, all []hostile.HostCall) {
		for _, c := range all {
			if c.Name == f.Name {
				c.Case = strings.Trim(c.Case+" "+size, " ")
				calls = append(calls, c)
			}
		}
	}
	add("long", hostile.HostCalls(hostile.MaxHostCall, 400, b.in))
	add("short", hostile.HostCalls(8, 1, b.in))
	add("", hostile.WorstHostCalls(hostile.MaxHostCall))
	if len(calls) == 0 {
		calls = []hostile.HostCall{{Name: f.Name, Case: plain, Args: zeros(f.Params), Ends: f.Name == "proc_exit"}}
	}
	return calls
}

// plain is the case of a function that does nothing but answer.
const plain = "plain"

func zeros(params []byte) (code []byte) {
	for _, p := range params {
		switch p {
		case hostile.I32:
			code = append(code, hostile.I32Const(0)...)
		case hostile.I64:
			code = append(code, hostile.I64Const(0)...)
		default:
			code = append(code, hostile.F64Const(0)...)
		}
	}
	return code
}

// enough is how much gas a measurement spends at least, where one call does not.
const enough = 20_000_000

// measured is what came of a function.
type measured struct {
	gas         int64   // of a call
	nanoseconds float64 // of the host's, for a unit of it
	ratio       float64 // of those to the guest's own
}

func (b *bench) measure(ctx context.Context, f sandbox.Import, c hostile.HostCall) (m measured, err error) {
	as := hostile.Function(f)
	times := int32(1)
	once, err := b.both(ctx, as, c, times)
	if err != nil {
		return m, err
	}
	if m.gas = once.called.Gas - once.instead.Gas; !c.Once && !c.Ends {
		times = int32(min(max(enough/max(m.gas, 1), 1), 100_000))
	}
	least, err := b.both(ctx, as, c, times)
	if err != nil {
		return m, err
	}
	m.nanoseconds = each(least.called, least.instead)
	m.ratio = m.nanoseconds / each(least.own, least.nothing)
	return m, nil
}

// runs are the shortest runs of guests that call a function, that do all but that, that
// work on their own, and that do nothing.
type runs struct{ called, instead, own, nothing work.Report }

func (b *bench) both(ctx context.Context, f hostile.Function, c hostile.HostCall, times int32) (least runs, err error) {
	called, err := b.load(ctx, c.Module(f, times, nil))
	if err != nil {
		return least, err
	}
	instead := b.nothing
	if c.Case != plain { // else what is called instead costs as much
		yield := hostile.Function{Module: "wasi_snapshot_preview1", Name: "sched_yield", Results: []byte{hostile.I32}}
		if instead, err = b.load(ctx, c.Module(f, times, &yield)); err != nil {
			return least, err
		}
	}
	rounds := b.rounds
	if times == 1 {
		rounds *= 10 // it is short
	}
	for range rounds {
		err = errors.Join(b.shorter(ctx, &least.called, called, c.Ends), b.shorter(ctx, &least.instead, instead, false),
			b.shorter(ctx, &least.own, b.own, false), b.shorter(ctx, &least.nothing, b.nothing, false))
		if err != nil {
			return least, err
		}
	}
	return least, nil
}

// shorter runs a guest, and keeps the report if it took less time than the one before.
func (b *bench) shorter(ctx context.Context, least *work.Report, digest string, ends bool) error {
	report, err := b.run(ctx, digest, ends)
	if err != nil {
		return err
	}
	if least.Gas == 0 || report.CPUSeconds < least.CPUSeconds {
		*least = report
	}
	return nil
}

// each is the time for a unit of gas, of what a run does more than another.
func each(r, other work.Report) float64 {
	return (r.CPUSeconds - other.CPUSeconds) * 1e9 / float64(r.Gas-other.Gas)
}

func (b *bench) load(ctx context.Context, m hostile.Module) (digest string, err error) {
	p, err := b.host.Load(ctx, m.Encode(), false)
	return p.Digest, err
}

func (b *bench) run(ctx context.Context, digest string, ends bool) (work.Report, error) {
	d, err := newDesk(b.dir)
	if err != nil {
		return work.Report{}, err
	}
	report, err := b.host.Run(ctx, work.Call{
		Digest: digest, Routine: "attack", Kind: routine.Analysis, Params: json.RawMessage(`{}`), Host: d,
		Inputs: map[string]*table.File{"data": b.in}, File: b.file,
		Limits: job.Limits{MemoryBytes: 512 << 20, OutputBytes: 1 << 40, LogBytes: 1 << 20},
	})
	var ended *job.Error
	if ends && errors.As(err, &ended) {
		err = nil
	}
	return report, errors.Join(err, d.close())
}
