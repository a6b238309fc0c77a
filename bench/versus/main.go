// Command versus measures submit → result of an empty routine side by side: of
// Thresher, of asynq on Redis and of River on PostgreSQL, each with its writes on
// disk before they are acknowledged, on this machine, in one run.
//
//	go run ./versus -for 5s
//
// It runs a Redis and a PostgreSQL of its own on loopback, in temporary folders, and
// leaves out whichever is not installed, loudly.
//
//	go run ./versus -only lists
//
// measures only a page of jobs beside the same bytes from a bare Fiber handler.
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
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// workers is how many jobs may run at once, in each system.
const workers = 64

// system is one that runs jobs.
type system struct {
	name string
	// start returns what submits one job and waits for its result.
	start func(ctx context.Context, dir string) (do func(context.Context) error, stop func(), err error)
}

// errAbsent is for a system that needs what is not installed.
var errAbsent = errors.New("not installed")

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	each := flag.Duration("for", 5*time.Second, "how long each figure is measured")
	only := flag.String("only", "", `measure only "lists": a page of jobs beside a bare handler`)
	bare, page := flag.String("bare", "", "be the bare handler, at this address"), flag.String("page", "", "the file it sends")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	measure := everything
	switch {
	case *bare != "":
		measure = func(ctx context.Context, _ string, _ time.Duration) error { return serveBare(ctx, *bare, *page) }
	case *only == "lists":
		measure = lists
	case *only != "":
		fmt.Fprintln(os.Stderr, "-only: want lists")
		os.Exit(2)
	}
	if err := run(ctx, *each, measure); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures something in a folder of its own.
func run(ctx context.Context, each time.Duration, measure func(context.Context, string, time.Duration) error) (err error) {
	dir, err := os.MkdirTemp("", "thresher-versus-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as another user
		return err
	}
	return measure(ctx, dir, each)
}

func everything(ctx context.Context, dir string, each time.Duration) error {
	fmt.Printf("%-52s %10s %10s %10s   jobs/s, of so many clients that each wait for their result\n", "", "1", "16", "64")
	for _, s := range []system{
		{"Thresher", thresher("plain")},
		{"Thresher, every limit on", thresher("limits")},
		{"asynq, Redis appendfsync always", asynqOnRedis},
		{"River, PostgreSQL defaults", riverOnPostgres},
	} {
		own := filepath.Join(dir, s.name)
		if err := os.Mkdir(own, 0o777); err != nil {
			return err
		}
		if err := measure(ctx, s, own, each); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if err := limitsCost(ctx, dir, each); err != nil {
		return err
	}
	return lists(ctx, dir, each)
}

func measure(ctx context.Context, s system, dir string, each time.Duration) error {
	do, stop, err := s.start(ctx, dir)
	if errors.Is(err, errAbsent) {
		fmt.Printf("%-52s *** LEFT OUT: %v ***\n", s.name, err)
		return nil
	}
	if err != nil {
		return err
	}
	defer stop()
	var rates, medians []any
	for _, clients := range []int{1, 16, 64} {
		took, rate, err := closedLoop(ctx, clients, each, do)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
		medians = append(medians, took[len(took)/2].Seconds()*1000, took[len(took)*99/100].Seconds()*1000)
	}
	fmt.Printf("%-52s %10.0f %10.0f %10.0f   p50/p99 ms %.1f/%.1f %.1f/%.1f %.1f/%.1f\n", append(append([]any{s.name}, rates...), medians...)...)
	return nil
}

// closedLoop lets clients do something again and again, each when it has its answer,
// and returns how long each took, sorted, and how many were done in a second.
func closedLoop(ctx context.Context, clients int, length time.Duration, do func(context.Context) error) (took []time.Duration, rate float64, err error) {
	if err := do(ctx); err != nil { // what is slow only once
		return nil, 0, err
	}
	var all sync.WaitGroup
	each, errs := make([][]time.Duration, clients), make([]error, clients)
	began := time.Now()
	for c := range clients {
		all.Go(func() {
			for time.Since(began) < length {
				start := time.Now()
				if errs[c] = do(ctx); errs[c] != nil {
					return
				}
				each[c] = append(each[c], time.Since(start))
			}
		})
	}
	all.Wait()
	took = slices.Concat(each...)
	slices.Sort(took)
	return took, float64(len(took)) / time.Since(began).Seconds(), errors.Join(errs...)
}
