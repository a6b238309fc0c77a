package core

import (
	"context"
	"slices"
	"strings"

	"thresher/core/job"
	"thresher/core/ledger"
)

// Bulks are carried out side by side, and leave the jobs as if one had run after the other:
// what the later one asks for holds, also where the earlier one reaches a job last.

// laterThan lists, for each action, those that matter to what it leaves when they come
// later. Of the rest the order makes no difference, or the phases of a job say it.
var laterThan = map[string][]string{
	"retry":  {"stop", "pause", "resume"},
	"pause":  {"pause", "resume"},
	"resume": {"pause", "resume"},
	"pin":    {"pin", "unpin"},
	"unpin":  {"pin", "unpin"},
}

// supersededBy ends a bulk that has nothing left to do.
type supersededBy struct{ bulk string }

func (s *supersededBy) Error() string { return "superseded by bulk " + s.bulk }

// later lists the bulks that began after one and change what it leaves, oldest first.
func (e *Engine) later(ctx context.Context, b Bulk) (list []Bulk) {
	actions := laterThan[b.Action]
	if len(actions) == 0 {
		return nil
	}
	var terms []string
	for _, action := range actions {
		terms = append(terms, bulkActionTerm(action))
	}
	q := ledger.Query{AnyOf: [][]string{terms}, Low: b.ID + "0", Limit: MaxPage, Ascending: true}
	for {
		entries, next, err := e.bulks.List(ctx, q)
		if err != nil {
			return list // the next look may succeed
		}
		for _, entry := range entries {
			list = append(list, entry.Value.Bulk)
		}
		if next == "" {
			return list
		}
		q.Before = next
	}
}

// lastWord returns which action later bulks, one after the other, leave a job with; empty
// if none of them selects it.
func lastWord(later []Bulk, r job.Record) (action string) {
	for _, m := range later {
		if !m.Filter.selects(r) {
			continue
		}
		if action, r = m.Action, m.leaves(r); action == "stop" {
			return action // a stopped job stays stopped
		}
	}
	return action
}

// differs reports whether an action makes something else of a job than the bulk.
func (b Bulk) differs(action string) bool {
	return action != b.Action && (b.Action != "retry" || action != "resume")
}

// supersedes reports whether later bulks want the opposite of a job. A retry is not made
// only to be stopped; one that is to be paused is made.
func supersedes(later []Bulk, b Bulk, r job.Record) bool {
	action := lastWord(later, b.leaves(r))
	return action != "" && b.differs(action) && (b.Action != "retry" || action == "stop")
}

// leaves is what a bulk makes of a job, as far as filters can tell.
func (b Bulk) leaves(r job.Record) job.Record {
	switch b.Action {
	case "pause":
		r.Phase = job.Paused
	case "resume":
		r.Phase = job.Running
	case "retry":
		r.Spec.Origin, r.Spec.Bulk = r.ID, b.ID
		r.Phase, r.Desired, r.Outcome = job.Pending, job.WantRun, nil
	case "stop":
		r.Phase = job.Stopped
	}
	return r
}

// selects reports whether a filter selects a job as it is now.
func (f Filter) selects(r job.Record) bool {
	q := f.query()
	return fits(q, jobTerms(r.ID, r), nil) &&
		(q.From.IsZero() || !r.Created.Before(q.From)) && (q.To.IsZero() || r.Created.Before(q.To))
}

// fits reports whether all terms of a query are among some, and each of its prefixes
// begins one, or begins one of some prefixes.
func fits(q ledger.Query, terms, prefixes []string) bool {
	among := func(term string) bool { return slices.Contains(terms, term) }
	for _, term := range q.Terms {
		if !among(term) {
			return false
		}
	}
	for _, any := range q.AnyOf {
		if !slices.ContainsFunc(any, among) {
			return false
		}
	}
	for _, p := range q.Prefixes {
		begins := func(text string) bool { return strings.HasPrefix(text, p) }
		if !slices.ContainsFunc(terms, begins) && !slices.ContainsFunc(prefixes, begins) {
			return false
		}
	}
	return true
}

// stopsAll reports whether a bulk stops every job that another makes.
func (b Bulk) stopsAll(other Bulk) bool {
	if b.Action != "stop" || other.Action != "retry" || b.ID <= other.ID {
		return false
	}
	f := other.Filter
	f.Phase, f.Phases, f.Origin, f.Error, f.Text = job.Pending, nil, "", "", "" // of the jobs that it retries
	made, q := f.query(), b.Filter.query()
	return q.From.IsZero() && q.To.IsZero() && fits(q, append(made.Terms, bulkTerm(other.ID)), made.Prefixes)
}

// supersededWholly returns the later bulk that leaves another nothing to do, if there is
// one.
func supersededWholly(later []Bulk, b Bulk) *supersededBy {
	for _, m := range later {
		if m.stopsAll(b) {
			return &supersededBy{m.ID}
		}
	}
	return nil
}

// endSuperseded ends the bulks to which a new one leaves nothing to do.
func (e *Engine) endSuperseded(by Bulk) {
	var all []Bulk
	e.running.Must(func(runs *map[string]*bulkRun) {
		for _, run := range *runs {
			all = append(all, run.now)
		}
	})
	for _, b := range all {
		if by.stopsAll(b) {
			e.endRun(b.ID, &supersededBy{by.ID})
		}
	}
}

// catchUp does what later bulks ask for to the jobs that a bulk has just changed, where a
// later one had reached a job first. It waits until the later bulks have ended, because
// they may still reach the jobs; then it looks at those that began meanwhile.
func (e *Engine) catchUp(ctx context.Context, b Bulk, jobs []job.Record) {
	for known := 0; ; {
		later := e.later(ctx, b)
		if len(later) == known || known == 0 && len(e.missed(ctx, later, b, jobs, false)) == 0 {
			return
		}
		e.awaitRuns(ctx, later)
		later = e.later(ctx, b)
		for action, ids := range e.missed(ctx, later, b, jobs, known > 0) {
			if _, err := e.forAll(ctx, bulkActions[action], ids); err != nil {
				e.cfg.Log.Warn("jobs of a bulk do not follow a later one", "bulk", b.ID, "action", action, "error", err)
			}
		}
		known = len(later)
	}
}

// awaitRuns waits until some bulks have ended, or until ctx ends. A bulk only waits for
// later ones, so none waits for itself.
func (e *Engine) awaitRuns(ctx context.Context, bulks []Bulk) {
	for _, b := range bulks {
		run := e.runOf(b.ID)
		if run == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-run.ended:
		}
	}
}

// missed lists the jobs that a bulk has changed, or made, by the action that later ones ask
// for. If since is set, that includes the bulk's own action: a job may have been changed
// again in between.
func (e *Engine) missed(ctx context.Context, later []Bulk, b Bulk, jobs []job.Record, since bool) map[string][]string {
	ids := map[string][]string{}
	for _, r := range jobs {
		r = b.leaves(r)
		if b.Action == "retry" {
			q := ledger.Query{Terms: []string{"origin=" + r.ID, bulkTerm(b.ID)}, Limit: 1}
			entries, _, err := e.jobs.List(ctx, q)
			if err != nil || len(entries) == 0 {
				continue
			}
			r = entries[0].Value
		}
		if action := lastWord(later, r); action != "" && (since || b.differs(action)) {
			ids[action] = append(ids[action], r.ID)
		}
	}
	return ids
}
