package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// gate is the Host of a guest that is held and let go by a test. It does what the
// worker's own does: it looks at a flag, and waits on a channel when that is set.
type gate struct {
	quiet
	hold    chan struct{} // one waits in it: the guest shall be held
	held    chan struct{}
	release chan struct{}
	resumed chan struct{}
}

func newGate() *gate {
	return &gate{hold: make(chan struct{}, 1), held: make(chan struct{}), release: make(chan struct{}), resumed: make(chan struct{})}
}

func (g *gate) Gate(ctx context.Context) error {
	select {
	case <-g.hold:
	default:
		return context.Cause(ctx)
	}
	g.held <- struct{}{}
	select {
	case <-g.release:
		g.resumed <- struct{}{}
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// controls measures how long it takes from a wish until the guest obeys, with a guest
// for each core that wants it.
func controls(ctx context.Context, b *bench) error {
	for _, g := range b.guests {
		for _, routine := range []string{"spin", "recurse", "sort"} {
			var pauses, resumes, stops []time.Duration
			for range 15 {
				if err := control(ctx, b, g, routine, &pauses, &resumes, &stops); err != nil {
					return err
				}
			}
			fmt.Printf("%-16s %-8s pause p50 %6.2f p99 %6.2f ms   resume p50 %6.2f p99 %6.2f ms   stop p50 %6.2f p99 %6.2f ms\n", g.name, routine,
				millis(pauses, 0.5), millis(pauses, 0.99), millis(resumes, 0.5), millis(resumes, 0.99), millis(stops, 0.5), millis(stops, 0.99))
		}
	}
	return nil
}

func millis(took []time.Duration, p float64) float64 { return percentile(took, p).Seconds() * 1000 }

// control holds a guest, lets it go, and stops it, beside another that goes on.
func control(ctx context.Context, b *bench, g guest, routine string, pauses, resumes, stops *[]time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	for range runtime.NumCPU() - 1 {
		all.Go(func() { _, _ = b.host.Run(ctx, call(g, "spin", quiet{})) })
	}
	hand, ended := newGate(), make(chan error, 1)
	go func() {
		for { // kernels end: then again
			if _, err := b.host.Run(ctx, call(g, routine, hand)); err != nil {
				ended <- err
				return
			}
		}
	}()
	for range 5 {
		time.Sleep(3 * time.Millisecond) // it runs
		start := time.Now()
		hand.hold <- struct{}{}
		<-hand.held
		*pauses = append(*pauses, time.Since(start))
		start = time.Now()
		hand.release <- struct{}{}
		<-hand.resumed
		*resumes = append(*resumes, time.Since(start))
	}
	start := time.Now()
	cancel()
	err := <-ended
	*stops = append(*stops, time.Since(start))
	all.Wait()
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the guest ended otherwise: %w", err)
	}
	return nil
}

// collector measures the garbage collector while ten guests loop.
func collector(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { _, _ = b.host.Run(ctx, call(b.guests[0], "spin", quiet{})) })
	}
	time.Sleep(50 * time.Millisecond) // they run
	var took []time.Duration
	for range 50 {
		start := time.Now()
		runtime.GC()
		took = append(took, time.Since(start))
	}
	cancel()
	all.Wait()
	fmt.Printf("runtime.GC() while ten guests loop: p50 %.2f ms, longest %.2f ms\n", millis(took, 0.5), millis(took, 1))
	return nil
}
