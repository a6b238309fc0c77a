package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"thresher/core/dispatch"
	"thresher/core/job"
	"thresher/core/ledger"
)

// bulkRun is a bulk that is being carried out. The engine's lock on the runs guards now.
type bulkRun struct {
	bulk   Bulk                    // as it began: what it does never changes
	now    Bulk                    // as users see it
	cancel context.CancelCauseFunc // with errBulkStopped or a *supersededBy
	ended  chan struct{}           // closed once it changes nothing more
	turn   chan struct{}           // capacity 1: held by the one job of it that waits for room
}

// together is how many jobs are changed at once: enough for the ledger to write them
// with one sync.
const together = 128

// runBulk carries a bulk out, from where its record says.
func (e *Engine) runBulk(r bulkRecord) {
	ctx, cancel := context.WithCancelCause(e.life)
	run := &bulkRun{bulk: r.Bulk, now: r.clone(), cancel: cancel, ended: make(chan struct{}), turn: make(chan struct{}, 1)}
	e.running.Must(func(runs *map[string]*bulkRun) { (*runs)[r.ID] = run })
	e.loop.Go(func() error {
		defer cancel(nil)
		defer close(run.ended)
		defer e.running.Must(func(runs *map[string]*bulkRun) { delete(*runs, r.ID) })
		e.carryOut(ctx, run, r)
		return nil
	})
}

// resumeBulks carries on with the bulks that the last process did not finish.
func (e *Engine) resumeBulks(ctx context.Context) error {
	for _, state := range []string{BulkRunning, BulkStopping} {
		ids, err := allKeys(ctx, e.bulks, state)
		if err != nil {
			return fmt.Errorf("bulks: %w", err)
		}
		for _, id := range ids {
			entry, err := e.bulks.Get(ctx, id)
			if err != nil {
				return fmt.Errorf("bulk %s: %w", id, err)
			}
			e.runBulk(entry.Value)
		}
	}
	return nil
}

func (e *Engine) openBulks() (n int) {
	e.running.Must(func(runs *map[string]*bulkRun) { n = len(*runs) })
	return n
}

// retrying reports whether a bulk that has not ended retries jobs.
func (e *Engine) retrying() (yes bool) {
	e.running.Must(func(runs *map[string]*bulkRun) {
		for _, run := range *runs {
			yes = yes || run.bulk.Action == "retry"
		}
	})
	return yes
}

// endRun ends a bulk, and returns what is closed then; nil if nobody carries it out.
func (e *Engine) endRun(id string, why error) (ended <-chan struct{}) {
	run := e.runOf(id)
	if run == nil {
		return nil
	}
	run.cancel(why)
	return run.ended
}

// runOf returns the run of a bulk, or nil if nobody carries it out.
func (e *Engine) runOf(id string) (run *bulkRun) {
	e.running.Must(func(runs *map[string]*bulkRun) { run = (*runs)[id] })
	return run
}

// change changes what users see of a bulk, and returns that.
func (e *Engine) change(run *bulkRun, change func(*Bulk)) (b Bulk) {
	e.running.Must(func(*map[string]*bulkRun) {
		change(&run.now)
		b = run.now.clone()
	})
	return b
}

func (b Bulk) clone() Bulk {
	b.Reasons, b.Failures = maps.Clone(b.Reasons), maps.Clone(b.Failures)
	return b
}

// carryOut carries a bulk out chunk by chunk, and notes before each how far it is. If the
// process ends in the middle of one, the next process goes on with that chunk.
func (e *Engine) carryOut(ctx context.Context, run *bulkRun, r bulkRecord) {
	if r.State == BulkStopping { // the last process ended before it had
		for _, id := range r.Chunk {
			if e.changedBefore(ctx, r.Bulk, id) {
				e.change(run, func(b *Bulk) { b.Done++ })
			}
		}
		e.finishBulk(ctx, run, BulkStopped, "")
		return
	}
	late := e.beginBulk(ctx, run)
	for redo, more := len(r.Chunk) > 0, true; more; redo = false {
		jobs, err := e.nextChunk(ctx, &r, redo)
		if err == nil && !redo {
			err = e.noteBulk(ctx, run, &r)
		}
		if err != nil && !serverEnds(ctx, err) && ctx.Err() == nil {
			e.cfg.Log.Error("bulk ended early", "bulk", r.ID, "error", err)
			e.finishBulk(ctx, run, BulkInterrupted, "")
			return
		}
		if by := supersededWholly(e.later(ctx, r.Bulk), r.Bulk); by != nil {
			run.cancel(by)
		}
		if ctx.Err() == nil {
			e.decideAll(ctx, run, jobs, redo || late)
			e.catchUp(e.life, r.Bulk, jobs)
		}
		if ctx.Err() != nil {
			e.finishStopped(ctx, run)
			return
		}
		more = r.Cursor != ""
	}
	e.finishBulk(ctx, run, BulkCompleted, "")
}

