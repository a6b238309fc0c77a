package core

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/routine"
)

// MaxBatch is the most jobs in a batch.
const MaxBatch = 10_000

// BatchRequest asks for many jobs at once: a list, or a template with a grid, which
// makes a job of every combination of the grid's values.
type BatchRequest struct {
	Jobs     []BatchJob                   `json:"jobs,omitempty"`
	Template *Request                     `json:"template,omitempty"`
	Grid     map[string][]json.RawMessage `json:"grid,omitempty"`                            // param → its values; "seed" is the seed
	Labels   map[string]string            `json:"labels,omitempty"`                          // of every job
	Running  int                          `json:"running,omitempty"`                         // most of its jobs that run at once; 0: no limit of its own
	Priority string                       `json:"priority,omitempty" enum:"low,normal,high"` // of jobs that name none
	Limits   *job.Limits                  `json:"limits,omitempty"`                          // likewise
	Tenant   string                       `json:"tenant,omitempty"`

	Key string `json:"-"` // idempotency key; empty: each submit is a new batch
}

// BatchJob is a job of a batch. Others of the batch can name it: after "@NAME", or
// an input "job:@NAME/TABLE".
type BatchJob struct {
	Name string `json:"name,omitempty"`
	Request
}

// batchRecord is what is kept of a batch. Its jobs name it.
type batchRecord struct {
	ID      string            `json:"id"`
	Tenant  string            `json:"tenant"`
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels,omitempty"`
	Running int               `json:"running,omitempty"`
	Request *job.Request      `json:"request,omitempty"`

	Total   int  `json:"total,omitempty"` // jobs that were asked for
	Added   int  `json:"added,omitempty"` // those of them that have been written
	Written bool `json:"written"`         // all of them: the batch is whole

	Desired job.Desired `json:"desired,omitempty"` // what is wanted of all of its jobs, those that join it included; empty: that they run
	By      string      `json:"by,omitempty"`      // the bulk action that asked for it
}

// Batch is a batch and how far it is.
type Batch struct {
	ID      string            `json:"id"`
	Tenant  string            `json:"tenant"`
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels,omitempty"`
	Running int               `json:"running,omitempty"`
	State   BatchState        `json:"state" enum:"expanding,running,paused,stopping,stopped,ended"`
	Desired job.Desired       `json:"desired,omitempty" enum:"run,pause,stop"` // what was last asked of it as a whole
	Jobs    int               `json:"jobs"`                                    // those that are still kept; while it is expanding, all that it is going to have
	Written int               `json:"written,omitempty"`                       // while it is expanding: those that are written
	Phases  map[job.Phase]int `json:"phases"`                                  // how many are in each
	Done    bool              `json:"done"`                                    // all have ended
}

// BatchState is what a batch is.
type BatchState string

// The states of a batch.
const (
	BatchExpanding BatchState = "expanding" // its jobs are being written: none of them runs
	BatchRunning   BatchState = "running"   // some of its jobs have not ended
	BatchPaused    BatchState = "paused"    // it was paused: no job of it starts
	BatchStopping  BatchState = "stopping"  // it was stopped, and some of its jobs have not ended
	BatchStopped   BatchState = "stopped"   // it was stopped, and all of its jobs have ended
	BatchEnded     BatchState = "ended"     // all of its jobs have ended
)

func batchTerms(_ string, b batchRecord) []string {
	terms := []string{"tenant=" + b.Tenant}
	if !b.Written {
		terms = append(terms, termUnwritten)
	}
	if b.onHold() {
		terms = append(terms, termOnHold)
	}
	if b.Request != nil {
		terms = append(terms, requestTerm(b.Tenant, b.Request.Key))
	}
	return terms
}

const (
	termUnwritten = "unwritten"
	termOnHold    = "on hold"
)

// SubmitBatch makes all jobs of a batch durable, or none: a request that is not
// valid is refused whole.
func (e *Engine) SubmitBatch(ctx context.Context, req BatchRequest) (Batch, error) {
	if err := e.closed(); err != nil {
		return Batch{}, err
	}
	req.Tenant = cmp.Or(req.Tenant, DefaultTenant)
	if !routine.ValidName(req.Tenant) {
		return Batch{}, invalid("tenant", "%q: want up to 64 lower case letters, digits, dashes and underscores", req.Tenant)
	}
	if err := checkKey(req.Key); err != nil {
		return Batch{}, err
	}
	if req.Key != "" {
		return e.onceBatch(ctx, req)
	}
	b, err := e.createBatch(ctx, req, nil)
	if err != nil {
		return Batch{}, err
	}
	return e.progress(ctx, b)
}

