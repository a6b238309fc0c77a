package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"thresher/core/dispatch"
	"thresher/core/job"
	"thresher/core/ledger"
)

// Bulk is one thing done to every job that a filter selects: to those that are
// there when it begins.
type Bulk struct {
	ID      string `json:"id"`
	Action  string `json:"action"` // pause, resume, stop, retry or delete
	Filter  Filter `json:"filter"`
	Jobs    int    `json:"jobs"`    // that the filter selects
	Done    int    `json:"done"`    // for which the action was taken
	Skipped int    `json:"skipped"` // whose phase does not allow it, or that are gone or needed
	// Reasons counts those that were skipped by the code of the error, as in docs/errors.md.
	Reasons map[string]int `json:"reasons,omitempty"`
	State   string         `json:"state"` // preview, running, completed or interrupted
	Created time.Time      `json:"created"`
	Ended   *time.Time     `json:"ended,omitempty"`
}

// The states of a bulk.
const (
	BulkPreview     = "preview"
	BulkRunning     = "running"
	BulkCompleted   = "completed"
	BulkInterrupted = "interrupted" // the server ended, or could not write, before it was done
)

// bulkActions is what can be done to many jobs.
var bulkActions = map[string]func(*Engine, context.Context, string) error{
	"pause":  func(e *Engine, ctx context.Context, id string) error { _, err := e.Pause(ctx, id); return err },
	"resume": func(e *Engine, ctx context.Context, id string) error { _, err := e.Resume(ctx, id); return err },
	"stop":   func(e *Engine, ctx context.Context, id string) error { _, err := e.Stop(ctx, id); return err },
	"retry":  (*Engine).retryOnce,
	"delete": (*Engine).Delete,
}

// retryOnce retries a job that failed or was stopped and has not been retried. Of
// bulks that come to it at one moment, one retries it.
func (e *Engine) retryOnce(ctx context.Context, id string) error {
	mine := false
	_, err, _ := e.submits.Do("retry "+id, func() (any, error) {
		mine = true
		return nil, e.retryFirst(ctx, id)
	})
	if err == nil && !mine {
		return fmt.Errorf("job %s: another bulk retries it: %w", id, ErrInUse)
	}
	return err
}

func (e *Engine) retryFirst(ctx context.Context, id string) error {
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
	for { // a bulk can have more jobs than the queue: it waits for room
		_, err = e.Retry(ctx, id, false)
		var full *dispatch.QueueFull
		if !errors.As(err, &full) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(full.RetryAfter):
		}
	}
}

// StartBulk begins to do something to every job that a filter selects, and returns
// at once. A preview only counts them.
func (e *Engine) StartBulk(ctx context.Context, action string, f Filter, preview bool) (Bulk, error) {
	if err := e.closed(); err != nil {
		return Bulk{}, err
	}
	if _, ok := bulkActions[action]; !ok {
		return Bulk{}, invalid("action", "%q: want pause, resume, stop, retry or delete", action)
	}
	if err := f.check("filter."); err != nil {
		return Bulk{}, err
	}
	b := Bulk{ID: e.ids.next(), Action: action, Filter: f, State: BulkPreview, Created: e.cfg.Now().UTC()}
	n, err := e.jobs.CountQuery(ctx, b.query())
	if err != nil {
		return Bulk{}, fmt.Errorf("bulk: %w", err)
	}
	b.Jobs = n
	if preview {
		return b, nil
	}
	b.State = BulkRunning
	if _, err := e.bulks.Create(ctx, b.ID, b); err != nil {
		if stalled(err) { // it may be there later, and nobody runs it
			e.repairLater("interrupt bulk "+b.ID, func(ctx context.Context) error { return e.interrupt(ctx, b.ID) })
		}
		return Bulk{}, fmt.Errorf("bulk: %w", err)
	}
	e.loop.Go(func() error {
		e.runBulk(e.life, b)
		return nil
	})
	return b, nil
}

// query selects the jobs that were there when the bulk began.
func (b Bulk) query() ledger.Query {
	q := b.Filter.query()
	q.High, q.Limit = b.ID, MaxPage
	return q
}

// Bulk returns a bulk and how far it is.
func (e *Engine) Bulk(ctx context.Context, id string) (Bulk, error) {
	entry, err := e.bulks.Get(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return Bulk{}, fmt.Errorf("bulk %s: %w", id, ErrNotFound)
	}
	return entry.Value, err
}

// BulkPage is a part of the list of bulks, newest first.
type BulkPage struct {
	Bulks []Bulk `json:"bulks"`
	Next  string `json:"next,omitempty"`
}

