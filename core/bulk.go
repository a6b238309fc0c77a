package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"thresher/core/ledger"
)

// Bulk is one action on every job that a filter selects: on those that are there when
// it begins. It is durable: after a restart it goes on where it was.
type Bulk struct {
	ID      string `json:"id"`
	Action  string `json:"action" enum:"pause,resume,stop,retry,delete,pin,unpin"`
	Filter  Filter `json:"filter"`
	Jobs    int    `json:"jobs"`    // that the filter selects
	Done    int    `json:"done"`    // for which the action was taken
	Skipped int    `json:"skipped"` // that the action does not fit: see Reasons
	Failed  int    `json:"failed"`  // that the action fits, and for which it did not succeed
	// Reasons counts those that were skipped by the code of the error, as in docs/errors.md,
	// or as one of the reasons below. Failures counts those that failed by the code.
	Reasons  map[string]int `json:"reasons,omitempty"`
	Failures map[string]int `json:"failures,omitempty"`
	Waiting  *BulkWaiting   `json:"waiting,omitempty"` // what keeps it from going on at the moment
	State    string         `json:"state" enum:"preview,running,stopping,stopped,completed,interrupted"`
	// Late is set where a stop or a pause came when all jobs of its batch had ended: it asks
	// nothing of the batch.
	Late bool `json:"late,omitempty"`
	// StoppedBy is the later bulk that stopped it, because that stops all that this one makes.
	StoppedBy string     `json:"stopped_by,omitempty"`
	Created   time.Time  `json:"created"`
	Ended     *time.Time `json:"ended,omitempty"`
}

// BulkWaiting says what a bulk waits for.
type BulkWaiting struct {
	On string `json:"on"` // "disk", "batch ID", or the limit of a queue, such as "queue_cap"
}

// The states of a bulk.
const (
	BulkPreview     = "preview"
	BulkRunning     = "running"
	BulkStopping    = "stopping" // it finishes the jobs that it is changing, and is stopped then
	BulkStopped     = "stopped"
	BulkCompleted   = "completed"
	BulkInterrupted = "interrupted" // its start was never acknowledged, or an older version ended before it was done
)

// Why a bulk skips a job, where that is no code of an error.
const (
	bulkSuperseded = "superseded" // a later bulk selects it, for the opposite
	bulkChanged    = "changed"    // the filter selected it when the bulk began, and does not now
)

// Open reports whether the bulk has not ended.
func (b Bulk) Open() bool { return b.State == BulkRunning || b.State == BulkStopping }

func (b Bulk) decided() int { return b.Done + b.Skipped + b.Failed }

// BulkActions lists what can be done to many jobs.
var BulkActions = []string{"pause", "resume", "stop", "retry", "delete", "pin", "unpin"}

// bulkActions does it to one job. A retry also notes which bulk made it.
var bulkActions = map[string]func(*Engine, context.Context, string) error{
	"pause":  func(e *Engine, ctx context.Context, id string) error { _, err := e.Pause(ctx, id); return err },
	"resume": func(e *Engine, ctx context.Context, id string) error { _, err := e.Resume(ctx, id); return err },
	"stop":   func(e *Engine, ctx context.Context, id string) error { _, err := e.Stop(ctx, id); return err },
	"delete": (*Engine).Delete,
	"pin":    func(e *Engine, ctx context.Context, id string) error { _, err := e.Pin(ctx, id, true); return err },
	"unpin":  func(e *Engine, ctx context.Context, id string) error { _, err := e.Pin(ctx, id, false); return err },
}

func (e *Engine) act(ctx context.Context, b Bulk, id string) error {
	if b.Action == "retry" {
		return e.retryOnce(ctx, b, id)
	}
	return bulkActions[b.Action](e, ctx, id)
}

// bulkRecord is what is kept of a bulk. Before a chunk of jobs is changed it is written
// here: should the process end in the midst of it, the next one finds which of them had
// been changed, and counts them.
type bulkRecord struct {
	Bulk
	Chunk  []string `json:"chunk,omitempty"`  // jobs that are being changed
	Cursor string   `json:"cursor,omitempty"` // where the jobs after the chunk begin; empty: at the start, or there are none
}

