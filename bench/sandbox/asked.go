package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"thresher/core"
	"thresher/core/job"
)

// asked is how long it takes from a user's wish until it is done and written down: the
// same as control, through a whole engine, with every slot taken.
func asked(ctx context.Context, b *bench) (err error) {
	title("The same through the engine: from the request until the record says so, synced to disk")
	s, err := serve(ctx, b, filepath.Join(b.dir, "asked"), runtime.NumCPU())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for range s.slots - 1 {
		if _, err := s.begin(ctx, "bench-go/spin"); err != nil {
			return err
		}
	}
	for _, g := range b.guests {
		var o obeyed
		for range *repeats {
			if err := s.ask(ctx, &o, g.plugin+"/spin"); err != nil {
				return fmt.Errorf("%s: %w", g.name, err)
			}
		}
		fmt.Printf("%-28s %s %s %s\n", "a loop, "+g.name, spread(o.stops), spread(o.pauses), spread(o.resumes))
	}
	return nil
}

// begin submits a job and waits until it runs.
func (r *running) begin(ctx context.Context, routine string) (string, error) {
	j, err := r.engine.Submit(ctx, core.Request{Routine: routine, Cache: "off"})
	if err != nil {
		return "", err
	}
	return j.ID, r.until(ctx, j.ID, job.Running)
}

// until waits for a job to be in a phase.
func (r *running) until(ctx context.Context, id string, want job.Phase) error {
	for {
		switch j, err := r.engine.Job(ctx, id); {
		case err != nil:
			return err
		case j.Phase == want:
			return nil
		case j.Phase.Final():
			return fmt.Errorf("job %s is %s: want %s", id, j.Phase, want)
		}
		if err := pause(ctx, 100*time.Microsecond); err != nil {
			return err
		}
	}
}

func (r *running) ask(ctx context.Context, o *obeyed, routine string) error {
	id, err := r.begin(ctx, routine)
	if err != nil {
		return err
	}
	for range 2 {
		(&endless{}).wait()
		for _, wish := range []struct {
			ask   func(context.Context, string) (core.Job, error)
			phase job.Phase
			took  *[]time.Duration
		}{{r.engine.Pause, job.Paused, &o.pauses}, {r.engine.Resume, job.Running, &o.resumes}} {
			start := time.Now()
			if _, err := wish.ask(ctx, id); err != nil {
				return err
			}
			if err := r.until(ctx, id, wish.phase); err != nil {
				return err
			}
			*wish.took = append(*wish.took, time.Since(start))
		}
	}
	(&endless{}).wait()
	start := time.Now()
	if _, err := r.engine.Stop(ctx, id); err != nil {
		return err
	}
	if _, err := r.engine.Wait(ctx, id); err != nil {
		return err
	}
	o.stops = append(o.stops, time.Since(start))
	return nil
}
