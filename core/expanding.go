package core

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"thresher/core/guard"
	"thresher/core/job"
	"thresher/core/ledger"
)

// A batch has more jobs than one commit can take, so it is written in parts. Until the
// last one is on disk it is expanding: the dispatcher has it on hold, nobody was told that
// it was accepted, and no other job can need one of its jobs. If the rest cannot be
// written, all of it is deleted, after a crash at the next start.

// createBatch writes a new batch and its jobs.
func (e *Engine) createBatch(ctx context.Context, req BatchRequest, once *job.Request) (batchRecord, error) {
	b := batchRecord{
		ID: e.ids.next(), Tenant: req.Tenant, Created: e.cfg.Now().UTC(),
		Labels: req.Labels, Running: req.Running, Request: once,
	}
	items, err := req.expand()
	if err != nil {
		return b, err
	}
	for i := range items {
		items[i].Request = req.defaults(items[i].Request)
	}
	levels, err := e.plan(ctx, b, items)
	if err != nil {
		return b, err
	}
	defer e.withdraw(levels)
	if err := e.admit(levels); err != nil {
		return b, err
	}
	b.Total = len(items)
	if b, err = e.writeBatch(ctx, b, slices.Concat(levels...)); err != nil {
		e.giveUp(ctx, b.ID)
		return b, fmt.Errorf("batch: %w", err)
	}
	return b, nil
}

// writeBatch writes a batch and its jobs, part by part, in their order.
func (e *Engine) writeBatch(ctx context.Context, b batchRecord, jobs []job.Record) (_ batchRecord, err error) {
	defer e.writing.begin(b.ID)()
	for len(jobs) > 0 {
		n := inOneCommit(jobs)
		if b, err = e.writePart(ctx, b, jobs[:n]); err != nil {
			return b, err
		}
		jobs = jobs[n:]
	}
	return b, nil
}

// writePart writes some jobs of a batch, and with them how many there are now. What is
// wanted of the batch meanwhile holds for them too.
func (e *Engine) writePart(ctx context.Context, b batchRecord, jobs []job.Record) (batchRecord, error) {
	ready := make([]job.Record, len(jobs))
	for i, r := range jobs {
		made, release, err := e.prepare(ctx, r)
		if err != nil {
			return b, err
		}
		defer release() // once the records hold it themselves
		ready[i] = made
	}
	next := b
	err := e.ledger.Atomically(ctx, func(tx *ledger.Tx) (err error) {
		if next, err = e.grow(tx, b, len(jobs)); err != nil {
			return err
		}
		for i, r := range jobs {
			joined, err := next.join(r, ready[i], e.cfg.Now())
			if err == nil {
				err = e.jobs.Add(tx, r.ID, joined)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return next, err
}

// grow counts n more jobs of a batch. The first of them create its record.
func (e *Engine) grow(tx *ledger.Tx, b batchRecord, n int) (next batchRecord, err error) {
	add := func(now batchRecord) batchRecord {
		now.Added += n
		now.Written = now.Added == now.Total
		return now
	}
	if b.Added == 0 {
		next = add(b)
		return next, e.batches.Add(tx, b.ID, next)
	}
	err = e.batches.ModifyIn(tx, b.ID, func(now *batchRecord) (*batchRecord, error) {
		if now == nil {
			return nil, fmt.Errorf("batch %s: %w", b.ID, ErrNotFound)
		}
		next = add(*now)
		return &next, nil
	})
	return next, err
}

// inOneCommit returns how many of some jobs are written together, beside the record of
// their batch. Beside params a new record is small.
func inOneCommit(records []job.Record) (n int) {
	for size := 0; n < min(len(records), ledger.MaxWrites-1); n++ {
		if size += len(records[n].Spec.Params) + 16<<10; n > 0 && size > ledger.MaxCommitBytes-maxBatchRecord {
			return n
		}
	}
	return n
}

// giveUp deletes a batch that was not written whole: now, or once the disk takes writes.
func (e *Engine) giveUp(ctx context.Context, id string) {
	if e.abandon(context.WithoutCancel(ctx), id) != nil {
		e.repairLater("delete batch "+id+", which was not written whole", func(ctx context.Context) error { return e.abandon(ctx, id) })
	}
}

// abandonBatches deletes what a crash left of batches that were not written whole:
// nobody was told of them.
func (e *Engine) abandonBatches(ctx context.Context) error {
	ids, err := allKeys(ctx, e.batches, termUnwritten)
	if err != nil {
		return fmt.Errorf("unwritten batches: %w", err)
	}
	for _, id := range ids {
		if e.giveUp(ctx, id); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// abandon deletes a batch that was not written whole, with its jobs.
func (e *Engine) abandon(ctx context.Context, id string) error {
	if err := e.ledger.Able(); err != nil {
		return fmt.Errorf("delete batch %s: %w", id, err) // what is not decided yet would be missed
	}
	entry, err := e.batches.Get(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("delete batch %s: %w", id, err)
	case entry.Value.Written: // it was written after all
		return nil
	}
	if err := e.removeJobsOf(ctx, id); err != nil {
		return fmt.Errorf("delete batch %s: %w", id, err)
	}
	return remove(ctx, e.batches, id)
}

// removeJobsOf deletes the jobs of a batch. None of them has run.
func (e *Engine) removeJobsOf(ctx context.Context, batch string) error {
	for {
		page, _, err := e.jobs.List(ctx, ledger.Query{Terms: []string{"batch=" + batch}, Limit: ledger.MaxWrites, Ascending: true})
		if err != nil || len(page) == 0 {
			return err
		}
		err = e.ledger.Atomically(ctx, func(tx *ledger.Tx) error {
			for _, entry := range page {
				if err := e.jobs.ModifyIn(tx, entry.Key, func(*job.Record) (*job.Record, error) { return nil, nil }); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// writing is the batches that are being written in this process.
type writing struct {
	ended *guard.Value[map[string]chan struct{}] // by id; closed when one is whole or given up
}

func newWriting() writing {
	return writing{guard.New("batches being written", guard.RankEngine, map[string]chan struct{}{})}
}

// begin notes that a batch is being written, until end is called.
func (w writing) begin(batch string) (end func()) {
	done := make(chan struct{})
	w.ended.Must(func(m *map[string]chan struct{}) { (*m)[batch] = done })
	return func() {
		w.ended.Must(func(m *map[string]chan struct{}) { delete(*m, batch) })
		close(done)
	}
}

// wait waits until the writing of a batch has ended. It reports whether it had not yet.
func (w writing) wait(ctx context.Context, batch string) (was bool, err error) {
	var done chan struct{}
	w.ended.Must(func(m *map[string]chan struct{}) { done = (*m)[batch] })
	if done == nil {
		return false, nil
	}
	select {
	case <-done:
		return true, nil
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
}
