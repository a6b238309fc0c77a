package core

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"thresher/core/job"
	"thresher/core/ledger"
)

// unlessQueued submits a request, unless a job that was submitted in this way, the
// same, waits for its start: then it makes none and returns that one. Of those who
// ask at one moment, one makes the job.
func (e *Engine) unlessQueued(ctx context.Context, req Request) (Job, error) {
	spec, err := e.specOf(ctx, req)
	if err != nil {
		return Job{}, err
	}
	spec.QueueKey = queueKey(req, spec)
	term := queueTerm(spec.QueueKey)
	made := false
	answer, err, _ := e.submits.Do(term, func() (any, error) {
		entries, _, err := e.jobs.List(ctx, ledger.Query{Terms: []string{term}, Limit: 1})
		if err != nil {
			return Job{}, fmt.Errorf("submit: %w", err)
		}
		if len(entries) > 0 {
			return e.view(entries[0]), nil
		}
		made = true
		return e.write(context.WithoutCancel(ctx), req.Tenant, spec)
	})
	if err != nil {
		return Job{}, err
	}
	j := answer.(Job)
	j.Skipped = !made
	return j, nil
}

// queueKey is a digest of what makes two requests the same: all that decides the
// result, as it was asked for. A seed that is drawn is not part of it.
func queueKey(req Request, spec job.Spec) string {
	sum := sha256.Sum256(encode(struct {
		Tenant, Routine string
		Params          json.RawMessage
		Inputs          map[string]string
		Seed            *uint64
	}{req.Tenant, spec.Routine, spec.Params, req.Inputs, req.Seed}))
	return hex.EncodeToString(sum[:])
}
