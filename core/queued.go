package core

import (
	"context"
	"encoding/json"

	"thresher/core/job"
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
	made := false
	j, err := e.unlessThere(ctx, queueTerm(spec.QueueKey), func(ctx context.Context) (Job, error) {
		made = true
		return e.write(ctx, req.Tenant, spec)
	})
	if err != nil {
		return Job{}, err
	}
	j.Skipped = !made
	return j, nil
}

// queueKey is a digest of what makes two requests the same: all that decides the
// result, as it was asked for. A seed that is drawn is not part of it.
func queueKey(req Request, spec job.Spec) string {
	return digestOf(struct {
		Tenant, Routine string
		Params          json.RawMessage
		Inputs          map[string]string
		Seed            *uint64
	}{req.Tenant, spec.Routine, spec.Params, req.Inputs, req.Seed})
}
