package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"thresher/core/feed"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/routine"
)

// Job is a record as users see it, with what is known beside it.
type Job struct {
	job.Record
	Revision uint64        `json:"revision"`
	Progress *job.Progress `json:"progress,omitempty"` // while it runs; afterwards outcome.progress
	Waiting  *Waiting      `json:"waiting,omitempty"`
	Skipped  bool          `json:"skipped,omitempty"` // the submit made no job: this one waits already
}

// Waiting says why a job does not run yet.
type Waiting struct {
	On string `json:"on"` // such as "slots", "memory", "lock NAME" or "job ID": see docs/limits.md

	Jobs []string `json:"jobs,omitempty"` // the jobs that it waits for; of the holders of a lock, the first hundred
	Lock string   `json:"lock,omitempty"` // the named lock that it waits for

	Paused []string `json:"paused,omitempty"` // those of the jobs that are paused: it waits until they are resumed or stopped
	// Priority is what it is lent by LentBy, a job of that priority that waits for it; empty
	// where its own is as high.
	Priority string `json:"priority,omitempty" enum:"low,normal,high"`
	LentBy   string `json:"lent_by,omitempty"`
}

// Filter selects jobs. The zero value selects all.
type Filter struct {
	Phase   job.Phase         `json:"phase,omitempty"`
	Phases  []job.Phase       `json:"phases,omitempty"`  // any of them
	Plugin  string            `json:"plugin,omitempty"`  // NAME, or NAME@VERSION
	Routine string            `json:"routine,omitempty"` // plugin/routine
	Kind    routine.Kind      `json:"kind,omitempty"`
	Tenant  string            `json:"tenant,omitempty"`
	Batch   string            `json:"batch,omitempty"`
	Origin  string            `json:"origin,omitempty"` // the job that they repeat
	Bulk    string            `json:"bulk,omitempty"`   // the bulk action that made them
	Labels  map[string]string `json:"labels,omitempty"` // all must be there
	// LabelPrefixes selects by how the value of a label begins.
	LabelPrefixes map[string]string `json:"label_prefixes,omitempty"`
	Error         string            `json:"error,omitempty"` // code of the failure
	Text          string            `json:"text,omitempty"`  // words in the failure's detail; the last may be a beginning
	From          time.Time         `json:"from,omitzero"`   // created then or later, as the record says
	To            time.Time         `json:"to,omitzero"`     // created before

	Cursor string `json:"-"` // Next of the page before
	Limit  int    `json:"-"` // default 100, at most MaxPage
}

// MaxPage is the most jobs a page has.
const MaxPage = 1000

// Page is a part of a list, newest first.
type Page struct {
	Jobs []Job  `json:"jobs"`
	Next string `json:"next,omitempty"` // cursor of the next page; empty at the end
}

// find returns a record by its id, or an error that wraps ErrNotFound.
func find[T any](ctx context.Context, s *ledger.Store[T], what, id string) (ledger.Entry[T], error) {
	entry, err := s.Get(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return entry, fmt.Errorf("%s %s: %w", what, id, err)
	}
	return entry, nil
}

// Job returns one job.
func (e *Engine) Job(ctx context.Context, id string) (Job, error) {
	entry, err := find(ctx, e.jobs, "job", id)
	if err != nil {
		return Job{}, err
	}
	return e.view(entry), nil
}

func (e *Engine) view(entry ledger.Entry[job.Record]) Job {
	j := Job{Record: entry.Value, Revision: entry.Revision}
	if j.Phase.Final() {
		return j
	}
	if out := e.pool.Live(j.ID); out != nil {
		j.Progress = out.Progress()
	}
	if w := e.dispatch.Waits(j.ID); w.On != "" && j.Phase != job.Running {
		j.Waiting = &Waiting{On: w.On, Jobs: w.Jobs, Lock: w.Lock, Paused: w.Paused, Priority: w.Lent, LentBy: w.LentBy}
	}
	return j
}

