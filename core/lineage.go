package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"thresher/core/job"
	"thresher/core/ledger"
)

// A lineage is a job, its retries, and theirs. What a job needed may have failed, which is
// often why it is retried: so a retry needs of each parent's lineage the newest job that
// has completed, or that still can.

// rootOf returns the first job of a job's lineage. Retries that an older version made name
// only their origin.
func rootOf(r job.Record) string { return cmp.Or(r.Spec.Root, r.Spec.Origin, r.ID) }

func rootTerm(id string) string { return "root=" + id }

// standIn returns the job that a retry needs in the place of a parent: of the parent's
// lineage the newest that has completed, else the newest that has not ended.
func (e *Engine) standIn(ctx context.Context, parent string) (r job.Record, found bool, err error) {
	root, err := e.root(ctx, parent)
	if err != nil {
		return r, false, err
	}
	for _, phases := range [][]job.Phase{{job.Completed}, {job.Pending, job.Running, job.Paused}} {
		q := Filter{Phases: phases}.query()
		q.Terms, q.Limit = append(q.Terms, rootTerm(root.ID)), 1
		retries, _, err := e.jobs.List(ctx, q)
		switch {
		case err != nil:
			return r, false, fmt.Errorf("retries of job %s: %w", parent, err)
		case len(retries) > 0:
			return retries[0].Value, true, nil
		case slices.Contains(phases, root.Phase):
			return root, true, nil
		}
	}
	return r, false, nil
}

// root returns the first job of a job's lineage. One that was deleted has no phase; its
// retries may still be there.
func (e *Engine) root(ctx context.Context, id string) (r job.Record, err error) {
	r, err = e.jobOrGone(ctx, id)
	if root := rootOf(r); err == nil && root != id {
		return e.jobOrGone(ctx, root)
	}
	return r, err
}

// jobOrGone returns a job, or one without a phase if there is none.
func (e *Engine) jobOrGone(ctx context.Context, id string) (job.Record, error) {
	entry, err := e.jobs.Get(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return job.Record{ID: id}, nil
	}
	if err != nil {
		return job.Record{}, fmt.Errorf("job %s: %w", id, err)
	}
	return entry.Value, nil
}

// onNewParents makes a job's spec need what is to be in the place of its parents where the
// job is retried. A table that is pinned is the data that the job ran on, and stays;
// unpin looks for its parent too.
func (e *Engine) onNewParents(ctx context.Context, id string, spec job.Spec, unpin bool) (job.Spec, error) {
	var missing []string
	place := func(parent string) (string, error) {
		r, found, err := e.standIn(ctx, parent)
		if err == nil && !found {
			var was job.Record
			was, err = e.jobOrGone(ctx, parent)
			missing = append(missing, fmt.Sprintf("job %s, which is %s", parent, cmp.Or(string(was.Phase), "gone")))
		}
		return r.ID, err
	}
	spec.After, spec.Inputs = slices.Clone(spec.After), maps.Clone(spec.Inputs)
	for i, parent := range spec.After {
		var err error
		if spec.After[i], err = place(parent); err != nil {
			return spec, err
		}
	}
	slices.Sort(spec.After)
	spec.After = slices.Compact(spec.After)
	for _, name := range slices.Sorted(maps.Keys(spec.Inputs)) {
		in := spec.Inputs[name]
		if in.Job == "" || in.Digest != "" && !unpin {
			continue
		}
		parent, err := place(in.Job)
		if err != nil {
			return spec, err
		}
		spec.Inputs[name] = job.Input{Source: "job:" + parent + "/" + in.Table, Job: parent, Table: in.Table}
	}
	if missing = slices.Compact(missing); len(missing) > 0 {
		return spec, &Refused{Code: "parent_missing", Detail: fmt.Sprintf(
			"job %s needs %s, and no retry of it has completed or is under way: retry that first, or all of the batch", id, strings.Join(missing, " and "))}
	}
	return spec, nil
}