// defaults gives a job of the batch what it does not name itself.
func (req BatchRequest) defaults(r Request) Request {
	r.Priority = cmp.Or(r.Priority, req.Priority)
	switch {
	case req.Limits == nil:
	case r.Limits == nil:
		r.Limits = req.Limits
	default:
		l := orDefault(*r.Limits, *req.Limits)
		r.Limits = &l
	}
	return r
}

// expand lists the jobs of a request.
func (req BatchRequest) expand() ([]BatchJob, error) {
	switch {
	case (len(req.Jobs) > 0) == (req.Template != nil):
		return nil, invalid("jobs", "want either jobs, a list, or template and grid")
	case req.Running < 0 || req.Running > maxSlots:
		return nil, invalid("running", "%d: want 0 to %d", req.Running, maxSlots)
	case req.Template == nil && len(req.Grid) > 0:
		return nil, invalid("grid", "needs a template")
	case req.Template == nil:
		return slices.Clone(req.Jobs), tooMany(len(req.Jobs)) // what the jobs lack is filled in
	}
	total := 1
	for name, values := range req.Grid {
		if len(values) == 0 {
			return nil, invalid("grid."+name, "has no values")
		}
		if total *= len(values); total > MaxBatch {
			return nil, tooMany(total)
		}
	}
	return grid(*req.Template, req.Grid)
}

func tooMany(n int) error {
	if n > MaxBatch {
		return invalid("jobs", "%d jobs or more: the limit is %d", n, MaxBatch)
	}
	return nil
}

// grid makes a request of every combination, the last param changing fastest.
func grid(template Request, values map[string][]json.RawMessage) ([]BatchJob, error) {
	var base map[string]json.RawMessage
	if len(template.Params) > 0 {
		if err := json.Unmarshal(template.Params, &base); err != nil {
			return nil, invalid("template.params", "want a JSON object: %v", err)
		}
	}
	if base == nil { // there are none, or they are null
		base = map[string]json.RawMessage{}
	}
	items := []BatchJob{{Request: template}}
	points := []map[string]json.RawMessage{base}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		var nextItems []BatchJob
		var nextPoints []map[string]json.RawMessage
		for i, item := range items {
			for _, v := range values[name] {
				point := maps.Clone(points[i])
				if name == "seed" {
					item.Seed = new(uint64)
					if err := json.Unmarshal(v, item.Seed); err != nil {
						return nil, invalid("grid.seed", "invalid seed %s: want an integer from 0 to 2^53-1", v)
					}
				} else {
					point[name] = v
				}
				nextItems, nextPoints = append(nextItems, item), append(nextPoints, point)
			}
		}
		items, points = nextItems, nextPoints
	}
	for i := range items {
		items[i].Params = encode(points[i])
	}
	return items, nil
}

// plan checks every job of a batch and returns their records in levels: those of a
// level need only those of the levels before.
func (e *Engine) plan(ctx context.Context, b batchRecord, items []BatchJob) ([][]job.Record, error) {
	order, err := inOrder(items)
	if err != nil {
		return nil, err
	}
	ids, siblings := make([]string, len(items)), map[string]string{}
	for _, level := range order {
		for _, i := range level {
			if ids[i] = e.ids.next(); items[i].Name != "" {
				siblings[items[i].Name] = ids[i]
			}
		}
	}
	levels := make([][]job.Record, len(order))
	for n, level := range order {
		for _, i := range level {
			req := items[i].Request
			if req.SkipIfQueued {
				return nil, inItem(i, invalid("skip_if_queued", "not in a batch: all of its jobs are made, or none"))
			}
			if req.Tenant != "" && req.Tenant != b.Tenant {
				return nil, inItem(i, invalid("tenant", "%q: the jobs of a batch are its tenant's, %q", req.Tenant, b.Tenant))
			}
			req.batch, req.siblings, req.Labels = b.ID, siblings, maps.Clone(req.Labels)
			for k, v := range b.Labels {
				if req.Labels == nil {
					req.Labels = map[string]string{}
				}
				req.Labels[k] = v
			}
			if b.Running > 0 {
				req.Locks = append(slices.Clone(req.Locks), job.Lock{Name: "batch:" + b.ID, Limit: b.Running})
			}
			spec, err := e.specOf(ctx, req)
			if err != nil {
				return nil, inItem(i, err)
			}
			levels[n] = append(levels[n], e.newRecord(ids[i], b.Tenant, spec))
		}
	}
	return levels, nil
}

