package dispatch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"thresher/core/job"
)

// need is a job that another waits for: for its table, if one is named.
type need struct {
	job   string
	table string
	what  string // as the failure of the one that waits names it
}

func needs(r job.Record) []need {
	var list []need
	for _, name := range slices.Sorted(maps.Keys(r.Spec.Inputs)) {
		in := r.Spec.Inputs[name]
		if in.Job != "" && in.Digest == "" { // a pinned table stays, whatever becomes of the job
			list = append(list, need{job: in.Job, table: in.Table, what: "input " + name})
		}
	}
	for _, id := range r.Spec.After {
		list = append(list, need{job: id, what: "after"})
	}
	return list
}

// unmet says why a job that has ended is not what was needed.
func (n need) unmet(p *parent) string {
	switch {
	case p.phase == "":
		return fmt.Sprintf("%s: job %s is gone", n.what, n.job)
	case p.phase != job.Completed:
		return fmt.Sprintf("%s: job %s is %s", n.what, n.job, p.phase)
	case n.table != "" && !slices.Contains(p.tables, n.table):
		return fmt.Sprintf("%s: job %s wrote no table %q", n.what, n.job, n.table)
	}
	return ""
}

// parents is which jobs are needed by jobs that have not ended, and what is known of
// them. They must not be deleted.
//
// The end of a job that is needed already is learned from the change that ends it. One
// that ended before has to be looked up, which may take a read from disk: that is done
// without the lock, by [Dispatcher.lookLoop]. What is looked up after a job came to be
// needed is not older than that moment, and each later change is observed: so no end is
// missed between the two.
type parents struct {
	of     map[string][]string // job → those that it needs
	jobs   map[string]*parent
	sought map[string]*parent // those that are to be looked up
}

// parent is a job that others need.
type parent struct {
	children map[string]struct{} // jobs that have not ended and need it
	state    parentState
	phase    job.Phase // once it has ended; empty if it is gone
	tables   []string  // likewise, that it wrote
	unread   bool      // it could not be looked up
}

type parentState uint8

const (
	parentUnknown parentState = iota
	parentLive
	parentEnded
)

func newParents() parents {
	return parents{of: map[string][]string{}, jobs: map[string]*parent{}, sought: map[string]*parent{}}
}

// add notes what a job needs. A second time does nothing: that never changes.
func (p parents) add(r job.Record) {
	if _, noted := p.of[r.ID]; noted {
		return
	}
	for _, n := range needs(r) {
		p.of[r.ID] = append(p.of[r.ID], n.job)
		if p.jobs[n.job] == nil {
			p.jobs[n.job] = &parent{children: map[string]struct{}{}}
		}
		p.jobs[n.job].children[r.ID] = struct{}{}
	}
}

// remove notes that a job needs nothing any more.
func (p parents) remove(id string) {
	for _, needed := range p.of[id] {
		if of := p.jobs[needed]; of != nil {
			if delete(of.children, id); len(of.children) == 0 {
				delete(p.jobs, needed)
				delete(p.sought, needed)
			}
		}
	}
	delete(p.of, id)
}

func (p *parent) end(r job.Record, deleted bool) {
	p.state, p.phase, p.tables = parentEnded, r.Phase, nil
	if deleted {
		p.phase = ""
		return
	}
	if r.Outcome != nil {
		for _, t := range r.Outcome.Tables {
			p.tables = append(p.tables, t.Name)
		}
	}
}

// await blocks a job on those that it needs and that have not ended, as far as is
// known. It reports whether there are any, or why it can never start.
func (s *state) await(r job.Record, now time.Time) (waits bool, failure *job.Error) {
	for _, n := range needs(r) {
		p := s.parents.jobs[n.job]
		if p.state != parentEnded {
			waits = true
			if p.state == parentUnknown {
				s.parents.sought[n.job] = p
			}
			continue
		}
		if detail := n.unmet(p); detail != "" {
			return false, &job.Error{Code: "dependency_failed", Title: "A job that this one needs did not complete", Detail: detail}
		}
	}
	if waits {
		s.blocked[r.ID] = r
		s.elsewhere.add(r.ID, ownerOf(r))
		s.lend(r, s.awaited(r), now)
	}
	return waits, nil
}

func (s *state) unblock(id string, now time.Time) {
	if r, ok := s.blocked[id]; ok {
		delete(s.blocked, id)
		s.elsewhere.remove(id)
		s.lend(r, nil, now)
	}
}

// awaited lists the jobs that a job waits for.
func (s *state) awaited(r job.Record) (ids []string) {
	for _, n := range needs(r) {
		if s.parents.jobs[n.job].state != parentEnded && !slices.Contains(ids, n.job) {
			ids = append(ids, n.job)
		}
	}
	return ids
}

// parentEnded looks again at the jobs that waited for one that has ended, in order of
// submit.
func (s *state) parentEnded(id string, r job.Record, deleted bool, now time.Time) {
	p := s.parents.jobs[id]
	if p == nil {
		return
	}
	p.end(r, deleted)
	delete(s.parents.sought, id)
	for _, child := range slices.Sorted(maps.Keys(p.children)) {
		if waiter, waits := s.blocked[child]; waits {
			s.unblock(child, now)
			s.queue(waiter, now)
		}
	}
}

// lookedUp is what was found of a job that is needed.
type lookedUp struct {
	id     string
	asked  *parent
	record job.Record
	found  bool
	err    error
}

// learn takes in what was looked up, unless the job's end was observed meanwhile, or
// nobody needs it any more.
func (s *state) learn(l lookedUp, now time.Time) {
	if s.parents.jobs[l.id] != l.asked || l.asked.state != parentUnknown {
		return
	}
	switch {
	case l.err != nil:
		l.asked.unread = true
		s.parents.sought[l.id] = l.asked
	case l.found && !l.record.Phase.Final():
		l.asked.state = parentLive
	default:
		s.parentEnded(l.id, l.record, !l.found, now)
	}
}

// LookUp returns a job's newest record, and whether there is one. It is called without
// a lock held, because it may read from disk. An error means that it could not be read
// now.
type LookUp func(id string) (r job.Record, found bool, err error)

// lookLoop looks up the jobs that others need and of which nothing is known. One that
// could not be read is looked up again a moment later.
func (d *Dispatcher) lookLoop(ctx context.Context) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		unread := false
		select {
		case <-ctx.Done():
			return
		case <-d.lookUps:
		case <-again.C:
			unread = true
		}
		d.lookUpSought(ctx, unread)
	}
}

func (d *Dispatcher) lookUpSought(ctx context.Context, unread bool) {
	var sought map[string]*parent
	d.state.Must(func(s *state) { sought = s.parents.takeSought(unread) })
	for id, asked := range sought {
		if ctx.Err() != nil {
			return
		}
		l := lookedUp{id: id, asked: asked}
		l.record, l.found, l.err = d.lookUp(id)
		d.state.Must(func(s *state) { s.learn(l, d.now()) })
		if l.err == nil {
			d.signal()
		}
	}
}

// takeSought takes what is to be looked up; unread adds what could not be read before.
func (p parents) takeSought(unread bool) map[string]*parent {
	taken := map[string]*parent{}
	for id, asked := range p.sought {
		if unread || !asked.unread {
			taken[id] = asked
			delete(p.sought, id)
		}
	}
	return taken
}
