package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/sandbox"
)

// trial is a routine that is run over and over.
type trial struct {
	*suite
	number  int32
	routine routine.Routine

	params     json.RawMessage
	inputs     map[string]*table.File
	file       []byte        // what an importer reads
	made       []*table.File // those of inputs that are ours to close
	unprepared error         // why there are no params or inputs for it
}

func (t *trial) close() {
	for _, f := range t.made {
		_ = f.Close() // it was only read
	}
}

func (t *trial) call(seed uint64) work.Call {
	c := work.Call{
		Job: "conform", Routine: t.routine.Name, Kind: t.routine.Kind, Params: t.params, Seed: seed, Inputs: t.inputs, Limits: limits,
	}
	if t.routine.Kind == routine.Importer {
		c.File = &work.File{ReaderAt: bytes.NewReader(t.file), Bytes: int64(len(t.file))}
	}
	return c
}

// maxSteps is how far a simulation is followed.
const maxSteps = 2000

// run runs the routine to its end, a simulation with batches of steps as sized: nil is
// one by one.
func (t *trial) run(ctx context.Context, seed uint64, size func(taken int) int) (o Outcome, err error) {
	if t.unprepared != nil {
		return o, nil
	}
	err = t.drive(ctx, t.call(seed), func(g *sandbox.Guest, n *notebook) error {
		steps, err := t.toTheEnd(g, size)
		if err != nil {
			return err
		}
		o, err = n.outcome(g.Result())
		o.Steps = steps
		return err
	})
	return o, err
}

func (t *trial) toTheEnd(g *sandbox.Guest, size func(int) int) (steps int, err error) {
	if t.routine.Kind != routine.Simulation {
		status, err := g.Run(t.number)
		return 0, ended(g, status, err, 0)
	}
	status, err := g.Init(t.number)
	if err := ended(g, status, err, 0); err != nil {
		return 0, err
	}
	for steps < maxSteps {
		n := 1
		if size != nil {
			n = min(size(steps), maxSteps-steps)
		}
		status, err := g.Step(int32(n))
		if err := ended(g, status, err, 1); err != nil {
			return steps, err
		}
		if steps += n; status == 1 {
			break
		}
	}
	return steps, nil
}

// ended reads a status: 0 or another one are fine.
func ended(g *sandbox.Guest, status int32, err error, other int32) error {
	switch {
	case err != nil:
		return err
	case status == -1 && g.Said() == "":
		return errors.New("it answers -1 and does not say why: call fail before")
	case status == -1:
		return skip("it failed with what it was given: " + g.Said())
	case status != 0 && status != other:
		return fmt.Errorf("it answers the status %d", status)
	}
	return nil
}

// failsWithAReason calls the routine without the inputs that it needs. A routine that
// needs none has nothing to fail at that a stranger could know of.
func (t *trial) failsWithAReason(ctx context.Context) error {
	needs := t.routine.Kind == routine.Importer
	for _, in := range t.routine.Inputs {
		needs = needs || !in.Optional
	}
	if !needs {
		return skip("it needs no input that could be missing")
	}
	c := t.call(1)
	c.Inputs, c.File = nil, nil
	return t.drive(ctx, c, func(g *sandbox.Guest, _ *notebook) error {
		if t.routine.Kind == routine.Simulation {
			return refusedWithAReason(g, "without its input, thresher_init", t.number, g.Init)
		}
		return refusedWithAReason(g, "without its input, thresher_run", t.number, g.Run)
	})
}

// sameSeed runs it again, as it was run.
func (t *trial) sameSeed(ctx context.Context, first Outcome) error {
	again, err := t.run(ctx, 1, nil)
	if err != nil {
		return err
	}
	return first.differs(again)
}

// endsAtALimit runs it with less room than its outputs take: the host ends it there,
// and nothing that the module does may turn that into something else.
func (t *trial) endsAtALimit(ctx context.Context, first Outcome) error {
	if len(first.Result) == 0 && len(first.Tables) == 0 && len(first.Artifacts) == 0 {
		return skip("it puts nothing out")
	}
	c := t.call(1)
	c.Limits.OutputBytes = max(1, first.rows) // a row has eight bytes and more
	err := t.drive(ctx, c, func(g *sandbox.Guest, _ *notebook) error {
		_, err := t.toTheEnd(g, nil)
		return err
	})
	var e *job.Error
	if !errors.As(err, &e) || e.Code != "output_limit" {
		return fmt.Errorf("with less room than its outputs take: want output_limit, got %w", orNothing(err))
	}
	return nil
}

func orNothing(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// stepsOfAnySize runs it in batches of other sizes.
func (t *trial) stepsOfAnySize(ctx context.Context, first Outcome) error {
	sizes := map[string]func(int) int{
		"seven at a time":  func(int) int { return 7 },
		"all at once":      func(int) int { return maxSteps },
		"1, 2, 3 and more": func(taken int) int { return taken + 1 },
	}
	for name, size := range sizes {
		other, err := t.run(ctx, 1, size)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := first.differs(other); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// pausesBetweenSteps runs it step by step while another job with the same module takes
// a step after each of its own, which is what a server does with jobs that pause.
func (t *trial) pausesBetweenSteps(ctx context.Context, first Outcome) error {
	var paused Outcome
	err := t.drive(ctx, t.call(1), func(g *sandbox.Guest, n *notebook) error {
		return t.drive(ctx, t.call(2), func(other *sandbox.Guest, _ *notebook) error {
			if status, err := other.Init(t.number); ended(other, status, err, 0) != nil {
				return errors.New("the other job did not start")
			}
			over := false
			steps, err := t.toTheEnd(g, func(int) int {
				if !over {
					status, err := other.Step(1)
					over = err != nil || status != 0
				}
				return 1
			})
			if err != nil {
				return err
			}
			paused, err = n.outcome(g.Result())
			paused.Steps = steps
			return err
		})
	})
	if err != nil {
		return err
	}
	return first.differs(paused)
}