// Jobs returns a page of the jobs that a filter selects.
func (e *Engine) Jobs(ctx context.Context, f Filter) (Page, error) {
	q, err := f.page()
	if err != nil {
		return Page{}, err
	}
	found, err := e.jobs.Find(ctx, q)
	if err != nil {
		return Page{}, fmt.Errorf("list jobs: %w", err)
	}
	page := Page{Jobs: make([]Job, len(found.Records)), Next: found.Next}
	for i, one := range found.Records {
		page.Jobs[i] = e.view(one.Entry())
	}
	return page, nil
}

// JobsJSON is Jobs for those who want JSON.
func (e *Engine) JobsJSON(ctx context.Context, f Filter) (PageJSON, error) {
	q, err := f.page()
	if err != nil {
		return PageJSON{}, err
	}
	page := PageJSON{engine: e, key: pageKey(q)}
	if page.kept = e.pages.at(e.jobs.Revision(), page.key); page.kept != nil {
		return page, nil
	}
	if page.found, err = e.jobs.Find(ctx, q); err != nil {
		return page, fmt.Errorf("list jobs: %w", err)
	}
	return page, nil
}

// page is the query for a page, or an error that says what is wrong with it.
func (f Filter) page() (ledger.Query, error) {
	if f.Limit == 0 {
		f.Limit = 100
	}
	if f.Limit < 1 || f.Limit > MaxPage {
		return ledger.Query{}, invalid("limit", "%d: want 1 to %d", f.Limit, MaxPage)
	}
	if err := checkCursor(f.Cursor); err != nil {
		return ledger.Query{}, err
	}
	if err := f.check(""); err != nil {
		return ledger.Query{}, err
	}
	return f.query(), nil
}

// checkCursor refuses what no page can have ended with.
func checkCursor(cursor string) error {
	if cursor == "" {
		return nil
	}
	if _, err := ledger.ParseCursor(cursor); err != nil {
		return invalid("cursor", "%q: want next of the page before", cursor)
	}
	return nil
}

// Empty reports whether the filter selects every job.
func (f Filter) Empty() bool {
	q := f.query()
	return len(q.Terms)+len(q.AnyOf)+len(q.Prefixes) == 0 && f.Text == "" && q.From.IsZero() && q.To.IsZero()
}

