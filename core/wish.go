package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thresher/core/job"
	"thresher/core/ledger"
)

// A batch is stopped, paused and resumed as a whole: its record says what is wanted of it,
// and that holds for jobs that join it later. The record is written together with the bulk
// action that then changes the jobs. From the commit of a stop or a pause on, the
// dispatcher starts none of them; parts of the batch that are still being written are
// written as stopped or paused; and a retry is written in one transaction with a look at
// the record. So nothing starts after a stop.

// onHold reports whether no job of the batch may start.
func (b batchRecord) onHold() bool {
	return !b.Written || b.Desired == job.WantStop || b.Desired == job.WantPause
}

// observeBatch tells the dispatcher whether the jobs of a batch may start. The ledger
// calls it in commit order, before it tells of jobs that are written with the batch.
func (e *Engine) observeBatch(c ledger.Change[batchRecord]) {
	e.dispatch.Hold(c.Key, !c.Deleted && c.Value.onHold())
}

// holdBatches tells the dispatcher at the start of the batches whose jobs may not start.
func (e *Engine) holdBatches(ctx context.Context) error {
	for _, term := range []string{termOnHold, termUnwritten} { // a batch of an older version has only the second
		ids, err := allKeys(ctx, e.batches, term)
		if err != nil {
			return fmt.Errorf("batches on hold: %w", err)
		}
		for _, id := range ids {
			e.dispatch.Hold(id, true)
		}
	}
	return nil
}

// join applies to a new job what is wanted of its batch. ready is the job without that:
// completed, where the cache has its result.
func (b batchRecord) join(r, ready job.Record, now time.Time) (job.Record, error) {
	switch {
	case b.Desired == job.WantStop:
		return job.Apply(r, job.Stop{At: now})
	case b.Desired == job.WantPause && !ready.Phase.Final():
		return job.Apply(ready, job.Pause{})
	}
	return ready, nil
}

// join is [batchRecord.join] for a retry, whose batch is there already. One that is
// expanding or was stopped takes none.
func (e *Engine) join(tx *ledger.Tx, r, ready job.Record) (joined job.Record, err error) {
	if r.Spec.Batch == "" {
		return ready, nil
	}
	err = e.batches.ModifyIn(tx, r.Spec.Batch, func(b *batchRecord) (*batchRecord, error) {
		switch {
		case b == nil: // its record is gone
			joined = ready
			return b, nil
		case !b.Written:
			return b, &Refused{Code: "batch_expanding", Detail: fmt.Sprintf("batch %s is expanding: its jobs are still being written", b.ID)}
		case b.Desired == job.WantStop:
			return b, &Refused{Code: "batch_stopped", Detail: fmt.Sprintf(
				"batch %s was stopped: retry all of it (POST /api/v1/batches/%s/retry), or resume it first (POST /api/v1/batches/%s/resume)", b.ID, b.ID, b.ID)}
		}
		joined, err = b.join(r, ready, e.cfg.Now())
		return b, err
	})
	return joined, err
}

// createBulk writes a new bulk action, and with it what it asks of a batch as a whole.
func (e *Engine) createBulk(ctx context.Context, b Bulk) (Bulk, error) {
	var err error
	if b.Late, err = e.tooLate(ctx, b); err != nil {
		return b, err
	}
	begun := b
	err = e.ledger.Atomically(ctx, func(tx *ledger.Tx) error {
		begun = b
		if desired, whole := b.wish(); whole {
			err := e.batches.ModifyIn(tx, b.Filter.Batch, func(now *batchRecord) (*batchRecord, error) {
				if now == nil {
					return nil, nil
				}
				if !now.Written {
					begun.Jobs = now.Total
				}
				return now.want(desired, b.ID)
			})
			if err != nil {
				return err
			}
		}
		return e.bulks.Add(tx, b.ID, bulkRecord{Bulk: begun})
	})
	return begun, err
}

// tooLate reports whether a stop or a pause comes when all jobs of its batch have ended and
// nothing makes others. There is nothing to stop then, and jobs that are retried later are
// to run.
func (e *Engine) tooLate(ctx context.Context, b Bulk) (bool, error) {
	desired, whole := b.wish()
	if !whole || desired == job.WantRun || e.retrying() {
		return false, nil
	}
	batch, err := e.Batch(ctx, b.Filter.Batch)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return batch.State == BatchEnded, err
}