// Bulks lists bulks, newest first.
func (e *Engine) Bulks(ctx context.Context, cursor string, n int) (BulkPage, error) {
	if n < 1 || n > MaxPage {
		return BulkPage{}, invalid("limit", "%d: want 1 to %d", n, MaxPage)
	}
	if err := checkCursor(cursor); err != nil {
		return BulkPage{}, err
	}
	entries, next, err := e.bulks.List(ctx, ledger.Query{Before: cursor, Limit: n})
	if err != nil {
		return BulkPage{}, fmt.Errorf("list bulks: %w", err)
	}
	page := BulkPage{Bulks: make([]Bulk, len(entries)), Next: next}
	for i, entry := range entries {
		page.Bulks[i] = entry.Value
	}
	return page, nil
}

// runBulk does it, page by page, and notes after each how far it is.
func (e *Engine) runBulk(ctx context.Context, b Bulk) {
	q := b.query()
	for {
		entries, next, err := e.jobs.List(ctx, q)
		if err != nil {
			break
		}
		done, skipped, err := e.forAll(ctx, bulkActions[b.Action], keysOf(entries))
		b.add(done, skipped)
		if err != nil {
			e.cfg.Log.Warn("bulk ended early", "bulk", b.ID, "error", err)
			break
		}
		if next == "" {
			b.State = BulkCompleted
			break
		}
		q.Before = next
		if err := e.noteBulk(ctx, b); err != nil {
			break
		}
	}
	if b.State == BulkRunning {
		b.State = BulkInterrupted
	}
	ended := e.cfg.Now().UTC()
	b.Ended = &ended
	if e.noteBulk(context.WithoutCancel(ctx), b) != nil {
		e.repairLater("note the end of bulk "+b.ID, func(ctx context.Context) error { return e.noteBulk(ctx, b) })
	}
}

// noteBulk writes how far a bulk is. Only who runs it writes it.
func (e *Engine) noteBulk(ctx context.Context, b Bulk) error {
	_, err := e.bulks.Modify(ctx, b.ID, func(*Bulk) (*Bulk, error) { return &b, nil })
	return err
}

// together is how many jobs are changed at once: enough for the ledger to write them
// with one sync.
const together = 128

// add counts a page.
func (b *Bulk) add(done int, skipped map[string]int) {
	b.Done += done
	b.Reasons = maps.Clone(b.Reasons) // the record that was written has the old one
	for code, n := range skipped {
		if b.Reasons == nil {
			b.Reasons = map[string]int{}
		}
		b.Skipped += n
		b.Reasons[code] += n
	}
}

// skips are the errors for which a bulk goes on without a job.
var skips = []string{"illegal_move", "not_found", "in_use", "invalid", "too_many_paused", "plugin_missing", "plugin_disabled"}

// forAll does something to many jobs at once. That a job does not allow it is no error:
// such jobs are counted by the code of why.
func (e *Engine) forAll(ctx context.Context, do func(*Engine, context.Context, string) error, ids []string) (done int, skipped map[string]int, err error) {
	codes := make([]string, len(ids))
	var workers errgroup.Group
	workers.SetLimit(together)
	for i, id := range ids {
		workers.Go(func() error {
			err := do(e, ctx, id)
			if codes[i] = cmp.Or(Code(err), "done"); err == nil || slices.Contains(skips, codes[i]) {
				return nil
			}
			codes[i] = ""
			return err
		})
	}
	err = workers.Wait()
	skipped = map[string]int{}
	for _, code := range codes {
		if code != "" {
			skipped[code]++
		}
	}
	done = skipped["done"]
	delete(skipped, "done")
	return done, skipped, err
}

// interruptBulks marks those that the last process did not finish.
func (e *Engine) interruptBulks(ctx context.Context) error {
	ids, err := allKeys(ctx, e.bulks, BulkRunning)
	if err != nil {
		return fmt.Errorf("bulks: %w", err)
	}
	for _, id := range ids {
		if err := e.interrupt(ctx, id); stalled(err) {
			e.repairLater("interrupt bulk "+id, func(ctx context.Context) error { return e.interrupt(ctx, id) })
		} else if err != nil {
			return fmt.Errorf("bulk %s: %w", id, err)
		}
	}
	return nil
}

// interrupt marks a bulk that nobody runs.
func (e *Engine) interrupt(ctx context.Context, id string) error {
	_, err := e.bulks.Modify(ctx, id, func(b *Bulk) (*Bulk, error) {
		if b == nil || b.State != BulkRunning {
			return b, nil
		}
		interrupted := *b
		interrupted.State = BulkInterrupted
		return &interrupted, nil
	})
	return err
}

func keysOf[T any](entries []ledger.Entry[T]) []string {
	keys := make([]string, len(entries))
	for i, entry := range entries {
		keys[i] = entry.Key
	}
	return keys
}
