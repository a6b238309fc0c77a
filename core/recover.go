package core

import (
	"context"
	"fmt"
	"strings"

	"thresher/core/feed"
	"thresher/core/job"
	"thresher/core/ledger"
)

// The index terms of a job. A list by any of them is a page of an index, however
// many jobs there are.
func jobTerms(_ string, r job.Record) []string {
	plugin, _, _ := strings.Cut(r.Spec.Routine, "/")
	terms := []string{
		"phase=" + string(r.Phase),
		"plugin=" + plugin,
		"routine=" + r.Spec.Routine,
		"kind=" + string(r.Spec.Kind),
	}
	for k, v := range r.Spec.Labels {
		terms = append(terms, labelTerm(k, v))
	}
	if r.Lease != nil {
		terms = append(terms, termLeased)
	}
	return terms
}

const termLeased = "leased"

func labelTerm(key, value string) string { return "label:" + key + "=" + value }

func (e *Engine) openStores(ctx context.Context) (err error) {
	e.jobs, err = ledger.OpenStore(ctx, e.ledger, "jobs", ledger.StoreConfig[job.Record]{
		Index:   jobTerms,
		Observe: e.observe,
	})
	if err != nil {
		return err
	}
	e.hub = feed.New(e.jobs.Revision())
	e.datasets, err = ledger.OpenStore(ctx, e.ledger, "datasets", ledger.StoreConfig[Dataset]{})
	if err != nil {
		return err
	}
	e.settings, err = ledger.OpenStore(ctx, e.ledger, "settings", ledger.StoreConfig[Limits]{})
	return err
}

// observe passes a committed change on: to the guest it concerns, to the
// dispatcher, to subscribers. The ledger calls it in commit order.
func (e *Engine) observe(c ledger.Change[job.Record]) {
	if c.Replay {
		return // recover reads the view instead, once
	}
	r := c.Value
	r.ID = c.Key // a deletion carries no record
	e.pool.Observe(r, c.Deleted)
	e.dispatch.Observe(r, c.Deleted)
	e.publish(c)
}

// recover takes back the leases of the process that is gone, puts what is pending
// in the queue, and clears away blobs that nothing names.
func (e *Engine) recover(ctx context.Context) error {
	if err := e.restoreLimits(ctx); err != nil {
		return err
	}
	err := e.each(ctx, termLeased, func(id string, r job.Record) error {
		_, err := e.move(ctx, id, func(now job.Record) job.Event {
			return job.Lost{Epoch: now.Epoch, At: e.cfg.Now()}
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("take back leases: %w", err)
	}
	err = e.each(ctx, "phase="+string(job.Pending), func(_ string, r job.Record) error {
		e.dispatch.Observe(r, false)
		return nil
	})
	if err != nil {
		return fmt.Errorf("queue pending jobs: %w", err)
	}
	return e.sweepBlobs(ctx)
}

// each calls fn with every job under a term, oldest first. fn may change the job.
func (e *Engine) each(ctx context.Context, term string, fn func(id string, r job.Record) error) error {
	q := ledger.Query{Limit: 1000, Ascending: true}
	if term != "" {
		q.Terms = []string{term}
	}
	for {
		entries, next, err := e.jobs.List(ctx, q)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := fn(entry.Key, entry.Value); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.Before = next
	}
}

// lookUp returns a job as the dispatcher needs it.
func (e *Engine) lookUp(id string) (job.Record, bool) {
	entry, err := e.jobs.Get(context.Background(), id) // memory only: it does not block
	return entry.Value, err == nil
}