// beginBulk waits until the batch of a bulk action is whole; a retry of a batch that is
// being stopped also waits until it is stopped. It reports whether jobs may have been
// written the way the bulk leaves them, before the bulk could select them.
func (e *Engine) beginBulk(ctx context.Context, run *bulkRun) (late bool) {
	b := run.bulk
	if b.Filter.Batch == "" {
		return false
	}
	e.change(run, func(now *Bulk) { now.Waiting = &BulkWaiting{On: "batch " + b.Filter.Batch} })
	late, err := e.writing.wait(ctx, b.Filter.Batch)
	if err == nil && b.Action == "retry" {
		err = e.reopen(ctx, b)
	}
	n, countErr := e.jobs.CountQuery(ctx, b.query())
	e.change(run, func(now *Bulk) {
		if now.Waiting = nil; err == nil && countErr == nil {
			now.Jobs = max(n, now.decided())
		}
	})
	return late // what went wrong is met again with the first jobs
}

// reopen lets jobs join a batch that was stopped, once all of it is.
func (e *Engine) reopen(ctx context.Context, b Bulk) error {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		batch, err := e.Batch(ctx, b.Filter.Batch)
		if err != nil {
			return err
		}
		if batch.State != BatchStopping {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
	_, err := e.batches.Modify(ctx, b.Filter.Batch, func(now *batchRecord) (*batchRecord, error) {
		if now == nil || now.Desired != job.WantStop || now.By > b.ID { // a later stop holds
			return now, nil
		}
		return now.want(job.WantRun, b.ID)
	})
	return err
}

// lookAgain is how often a retry looks whether a batch is stopped.
const lookAgain = 50 * time.Millisecond

// wish is what a bulk action asks of a batch as a whole, if it selects all of one and is
// not late.
func (b Bulk) wish() (desired job.Desired, whole bool) {
	rest := b.Filter
	rest.Batch = ""
	if b.Late || b.Filter.Batch == "" || !rest.Empty() {
		return "", false
	}
	switch b.Action {
	case "stop":
		return job.WantStop, true
	case "pause":
		return job.WantPause, true
	case "resume":
		return job.WantRun, true
	}
	return "", false
}

// want notes what a bulk action asks of the batch, unless a later one was written first.
func (b *batchRecord) want(desired job.Desired, bulk string) (*batchRecord, error) {
	if b.Desired == job.WantStop && desired == job.WantPause {
		return b, &Refused{Code: "batch_stopped", Detail: fmt.Sprintf("batch %s was stopped: it cannot be paused", b.ID)}
	}
	if b.By > bulk {
		return b, nil
	}
	next := *b
	next.Desired, next.By = desired, bulk
	return &next, nil
}

// notPaused refuses to resume a job alone whose batch is paused.
func (e *Engine) notPaused(ctx context.Context, id string) error {
	j, err := e.jobs.Get(ctx, id)
	if err != nil || j.Value.Spec.Batch == "" {
		return nil // what is wrong with the job is said when it is to be resumed
	}
	b, err := e.batches.Get(ctx, j.Value.Spec.Batch)
	if err == nil && b.Value.Desired == job.WantPause {
		return &Refused{Code: "batch_paused", Detail: fmt.Sprintf(
			"job %s: its batch %s is paused: resume that (POST /api/v1/batches/%s/resume)", id, b.Key, b.Key)}
	}
	return nil
}

// dropWish takes back what a bulk action that is being stopped asked of a batch, unless a
// later one asked for something since: the jobs that it has not reached go on instead of
// waiting for ever.
func (e *Engine) dropWish(run *bulkRun) {
	b := run.bulk
	if _, whole := b.wish(); !whole {
		return
	}
	_ = e.insist(run, func() error { // where the server ends, the next start does it
		_, err := e.batches.Modify(context.WithoutCancel(e.life), b.Filter.Batch, func(now *batchRecord) (*batchRecord, error) {
			if now == nil || now.By != b.ID {
				return now, nil
			}
			return now.want(job.WantRun, b.ID)
		})
		return err
	})
}