// MaxBulks is the max number of bulks that have not ended.
const MaxBulks = 100

// StartBulk begins to do something to every job that a filter selects, and returns
// at once. A preview only counts them.
func (e *Engine) StartBulk(ctx context.Context, action string, f Filter, preview bool) (Bulk, error) {
	if err := e.closed(); err != nil {
		return Bulk{}, err
	}
	if !slices.Contains(BulkActions, action) {
		return Bulk{}, invalid("action", "%.40q: want one of %s", action, listed(BulkActions))
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
	if n := e.openBulks(); n >= MaxBulks {
		return Bulk{}, &Refused{Code: "too_many_bulks", Detail: fmt.Sprintf("%d bulk actions have not ended: the limit is %d", n, MaxBulks)}
	}
	b.State = BulkRunning
	if b, err = e.createBulk(ctx, b); err != nil {
		if stalled(err) { // it may be there later, and nobody runs it
			e.repairLater("interrupt bulk "+b.ID, func(ctx context.Context) error { return e.interrupt(ctx, b.ID) })
		}
		return Bulk{}, fmt.Errorf("bulk: %w", err)
	}
	e.endSuperseded(b)
	e.runBulk(bulkRecord{Bulk: b})
	return b, nil
}

// query selects the jobs that were there when the bulk began; of a batch as a whole all,
// because what joins it later is as the bulk leaves it. Jobs are stopped and paused
// newest first: those that wait do not start because of it, and children are stopped
// before their parents. They are resumed and retried in order of submit.
func (b Bulk) query() ledger.Query {
	q := b.Filter.query()
	q.Limit = together
	if _, whole := b.wish(); !whole {
		q.High = b.ID
	}
	q.Ascending = b.Action == "retry" || b.Action == "resume"
	return q
}

// Bulk returns a bulk and how far it is.
func (e *Engine) Bulk(ctx context.Context, id string) (Bulk, error) {
	entry, err := find(ctx, e.bulks, "bulk", id)
	if err != nil {
		return Bulk{}, err
	}
	return e.bulkNow(entry.Value.Bulk), nil
}

// bulkNow is a bulk as it is now: what is written of it is older, while it runs.
func (e *Engine) bulkNow(written Bulk) (b Bulk) {
	b = written
	if !b.Open() {
		return b
	}
	e.running.Must(func(runs *map[string]*bulkRun) {
		if run := (*runs)[b.ID]; run != nil {
			b = run.now.clone()
		}
	})
	return b
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
		page.Bulks[i] = e.bulkNow(entry.Value.Bulk)
	}
	return page, nil
}

// errBulkStopped ends a bulk that is to stop.
var errBulkStopped = errors.New("stop desired")

// StopBulk ends a bulk. What it has done to jobs stays done, and jobs that it made stay.
// It waits until the bulk changes nothing more, or ctx ends, and returns the bulk.
func (e *Engine) StopBulk(ctx context.Context, id string) (Bulk, error) {
	if err := e.closed(); err != nil {
		return Bulk{}, err
	}
	_, err := e.bulks.Modify(ctx, id, func(r *bulkRecord) (*bulkRecord, error) {
		switch {
		case r == nil:
			return nil, fmt.Errorf("bulk %s: %w", id, ErrNotFound)
		case !r.Open():
			return r, &Refused{Code: "illegal_state", Detail: fmt.Sprintf("cannot stop bulk %s: it is %s", id, r.State)}
		}
		stopping := *r
		stopping.State = BulkStopping
		return &stopping, nil
	})
	if err != nil {
		return Bulk{}, err
	}
	if ended := e.endRun(id, errBulkStopped); ended != nil {
		select {
		case <-ctx.Done():
		case <-ended:
		}
	}
	return e.Bulk(context.WithoutCancel(ctx), id)
}

// interrupt marks a bulk that nobody runs.
func (e *Engine) interrupt(ctx context.Context, id string) error {
	_, err := e.bulks.Modify(ctx, id, func(r *bulkRecord) (*bulkRecord, error) {
		if r == nil || !r.Open() {
			return r, nil
		}
		interrupted := *r
		interrupted.State = BulkInterrupted
		return &interrupted, nil
	})
	return err
}
