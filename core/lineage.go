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
// lineage the newest that has completed, else the newest that has not ended and is not to
// stop, else the one that the same bulk action made, if any. With that last one, what
// becomes of a retry does not depend on how soon its parent failed.
func (e *Engine) standIn(ctx context.Context, parent, bulk string) (r job.Record, found bool, err error) {
	root, err := e.root(ctx, parent)
	if err != nil {
		return r, false, err
	}
	for _, phases := range [][]job.Phase{{job.Completed}, {job.Pending, job.Running, job.Paused}} {
		r, found, err = e.newestRetry(ctx, root.ID, Filter{Phases: phases})
		if !found && slices.Contains(phases, root.Phase) {
			r, found = root, true
		}
		found = found && (r.Phase.Final() || r.Desired != job.WantStop)
		if found || err != nil {
			return r, found, err
		}
	}
	if bulk == "" {
		return r, false, nil
	}
	return e.newestRetry(ctx, root.ID, Filter{Bulk: bulk})
}

// newestRetry returns the newest of a lineage, but for its first job, that a filter selects.
func (e *Engine) newestRetry(ctx context.Context, root string, f Filter) (r job.Record, found bool, err error) {
	q := f.query()
	q.Terms, q.Limit = append(q.Terms, rootTerm(root)), 1
	retries, _, err := e.jobs.List(ctx, q)
	if err != nil {
		return r, false, fmt.Errorf("retries of job %s: %w", root, err)
	}
	if len(retries) == 0 {
		return r, false, nil
	}
	return retries[0].Value, true, nil
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

// onNewParents replaces the parents in the spec of a job that is retried: see
// [Engine.standIn]. A pinned table is the data that the job ran on, and stays unless unpin
// is set.
func (e *Engine) onNewParents(ctx context.Context, id string, spec job.Spec, unpin bool, bulk string) (job.Spec, error) {
	var missing []string
	place := func(parent string) (string, error) {
		r, found, err := e.standIn(ctx, parent, bulk)
		if err == nil && !found {
			var was job.Record
			was, err = e.jobOrGone(ctx, parent)
			what := fmt.Sprintf("job %s, which is %s", parent, cmp.Or(string(was.Phase), "gone"))
			if !slices.Contains(missing, what) {
				missing = append(missing, what)
			}
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
	if len(missing) == 0 {
		return spec, nil
	}
	detail := fmt.Sprintf("job %s needs %s, and no retry of it has completed or is under way: retry it first", id, strings.Join(missing, " and "))
	if spec.Batch != "" {
		detail += ", or all of batch " + spec.Batch
	}
	return spec, &Refused{Code: "parent_missing", Detail: detail}
}