// serverEnds reports whether an error says that the server shuts down. If so, it first
// waits until that ends ctx too: until then the bulk must not go on to other jobs.
func serverEnds(ctx context.Context, err error) bool {
	if Code(err) != "shutting_down" {
		return false
	}
	<-ctx.Done()
	return true
}

// nextChunk returns the jobs that are next, or those that were being changed when the
// last process ended.
func (e *Engine) nextChunk(ctx context.Context, r *bulkRecord, redo bool) (jobs []job.Record, err error) {
	if redo {
		for _, id := range r.Chunk {
			one := job.Record{ID: id} // it may be gone
			if entry, err := e.jobs.Get(ctx, id); err == nil {
				one = entry.Value
			}
			jobs = append(jobs, one)
		}
		return jobs, nil
	}
	q := r.query()
	q.Before = r.Cursor
	entries, next, err := e.jobs.List(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		jobs = append(jobs, entry.Value)
	}
	r.Chunk, r.Cursor = keysOf(entries), next
	return jobs, nil
}

// noteBulk writes how far a bulk is, as soon as the disk takes it. It ends the bulk if
// that is to stop.
func (e *Engine) noteBulk(ctx context.Context, run *bulkRun, r *bulkRecord) error {
	r.Bulk = e.change(run, func(*Bulk) {})
	r.Waiting = nil
	return e.insist(run, func() error {
		_, err := e.bulks.Modify(context.WithoutCancel(ctx), r.ID, func(now *bulkRecord) (*bulkRecord, error) {
			next := *r
			if now != nil && now.State == BulkStopping && next.State == BulkRunning {
				next.State = BulkStopping
				run.cancel(errBulkStopped)
			}
			return &next, nil
		})
		return err
	})
}

// insist repeats a write of a bulk until the disk takes it, or the server ends.
func (e *Engine) insist(run *bulkRun, write func() error) error {
	for {
		err := write()
		if !stalled(err) || !e.awaitDisk(e.life, run, err) {
			return err
		}
	}
}

// waitsForDisk is what a bulk waits for where the disk takes no writes.
const waitsForDisk = "disk"

// awaitDisk waits a moment for a disk that takes no writes.
func (e *Engine) awaitDisk(ctx context.Context, run *bulkRun, err error) bool {
	e.change(run, func(b *Bulk) {
		if b.Waiting == nil || b.Waiting.On != waitsForDisk {
			e.cfg.Log.Warn("a bulk waits for the disk to take writes", "bulk", b.ID, "error", err)
		}
		b.Waiting = &BulkWaiting{On: waitsForDisk}
	})
	select {
	case <-ctx.Done():
		return false
	case <-time.After(repairEvery):
		return true
	}
}

// finishStopped ends a bulk that is to end before it has done all. Where the server
// shuts down it is left for the next start.
func (e *Engine) finishStopped(ctx context.Context, run *bulkRun) {
	cause := context.Cause(ctx)
	var by *supersededBy
	switch {
	case errors.As(cause, &by):
		e.finishBulk(ctx, run, BulkStopped, by.bulk)
	case errors.Is(cause, errBulkStopped):
		e.dropWish(run)
		e.finishBulk(ctx, run, BulkStopped, "")
	}
}

func (e *Engine) finishBulk(ctx context.Context, run *bulkRun, state, by string) {
	ended := e.cfg.Now().UTC()
	b := e.change(run, func(b *Bulk) {
		b.State, b.StoppedBy, b.Ended = state, by, &ended
		b.Jobs = max(b.Jobs, b.decided())
		if gone := b.Jobs - b.decided(); state == BulkCompleted && gone > 0 {
			b.skip(bulkChanged, gone)
		}
	})
	if err := e.noteBulk(ctx, run, &bulkRecord{Bulk: b}); err != nil {
		e.cfg.Log.Warn("end of a bulk not noted: the next start ends it", "bulk", b.ID, "error", err)
	}
}

func (b *Bulk) skip(reason string, n int) {
	if b.Reasons == nil {
		b.Reasons = map[string]int{}
	}
	b.Skipped += n
	b.Reasons[reason] += n
}

func (b *Bulk) fail(code string) {
	if b.Failures == nil {
		b.Failures = map[string]int{}
	}
	b.Failed++
	b.Failures[code]++
}

// decideAll changes some jobs: at once, but those that need each other one after the
// other.
func (e *Engine) decideAll(ctx context.Context, run *bulkRun, jobs []job.Record, redo bool) {
	for _, wave := range waves(jobs) {
		later := e.later(ctx, run.bulk)
		var workers errgroup.Group
		for _, r := range wave {
			workers.Go(func() error {
				e.decide(ctx, run, r, later, redo)
				return nil
			})
		}
		_ = workers.Wait() // none returns an error
	}
}