func (f Filter) query() ledger.Query {
	q := ledger.Query{Before: f.Cursor, Limit: f.Limit, From: f.From, To: f.To}
	add := func(key, value string) {
		if value != "" {
			q.Terms = append(q.Terms, key+"="+value)
		}
	}
	add("phase", string(f.Phase))
	add("plugin", f.Plugin)
	add("routine", f.Routine)
	add("kind", string(f.Kind))
	add("tenant", f.Tenant)
	add("batch", f.Batch)
	add("origin", f.Origin)
	add("bulk", f.Bulk)
	for _, k := range slices.Sorted(maps.Keys(f.Labels)) { // so that one filter is one query
		q.Terms = append(q.Terms, labelTerm(k, f.Labels[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(f.LabelPrefixes)) {
		q.Prefixes = append(q.Prefixes, labelTerm(k, f.LabelPrefixes[k]))
	}
	add("error", f.Error)
	if len(f.Phases) > 0 {
		var any []string
		for _, p := range f.Phases {
			any = append(any, "phase="+string(p))
		}
		q.AnyOf = append(q.AnyOf, any)
	}
	if words := wordsOf(f.Text); len(words) > 0 {
		last := len(words) - 1
		for _, w := range words[:last] {
			q.Terms = append(q.Terms, wordTerm(w))
		}
		q.Prefixes = append(q.Prefixes, wordTerm(words[last]))
	}
	return q
}

// JobsOf counts the jobs of some plugins, each a NAME or a NAME@VERSION, of all tenants.
func (e *Engine) JobsOf(ctx context.Context, plugins ...string) ([]int, error) {
	terms := make([]string, len(plugins))
	for i, p := range plugins {
		terms[i] = "plugin=" + p
	}
	return e.jobs.Counts(ctx, terms...)
}

// maxParked bounds the paused guests that hold memory, in guests a slot.
const maxParked = 8

// Pause asks a job to hold. A running one is paused once its guest has stopped at
// a host call.
func (e *Engine) Pause(ctx context.Context, id string) (Job, error) {
	j, err := e.Job(ctx, id)
	if err != nil {
		return Job{}, err
	}
	leased, err := e.jobs.Count(ctx, termLeased)
	if err != nil {
		return Job{}, fmt.Errorf("job %s: %w", id, err)
	}
	running, _ := e.dispatch.Counts()
	if slots := e.Limits().Slots; j.Lease != nil && leased-running >= maxParked*slots {
		return Job{}, &TooManyPaused{Most: maxParked * slots}
	}
	return e.request(ctx, id, job.Pause{})
}

// TooManyPaused refuses a pause because paused guests keep their memory.
type TooManyPaused struct{ Most int }

func (e *TooManyPaused) Error() string {
	return fmt.Sprintf("%d paused jobs hold memory already: resume or stop one first", e.Most)
}

// Resume asks a paused job to go on.
func (e *Engine) Resume(ctx context.Context, id string) (Job, error) {
	if err := e.notPaused(ctx, id); err != nil {
		return Job{}, err
	}
	return e.request(ctx, id, job.Resume{})
}

// Stop asks a job to end. A running one is stopped once its guest is gone.
func (e *Engine) Stop(ctx context.Context, id string) (Job, error) {
	return e.request(ctx, id, job.Stop{At: e.cfg.Now()})
}

func (e *Engine) request(ctx context.Context, id string, event job.Event) (Job, error) {
	entry, err := e.move(ctx, id, func(job.Record) job.Event { return event })
	if err != nil {
		return Job{}, err
	}
	return e.view(entry), nil
}

// move applies the event that next chooses for the newest record, until the
// result is written before anyone else's.
func (e *Engine) move(ctx context.Context, id string, next func(job.Record) job.Event) (ledger.Entry[job.Record], error) {
	return e.jobs.Modify(ctx, id, func(r *job.Record) (*job.Record, error) {
		if r == nil {
			return nil, fmt.Errorf("job %s: %w", id, ErrNotFound)
		}
		changed, err := job.Apply(*r, next(*r))
		if err != nil {
			return r, fmt.Errorf("job %s: %w", id, err)
		}
		return &changed, nil
	})
}

// Delete removes a final job that no waiting job needs.
func (e *Engine) Delete(ctx context.Context, id string) error {
	_, err := e.jobs.Modify(ctx, id, func(r *job.Record) (*job.Record, error) {
		switch {
		case r == nil:
			return nil, fmt.Errorf("job %s: %w", id, ErrNotFound)
		case !r.Phase.Final():
			return r, fmt.Errorf("job %s: %w", id, &job.IllegalMove{Event: "delete", Phase: r.Phase, Desired: r.Desired})
		case e.dispatch.HasDependents(id):
			return r, fmt.Errorf("job %s: another job needs it: %w", id, ErrInUse)
		}
		return nil, nil
	})
	return err
}

// Wait returns the job once it is final. If ctx ends first it returns the job as
// it then is, and the cause.
func (e *Engine) Wait(ctx context.Context, id string) (Job, error) {
	for {
		done, err := e.waitOnce(ctx, id)
		if done || err != nil {
			j, getErr := e.Job(context.WithoutCancel(ctx), id)
			return j, errors.Join(err, getErr)
		}
	}
}

// waitOnce watches the job until it is final, or until its subscription is
// dropped: then it reports false and the caller looks anew.
func (e *Engine) waitOnce(ctx context.Context, id string) (done bool, err error) {
	sub := e.hub.Subscribe(0, id)
	defer sub.Close()
	j, err := e.Job(ctx, id) // after subscribing, so that no change is missed between
	if err != nil || j.Phase.Final() {
		return true, err
	}
	for {
		event, ok := sub.Next()
		switch {
		case errors.Is(sub.Err(), feed.ErrClosed):
			return false, ErrShuttingDown
		case sub.Err() != nil:
			return false, nil
		case !ok:
			select {
			case <-ctx.Done():
				return false, context.Cause(ctx)
			case <-sub.More():
			}
			continue
		case event.Type != feed.TypeJob && event.Type != feed.TypeDeleted:
			continue
		}
		j, err := e.Job(ctx, id)
		if err != nil || j.Phase.Final() {
			return true, err
		}
	}
}
