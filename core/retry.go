package core

import (
	"context"
	"errors"
	"fmt"
	"slices"

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

// retry is Retry for a bulk action, or for none.
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
	spec, err := e.onNewParents(ctx, id, r.Spec, newest, bulk)
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

// retryOnce retries a job that failed or was stopped and has not been retried. Of bulks
// that reach it at the same moment, one retries it.
func (e *Engine) retryOnce(ctx context.Context, b Bulk, id string) error {
	mine := false
	_, err, _ := e.submits.Do("retry "+id, func() (any, error) {
		mine = true
		return nil, e.retryFirst(ctx, b, id)
	})
	if err == nil && !mine {
		return fmt.Errorf("job %s: another bulk retries it: %w", id, ErrInUse)
	}
	return err
}

func (e *Engine) retryFirst(ctx context.Context, b Bulk, id string) error {
	if err := e.ledger.Able(); err != nil {
		return fmt.Errorf("job %s: %w", id, err) // a retry may be on its way
	}
	j, err := e.Job(ctx, id)
	if err != nil {
		return err
	}
	retries, err := e.jobs.Count(ctx, "origin="+id)
	if err != nil {
		return fmt.Errorf("job %s: %w", id, err)
	}
	if j.Phase == job.Completed || retries > 0 {
		return fmt.Errorf("job %s: %w", id, &job.IllegalMove{Event: "retry again", Phase: j.Phase, Desired: j.Desired})
	}
	if err := e.retryParents(ctx, b, j.Record); err != nil {
		return err
	}
	_, err = e.retry(ctx, id, false, b.ID)
	return err
}

// retryParents retries those parents of a job of a batch that the retry of the batch has
// not reached yet, or does not select.
func (e *Engine) retryParents(ctx context.Context, b Bulk, r job.Record) error {
	if b.Filter.Batch == "" {
		return nil
	}
	for _, parent := range parentsOf(r) {
		last, missing, err := e.toRetry(ctx, parent, b.ID)
		if err != nil {
			return err
		}
		if !missing || last.Spec.Batch != b.Filter.Batch {
			continue
		}
		if err := e.retryOnce(ctx, b, last.ID); err != nil && !slices.Contains(skips, Code(err)) { // else it is retried already
			return err
		}
	}
	return nil
}

// toRetry returns the newest job of a parent's lineage, and whether it has to be retried
// because no other job can stand in for the parent.
func (e *Engine) toRetry(ctx context.Context, parent, bulk string) (last job.Record, missing bool, err error) {
	if _, found, err := e.standIn(ctx, parent, bulk); found || err != nil {
		return last, false, err
	}
	root, err := e.root(ctx, parent)
	if err != nil {
		return last, false, err
	}
	last, found, err := e.newestRetry(ctx, root.ID, Filter{})
	if !found {
		last = root
	}
	return last, last.Phase.Final(), err
}
