package core

import (
	"context"
	"encoding/json"
	"fmt"

	"thresher/core/dispatch"
	"thresher/core/job"
	"thresher/core/ledger"
)

// cacheKey is a digest of all that decides a job's result: the plugin's bytes, the
// routine, params, input tables and seed. It is empty where an input is not there
// yet.
func cacheKey(s job.Spec) string {
	inputs := map[string]string{}
	for name, in := range s.Inputs {
		if in.Digest == "" {
			return ""
		}
		inputs[name] = in.Digest
	}
	return digestOf(struct {
		Digest, Routine string
		Params          json.RawMessage
		Inputs          map[string]string
		Seed            uint64
	}{s.Digest, s.Routine, s.Params, inputs, s.Seed})
}

func (e *Engine) isCached(ctx context.Context, key string) bool {
	_, found := e.ran(ctx, key)
	return found
}

// ran finds the newest job that ran to completion with a cache key, unless that is
// too long ago.
func (e *Engine) ran(ctx context.Context, key string) (from job.Record, found bool) {
	if key == "" {
		return from, false
	}
	entries, _, err := e.jobs.List(ctx, ledger.Query{Terms: []string{cacheTerm(key)}, Limit: 1})
	if err != nil || len(entries) == 0 {
		return from, false
	}
	if from = entries[0].Value; from.Spec.CacheKey != key {
		return from, false
	}
	for _, b := range outputBlobs(*from.Outcome) {
		if e.ledger.Blobs().Look(b.blob) != nil {
			return from, false // it runs again, which makes the file anew
		}
	}
	oldest := e.Limits().CacheSeconds
	return from, oldest == 0 || e.clock.Age(*from.Ended) <= duration(oldest)
}

// cached finds the run whose result a job with that cache key gets, and holds its
// outputs. The caller releases them.
func (e *Engine) cached(ctx context.Context, key string) (from job.Record, release func(), found bool) {
	if from, found = e.ran(ctx, key); !found {
		return from, nil, false
	}
	held := outputDigests(*from.Outcome)
	if !e.ledger.Blobs().Hold(held...) {
		return from, nil, false // it was deleted in this moment
	}
	return from, func() { e.ledger.Blobs().Release(held...) }, true
}

// hit is the event that gives a job the outcome of another.
func (e *Engine) hit(from job.Record) job.Hit {
	outcome := *from.Outcome
	outcome.Usage = job.Usage{OutputBytes: outcome.Usage.OutputBytes} // it took nothing else
	return job.Hit{Job: from.ID, Outcome: outcome, At: e.cfg.Now()}
}

// endJob carries out an ending that the dispatcher decided.
func (e *Engine) endJob(ctx context.Context, id string, how dispatch.Ending) error {
	if how.Failure != nil {
		_, err := e.move(ctx, id, func(job.Record) job.Event {
			return job.Cancel{Error: *how.Failure, At: e.cfg.Now()}
		})
		return err
	}
	entry, err := e.jobs.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("job %s: %w", id, err)
	}
	from, release, found := e.cached(ctx, entry.Value.Spec.CacheKey)
	if !found {
		return fmt.Errorf("job %s: %w", id, dispatch.ErrOutcomeGone)
	}
	defer release()
	_, err = e.move(ctx, id, func(job.Record) job.Event { return e.hit(from) })
	return err
}
