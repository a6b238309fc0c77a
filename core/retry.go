package core

import (
	"context"
	"errors"
	"fmt"

	"thresher/core/job"
	"thresher/core/routine"
)

// Retry submits a job that has ended again: a new job that names it as its origin.
// It runs the same plugin bytes on the same data, or, if newest is set, what the
// names of the routine and the datasets stand for now. Of the jobs that it needs it
// takes the newest retries that have completed: see [Engine.standIn].
func (e *Engine) Retry(ctx context.Context, id string, newest bool) (Job, error) {
	return e.retry(ctx, id, newest, "")
}

// retry is Retry for a bulk action, or for nobody's.
func (e *Engine) retry(ctx context.Context, id string, newest bool, bulk string) (Job, error) {
	if err := e.closed(); err != nil {
		return Job{}, err
	}
	entry, err := find(ctx, e.jobs, "job", id)
	if err != nil {
		return Job{}, err
	}
	r := entry.Value
	if !r.Phase.Final() {
		return Job{}, fmt.Errorf("job %s: %w", id, &job.IllegalMove{Event: "retry", Phase: r.Phase, Desired: r.Desired})
	}
	spec, err := e.onNewParents(ctx, id, r.Spec, newest)
	if err != nil {
		return Job{}, err
	}
	if newest {
		if spec, err = e.specOf(ctx, requestOf(r.Tenant, spec)); err != nil {
			return Job{}, err
		}
		spec.Batch, spec.QueueKey = r.Spec.Batch, r.Spec.QueueKey
	} else if err := e.disabled(ctx, r); err != nil {
		return Job{}, err
	} else if err := e.plugins.Hold(ctx, spec.Digest); errors.Is(err, ErrNotFound) {
		return Job{}, missing("the module of %s@%s that job %s ran is gone: retry with newest, or upload it again", spec.Plugin(), spec.Version, id)
	} else if err != nil {
		return Job{}, fmt.Errorf("retry: %w", err)
	} else {
		defer e.plugins.Release(spec.Digest)
	}
	spec.Root, spec.Origin, spec.Bulk = rootOf(r), id, bulk
	spec.Request, spec.CacheKey = nil, "" // it is asked for anew
	return e.write(ctx, r.Tenant, spec)
}

// missing refuses a job whose module's bytes are gone.
func missing(format string, args ...any) error {
	return &Refused{Code: "plugin_missing", Detail: fmt.Sprintf(format, args...)}
}

// disabled returns an error if nobody may submit jobs of the version that a job ran.
func (e *Engine) disabled(ctx context.Context, r job.Record) error {
	_, err := e.plugins.Resolve(ctx, r.Tenant, routine.Ref{Plugin: r.Spec.Plugin(), Version: r.Spec.Version})
	var refused *Refused
	if errors.As(err, &refused) {
		return err
	}
	return nil
}

// requestOf is the request that makes a spec.
func requestOf(tenant string, s job.Spec) Request {
	req := Request{
		Routine: s.Routine, Params: s.Params, Seed: &s.Seed, Labels: s.Labels, Priority: s.Priority.String(),
		Limits: &s.Limits, Locks: s.Locks, After: s.After, Tenant: tenant, Inputs: map[string]string{},
	}
	for name, in := range s.Inputs {
		req.Inputs[name] = in.Source
	}
	return req
}

// Pin keeps a job from retention, or lets it go.
func (e *Engine) Pin(ctx context.Context, id string, on bool) (Job, error) {
	return e.request(ctx, id, job.Pin{On: on})
}
