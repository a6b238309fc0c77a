package sir

import (
	"fmt"
	"math/rand/v2"
)

// Run is an epidemic over a number of steps, and what there is to say of it in the end.
type Run struct {
	*Epidemic
	At int // steps taken

	peak, peakAt, over int // over: the step at which it was; -1 before that
}

// Start begins a run.
func Start(p Params, random *rand.Rand) (*Run, error) {
	if p.Initial > p.Population {
		return nil, fmt.Errorf("initial_infected: %d agents cannot be infected in a population of %d", p.Initial, p.Population)
	}
	r := &Run{Epidemic: New(p, random), over: -1}
	r.look()
	return r, nil
}

// Step takes a step.
func (r *Run) Step() {
	r.Epidemic.Step()
	r.At++
	r.look()
}

func (r *Run) look() {
	if r.Infected > r.peak {
		r.peak, r.peakAt = r.Infected, r.At
	}
	if r.Over() && r.over < 0 {
		r.over = r.At
	}
}

// Row is step, susceptible, infected, recovered and all agents, as they are now.
func (r *Run) Row() []any {
	return []any{r.At, r.Susceptible, r.Infected, r.Recovered, r.params.Population}
}

// Progress is the share of the steps that are taken, and a word on it.
func (r *Run) Progress() (fraction float64, message string) {
	return float64(r.At) / float64(r.params.Steps), fmt.Sprintf("step %d: %d infected", r.At, r.Infected)
}

// Done reports whether all steps are taken.
func (r *Run) Done() bool { return r.At >= r.params.Steps }

// Result is what the routine answers.
func (r *Run) Result() map[string]any {
	result := map[string]any{
		"steps":         r.At,
		"peak_infected": r.peak,
		"peak_step":     r.peakAt,
		"final_size":    float64(r.Infected+r.Recovered) / float64(r.params.Population),
		"over_at_step":  nil,
		"r0":            nil,
	}
	if r.over >= 0 {
		result["over_at_step"] = r.over
	}
	if r.params.RecoveryRate > 0 {
		result["r0"] = r.params.R0()
	}
	return result
}
