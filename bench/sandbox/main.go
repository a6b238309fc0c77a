// Command sandbox measures what a sandbox costs, side by side with what else there is,
// in one run:
//
//	go run ./sandbox              all of it, about twenty-five minutes
//	go run ./sandbox -only fresh  one part: fresh, gas, alive, control, collector, slice, rows
//
// The guests are in bench/guests, in four languages. They are built when it starts; a
// language whose compiler is not installed is left out, loudly.
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
	"slices"
	"strings"
	"time"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/work"
	"thresher/plugins/sandbox"
)

// bench is what the parts share.
type bench struct {
	dir    string
	host   *sandbox.Host
	guests []guest
	kernel string // the only one to measure, or empty
}

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	kernel := flag.String("kernel", "", "with -only gas: the one kernel to measure; all if empty")
	only := flag.String("only", "", "the part to measure; all if empty")
	load := flag.String("load", "", "not for you: ask this URL and say how long that took")
	rate := flag.Int("rate", 0, "with -load: requests a second; 0: as many as go")
	length := flag.Duration("for", 5*time.Second, "with -load: how long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := func() error {
		if *load != "" {
			return generate(*load, *rate, *length)
		}
		return run(ctx, *only, *kernel)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only, kernel string) (err error) {
	b := &bench{kernel: kernel}
	if b.dir, err = os.MkdirTemp("", "thresher-sandbox-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.guests, err = buildGuests(ctx, b.dir); err != nil {
		return err
	}
	if b.host, err = sandbox.New(ctx, sandbox.Config{Cores: runtime.NumCPU()}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.host.Close(ctx)) }()
	for i := range b.guests {
		p, err := b.host.Load(ctx, b.guests[i].wasm, false)
		if err != nil {
			return fmt.Errorf("%s: %w", b.guests[i].name, err)
		}
		b.guests[i].digest, b.guests[i].plugin = p.Digest, p.Name
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, *bench) error
	}{{"fresh", fresh}, {"gas", gas}, {"alive", alive}, {"control", control}, {"collector", collections}, {"slice", slice}, {"rows", rows}} {
		if only != "" && only != part.name {
			continue
		}
		if err := part.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// title starts a part's table.
func title(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Printf("\n%s\n%s\n", line, strings.Repeat("-", len([]rune(line))))
}

// percentile sorts what it is given.
func percentile(took []time.Duration, p float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(int(float64(len(took))*p), len(took)-1)]
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// call is a call of a guest's routine as the product makes it.
func call(g guest, name string, host work.Host) work.Call {
	return work.Call{
		Digest: g.digest, Routine: name, Kind: routine.Analysis, Params: []byte(`{}`), Host: host,
		Limits: job.Limits{MemoryBytes: 256 << 20, OutputBytes: 1 << 20, CPUSeconds: 3600, Gas: 1 << 60},
	}
}
