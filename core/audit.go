package core

import (
	"context"
	"fmt"

	"thresher/core/job"
)

// Audit is what the auditor found.
type Audit struct {
	Consistent bool     `json:"consistent"`
	Breaches   []string `json:"breaches,omitempty"`
}

// Audit checks that the records, the slots and the guests in this process agree.
// A breach is one that stands in two looks at the same revision: between a change
// and its effect the three differ for a moment, and that is no breach.
func (e *Engine) Audit(ctx context.Context) (Audit, error) {
	for range 100 {
		before := e.jobs.Revision()
		first, err := e.look(ctx)
		if err != nil {
			return Audit{}, err
		}
		if len(first) == 0 {
			return Audit{Consistent: true}, nil
		}
		second, err := e.look(ctx)
		if err != nil {
			return Audit{}, err
		}
		if stands := intersect(first, second); len(stands) == 0 {
			return Audit{Consistent: true}, nil
		} else if e.jobs.Revision() == before {
			e.inconsistencies.Add(uint64(len(stands)))
			e.cfg.Log.Error("data inconsistency", "breaches", stands)
			return Audit{Breaches: stands}, nil
		}
	}
	return Audit{}, fmt.Errorf("audit: jobs change too fast to look twice at one revision: %w", ErrInUse)
}

// look lists what does not agree at this moment.
func (e *Engine) look(ctx context.Context) ([]string, error) {
	var breaches []string
	holds, granting := e.dispatch.InUse()
	inUse := map[string]bool{}
	for _, id := range holds {
		inUse[id] = true
	}
	running := 0
	err := e.each(ctx, termLeased, func(id string, r job.Record) error {
		if r.Phase == job.Running {
			running++
			if !inUse[id] && !granting[id] {
				breaches = append(breaches, fmt.Sprintf("job %s runs without a slot", id))
			}
		}
		if !e.pool.Holds(id) {
			breaches = append(breaches, fmt.Sprintf("job %s is leased but its guest is not here", id))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for id := range inUse {
		r, err := e.jobs.Get(ctx, id)
		if !granting[id] && (err != nil || r.Value.Phase != job.Running) {
			breaches = append(breaches, fmt.Sprintf("job %s holds a slot but does not run", id))
		}
	}
	for _, p := range []job.Phase{job.Pending, job.Completed, job.Failed, job.Stopped} {
		if n := e.countBoth(ctx, p); n > 0 {
			breaches = append(breaches, fmt.Sprintf("%d jobs are %s and leased", n, p))
		}
	}
	return breaches, nil
}

// countBoth counts the jobs of a phase that have a lease.
func (e *Engine) countBoth(ctx context.Context, p job.Phase) (n int) {
	_ = e.each(ctx, termLeased, func(_ string, r job.Record) error {
		if r.Phase == p {
			n++
		}
		return nil
	})
	return n
}

func intersect(a, b []string) []string {
	in := map[string]bool{}
	for _, s := range a {
		in[s] = true
	}
	var both []string
	for _, s := range b {
		if in[s] {
			both = append(both, s)
		}
	}
	return both
}
