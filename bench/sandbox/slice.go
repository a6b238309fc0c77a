package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"thresher/plugins/sandbox"
)

// lengths are the slices that are tried.
var lengths = []time.Duration{20 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond, time.Millisecond}

// sliced is what was measured with slices of one length.
type sliced struct {
	bench
	length time.Duration
	speeds []float64 // gas for a second of the process's CPU time, of guests that loop
	kept   []float64 // the same beside 200 requests/s, which have their share of it
	p50s   []float64 // of those requests, ms
	p99s   []float64
	obeyed
}

// slice is what the length of a slice of gas costs guests, and whoever waits for
// them: sandbox.Slice was chosen by it. The lengths are measured by turns.
func slice(ctx context.Context, b *bench) (err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 1))
	title("The length of a slice: guests' speed, for the same CPU time; pauses and stops of a loop; requests beside two, 200/s: p50 and p99 in ms")
	var all []*sliced
	for _, length := range lengths {
		s := &sliced{bench: *b, length: length}
		s.dir = filepath.Join(b.dir, length.String())
		if s.host, err = sandbox.New(ctx, sandbox.Config{Slice: length, Cores: runtime.NumCPU()}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.host.Close(ctx)) }()
		if _, err := s.host.Load(ctx, b.guests[0].wasm, false); err != nil {
			return err
		}
		all = append(all, s)
	}
	for turn := range 3 {
		for _, s := range all {
			if err := s.turn(ctx, turn); err != nil {
				return fmt.Errorf("%v: %w", s.length, err)
			}
		}
	}
	longest := median(all[len(all)-1].speeds)
	for _, s := range all {
		fmt.Printf("%8v   speed %5.3f   pause %5.2f %6.2f   stop %5.2f %6.2f   requests %5.2f %6.2f   speed beside them %5.3f\n", s.length, median(s.speeds)/longest,
			millis(s.pauses, 0.5), millis(s.pauses, 0.99), millis(s.stops, 0.5), millis(s.stops, 0.99), median(s.p50s), median(s.p99s), median(s.kept)/longest)
	}
	return nil
}

func (s *sliced) turn(ctx context.Context, turn int) (err error) {
	server, err := serve(ctx, &s.bench, fmt.Sprint(s.dir, "-", turn), runtime.NumCPU())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	alone, err := server.efficiency(ctx, func() error { return pause(ctx, 2*time.Second) })
	if err != nil {
		return err
	}
	var h heard
	beside, err := server.efficiency(ctx, func() (err error) { h, err = load(ctx, server.url+"/api/v1/jobs", 200, 3*time.Second); return err })
	if err != nil {
		return err
	}
	s.speeds, s.kept = append(s.speeds, alone), append(s.kept, beside)
	s.p50s, s.p99s = append(s.p50s, h.P50.Seconds()*1000), append(s.p99s, h.P99.Seconds()*1000)
	loop := &endless{guest: s.guests[0], routine: "spin"}
	return s.measure(ctx, &s.bench, loop, 60)
}

// efficiency is speed for a second of CPU time, so that what else the machine does
// matters little.
func (r *running) efficiency(ctx context.Context, during func() error) (float64, error) {
	var wall, cpu float64 // seconds
	speed, err := r.speed(ctx, func() error {
		start, before := time.Now(), processTime()
		err := during()
		wall, cpu = time.Since(start).Seconds(), processTime()-before
		return err
	})
	return speed * wall / cpu, err
}
