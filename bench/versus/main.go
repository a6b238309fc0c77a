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
	"strings"
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
	// profiles says where the CPU time of jobs went, where that can be told.
	profiles *profiles
}

// errAbsent is for a system that needs what is not installed.
var errAbsent = errors.New("not installed")

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	each := flag.Duration("for", 5*time.Second, "how long each figure is measured")
	only := flag.String("only", "", "measure only these, comma-separated: "+names())
	flag.StringVar(&profileFolder, "profile", "", "write CPU profiles of Thresher to this folder, and print where the time goes")
	bare, page := flag.String("bare", "", "be the bare handler, at this address"), flag.String("page", "", "the file it sends")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	chosen, err := choose(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	measures := allOf(chosen)
	if *bare != "" {
		measures = func(ctx context.Context, _ string, _ time.Duration) error { return serveBare(ctx, *bare, *page) }
	}
	if err := run(ctx, *each, measures); err != nil {
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

// part is something that can be measured by itself.
type part struct {
	name    string
	measure func(ctx context.Context, dir string, each time.Duration) error
}

var parts = []part{
	{"thresher", thresher("Thresher", "").measure},
	{"limits", thresher("Thresher, every limit on", everyLimit).measure},
	{"asynq", system{name: "asynq, Redis appendfsync always", start: asynqOnRedis}.measure},
	{"river", system{name: "River, PostgreSQL defaults", start: riverOnPostgres}.measure},
	{"cost", limitsCost},
	{"lists", lists},
}

func names() string {
	var all []string
	for _, p := range parts {
		all = append(all, p.name)
	}
	return strings.Join(all, ", ")
}

// choose finds parts by their names; none are all of them.
func choose(only string) (chosen []part, err error) {
	if only == "" {
		return parts, nil
	}
	for _, name := range strings.Split(only, ",") {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only %s: want %s", name, names())
		}
		chosen = append(chosen, parts[i])
	}
	return chosen, nil
}

// allOf measures parts one after the other, each in a folder of its own.
func allOf(chosen []part) func(context.Context, string, time.Duration) error {
	return func(ctx context.Context, dir string, each time.Duration) error {
		fmt.Printf("%-52s %10s %10s %10s   jobs/s, of so many clients that each wait for their result\n", "", "1", "16", "64")
		for _, p := range chosen {
			own := filepath.Join(dir, p.name)
			if err := os.Mkdir(own, 0o777); err != nil {
				return err
			}
			if err := p.measure(ctx, own, each); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		return nil
	}
}

// measure prints a line of figures.
func (s system) measure(ctx context.Context, dir string, each time.Duration) error {
	do, stop, err := s.start(ctx, dir)
	if errors.Is(err, errAbsent) {
		fmt.Printf("%-52s *** LEFT OUT: %v ***\n", s.name, err)
		return nil
	}
	if err != nil {
		return err
	}
	defer stop()
	var rates, medians, cpu []any
	for _, clients := range []int{1, 16, 64} {
		s.profiles.begin(ctx, clients, each)
		ours, theirs := cpuTime()
		took, rate, err := closedLoop(ctx, clients, each, do)
		if err != nil {
			return err
		}
		oursNow, theirsNow := cpuTime()
		jobs := time.Duration(len(took))
		cpu = append(cpu, ((theirsNow - theirs) / jobs).Microseconds(), ((oursNow - ours) / jobs).Microseconds())
		rates = append(rates, rate)
		if err := s.profiles.end(len(took)); err != nil {
			return err
		}
		medians = append(medians, took[len(took)/2].Seconds()*1000, took[len(took)*99/100].Seconds()*1000)
	}
	fmt.Printf("%-52s %10.0f %10.0f %10.0f   p50/p99 ms %.1f/%.1f %.1f/%.1f %.1f/%.1f   CPU µs a job, server+this process: %d+%d %d+%d %d+%d\n",
		slices.Concat([]any{s.name}, rates, medians, cpu)...)
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