// waves cuts a list of jobs where one needs another before it, or is needed by one.
func waves(jobs []job.Record) (list [][]job.Record) {
	var wave []job.Record
	ids, needed := map[string]bool{}, map[string]bool{}
	for _, r := range jobs {
		parents := parentsOf(r)
		if needed[r.ID] || slices.ContainsFunc(parents, func(id string) bool { return ids[id] }) {
			list, wave = append(list, wave), nil
			clear(ids)
			clear(needed)
		}
		wave, ids[r.ID] = append(wave, r), true
		for _, id := range parents {
			needed[id] = true
		}
	}
	return append(list, wave)
}

// parentsOf lists the jobs that a job needs.
func parentsOf(r job.Record) (ids []string) {
	for _, in := range r.Spec.Inputs {
		if in.Job != "" {
			ids = append(ids, in.Job)
		}
	}
	return append(ids, r.Spec.After...)
}

// skips are the errors of an action that does not fit a job.
var skips = []string{
	"illegal_move", "not_found", "in_use", "invalid", "too_many_paused",
	"plugin_missing", "plugin_disabled", "parent_missing", "batch_expanding", "batch_paused", "batch_stopped",
}

// decide changes one job, or counts why not. A retry waits for room in the queue. If the
// bulk ends before, nothing is decided.
func (e *Engine) decide(ctx context.Context, run *bulkRun, r job.Record, later []Bulk, redo bool) {
	b := run.bulk
	var leave func()
	for ctx.Err() == nil {
		if supersedes(later, b, r) {
			e.change(run, func(b *Bulk) { b.skip(bulkSuperseded, 1); b.Waiting = nil })
			break
		}
		err := e.act(context.WithoutCancel(ctx), b, r.ID)
		var full *dispatch.QueueFull
		if errors.As(err, &full) {
			if e.change(run, func(b *Bulk) { b.Waiting = &BulkWaiting{On: full.Path()} }); leave == nil {
				leave = run.awaitTurn(ctx)
			} else {
				e.awaitRoom(ctx)
			}
			later = e.later(ctx, b)
			continue
		}
		if stalled(err) {
			redo = e.awaitDisk(ctx, run, err) // it may have been written all the same
			continue
		}
		if !serverEnds(ctx, err) {
			e.count(ctx, run, r.ID, Code(err), redo)
		}
		break
	}
	if leave != nil {
		leave()
	}
}

// count counts a job by the code of the error that its change returned. One that had been
// changed before, by this bulk, is not skipped but done.
func (e *Engine) count(ctx context.Context, run *bulkRun, id, code string, redo bool) {
	skipped := slices.Contains(skips, code)
	if skipped && (redo || run.bulk.Action == "retry") && e.changedBefore(ctx, run.bulk, id) {
		code = ""
	}
	e.change(run, func(b *Bulk) {
		b.Waiting = nil
		switch {
		case code == "":
			b.Done++
		case skipped:
			b.skip(code, 1)
		default:
			b.fail(code)
		}
		b.Jobs = max(b.Jobs, b.decided()) // more fit the filter than when it began
	})
}

// changedBefore reports whether a job is as the bulk leaves it.
func (e *Engine) changedBefore(ctx context.Context, b Bulk, id string) bool {
	if b.Action == "retry" {
		n, err := e.jobs.CountQuery(ctx, ledger.Query{Terms: []string{"origin=" + id, bulkTerm(b.ID)}})
		return err == nil && n > 0
	}
	entry, err := e.jobs.Get(ctx, id)
	if err != nil {
		return b.Action == "delete" && errors.Is(err, ledger.ErrNotFound)
	}
	switch r := entry.Value; b.Action {
	case "stop":
		return r.Desired == job.WantStop
	case "pause":
		return r.Desired == job.WantPause
	case "resume":
		return r.Desired == job.WantRun && !r.Phase.Final()
	case "pin":
		return r.Pinned
	case "unpin":
		return !r.Pinned
	}
	return false
}

// awaitTurn waits until no other job of the bulk waits for room: one of them at a time
// looks for it.
func (run *bulkRun) awaitTurn(ctx context.Context) (leave func()) {
	select {
	case <-ctx.Done():
		return func() {}
	case run.turn <- struct{}{}:
		return func() { <-run.turn }
	}
}

// awaitRoom waits until a job has left the queue, or for a moment.
func (e *Engine) awaitRoom(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-e.dispatch.Room():
	case <-time.After(time.Second): // it may have left before
	}
}

// forAll does something to many jobs at once, and returns to how many. A job that does not
// allow it is skipped, which is no error.
func (e *Engine) forAll(ctx context.Context, do func(*Engine, context.Context, string) error, ids []string) (done int, err error) {
	var changed atomic.Int64
	var workers errgroup.Group
	workers.SetLimit(together)
	for _, id := range ids {
		workers.Go(func() error {
			switch err := do(e, ctx, id); {
			case err == nil:
				changed.Add(1)
				return nil
			case slices.Contains(skips, Code(err)):
				return nil
			default:
				return err
			}
		})
	}
	err = workers.Wait()
	return int(changed.Load()), err
}

func keysOf[T any](entries []ledger.Entry[T]) []string {
	keys := make([]string, len(entries))
	for i, entry := range entries {
		keys[i] = entry.Key
	}
	return keys
}