// inItem says which job of a batch an error is about.
func inItem(i int, err error) error {
	var bad *Invalid
	if errors.As(err, &bad) {
		return invalid(fmt.Sprintf("jobs[%d].%s", i, bad.Field), "%s", bad.Message)
	}
	var params *InvalidParams
	if errors.As(err, &params) {
		return &InvalidParams{Routine: fmt.Sprintf("%s in jobs[%d]", params.Routine, i), Violations: params.Violations}
	}
	return fmt.Errorf("jobs[%d]: %w", i, err)
}

// admit makes room in the queue for every job, or for none.
func (e *Engine) admit(levels [][]job.Record) error {
	for _, level := range levels {
		for _, r := range level {
			if err := e.dispatch.Admit(r.ID, r.Tenant, r.Spec.Plugin()); err != nil {
				return err
			}
		}
	}
	return nil
}

// withdraw gives back the room of those that no record came of.
func (e *Engine) withdraw(levels [][]job.Record) {
	for _, level := range levels {
		for _, r := range level {
			e.dispatch.Withdraw(r.ID)
		}
	}
}

// Batch returns a batch and how far it is.
func (e *Engine) Batch(ctx context.Context, id string) (Batch, error) {
	entry, err := find(ctx, e.batches, "batch", id)
	if err != nil {
		return Batch{}, err
	}
	return e.progress(ctx, entry.Value)
}

func (e *Engine) progress(ctx context.Context, r batchRecord) (Batch, error) {
	b := Batch{ID: r.ID, Tenant: r.Tenant, Created: r.Created, Labels: r.Labels, Running: r.Running, Desired: r.Desired, Phases: map[job.Phase]int{}}
	terms := make([]string, len(job.Phases))
	for i, p := range job.Phases {
		terms[i] = batchTerm(r.ID, p)
	}
	counts, err := e.jobs.Counts(ctx, terms...)
	if err != nil {
		return Batch{}, fmt.Errorf("batch %s: %w", r.ID, err)
	}
	ended := 0
	for i, n := range counts {
		p := job.Phases[i]
		b.Phases[p] = n
		b.Jobs += n
		if p.Final() {
			ended += n
		}
	}
	if !r.Written {
		b.State, b.Jobs, b.Written = BatchExpanding, r.Total, r.Added
		return b, nil
	}
	b.Done = ended == b.Jobs
	b.State = r.state(b.Done)
	return b, nil
}

// state is that of a batch that is whole.
func (b batchRecord) state(done bool) BatchState {
	switch {
	case b.Desired == job.WantStop && done:
		return BatchStopped
	case done:
		return BatchEnded
	case b.Desired == job.WantStop:
		return BatchStopping
	case b.Desired == job.WantPause:
		return BatchPaused
	}
	return BatchRunning
}

// BatchPage is a part of the list of batches, newest first.
type BatchPage struct {
	Batches []Batch `json:"batches"`
	Next    string  `json:"next,omitempty"`
}

// Batches lists batches, newest first.
func (e *Engine) Batches(ctx context.Context, cursor string, n int) (BatchPage, error) {
	if n < 1 || n > MaxPage {
		return BatchPage{}, invalid("limit", "%d: want 1 to %d", n, MaxPage)
	}
	if err := checkCursor(cursor); err != nil {
		return BatchPage{}, err
	}
	entries, next, err := e.batches.List(ctx, ledger.Query{Before: cursor, Limit: n})
	if err != nil {
		return BatchPage{}, fmt.Errorf("list batches: %w", err)
	}
	page := BatchPage{Batches: make([]Batch, len(entries)), Next: next}
	for i, entry := range entries {
		if page.Batches[i], err = e.progress(ctx, entry.Value); err != nil {
			return BatchPage{}, err
		}
	}
	return page, nil
}

// allKeys lists the records under a term, however many there are.
func allKeys[T any](ctx context.Context, s *ledger.Store[T], term string) (keys []string, err error) {
	q := ledger.Query{Terms: []string{term}, Limit: MaxPage, Ascending: true}
	for {
		entries, next, err := s.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			keys = append(keys, entry.Key)
		}
		if next == "" {
			return keys, nil
		}
		q.Before = next
	}
}
