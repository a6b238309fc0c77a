package dispatch

import (
	"fmt"
	"strings"
	"time"

	"thresher/core/job"
	"thresher/core/limit"
)

// state is what the dispatcher knows. It is pure: the dispatcher's lock guards it.
type state struct {
	limits Limits
	slots  *limit.State

	blocked  map[string]job.Record          // jobs that wait for another's table
	children map[string]map[string]struct{} // parent → those in blocked that wait for it
	granting map[string]*change             // grants on their way; the newest change seen since
	admitted map[string]struct{}            // submits whose record is on its way
	doomed   map[string]job.Error           // to be cancelled
	drain    drainRate
}

type change struct {
	record  job.Record
	deleted bool
}

func newState(l Limits) state {
	return state{
		limits:   l,
		slots:    limit.New(l.Limits),
		blocked:  map[string]job.Record{},
		children: map[string]map[string]struct{}{},
		granting: map[string]*change{},
		admitted: map[string]struct{}{},
		doomed:   map[string]job.Error{},
	}
}

// place puts a job where its record says it belongs.
func (s *state) place(r job.Record, deleted bool, parents Parents) {
	s.unblock(r.ID)
	switch {
	case deleted || r.Phase.Final():
		s.slots.Forget(r.ID)
		s.parentEnded(r.ID, parents)
	case r.Phase == job.Running:
		s.slots.Run(entry(r))
	case r.Desired != job.WantRun:
		s.slots.Forget(r.ID)
	case r.Lease != nil:
		s.slots.Wait(entry(r)) // its guest is parked here and wants its slot back
	default:
		s.queue(r, parents)
	}
}

// queue lets a pending job wait for a slot, for its parents, or for its end.
func (s *state) queue(r job.Record, parents Parents) {
	waits := false
	for name, in := range r.Spec.Inputs {
		if in.Job == "" {
			continue
		}
		parent, found := parents(in.Job)
		switch {
		case !found || parent.Phase.Final() && !hasTable(parent, in.Table):
			s.slots.Forget(r.ID)
			s.unblock(r.ID)
			s.doomed[r.ID] = dependencyError(name, in, parent, found)
			return
		case !parent.Phase.Final():
			waits = true
			s.block(r, in.Job)
		}
	}
	if waits {
		s.slots.Forget(r.ID)
		return
	}
	s.slots.Wait(entry(r))
}

func hasTable(r job.Record, table string) bool {
	if r.Phase != job.Completed || r.Outcome == nil {
		return false
	}
	for _, t := range r.Outcome.Tables {
		if t.Name == table {
			return true
		}
	}
	return false
}

func dependencyError(input string, in job.Input, parent job.Record, found bool) job.Error {
	detail := fmt.Sprintf("input %s: job %s is gone", input, in.Job)
	switch {
	case found && parent.Phase == job.Completed:
		detail = fmt.Sprintf("input %s: job %s wrote no table %q", input, in.Job, in.Table)
	case found:
		detail = fmt.Sprintf("input %s: job %s is %s", input, in.Job, parent.Phase)
	}
	return job.Error{Code: "dependency_failed", Title: "A job that this one needs did not complete", Detail: detail}
}

func (s *state) block(r job.Record, parent string) {
	s.blocked[r.ID] = r
	if s.children[parent] == nil {
		s.children[parent] = map[string]struct{}{}
	}
	s.children[parent][r.ID] = struct{}{}
}

func (s *state) unblock(id string) {
	r, ok := s.blocked[id]
	if !ok {
		return
	}
	delete(s.blocked, id)
	for _, in := range r.Spec.Inputs {
		delete(s.children[in.Job], id)
		if len(s.children[in.Job]) == 0 {
			delete(s.children, in.Job)
		}
	}
}

// parentEnded looks again at the jobs that waited for id.
func (s *state) parentEnded(id string, parents Parents) {
	waiters := s.children[id]
	delete(s.children, id)
	for child := range waiters {
		r := s.blocked[child]
		s.unblock(child)
		s.queue(r, parents)
	}
}

// grantNext reserves a slot for the next job. Until the grant is settled the job
// keeps that slot, whatever happens to its record.
func (s *state) grantNext() (id string, ok bool) {
	next, ok := s.slots.Next()
	if !ok {
		return "", false
	}
	s.slots.Run(next)
	s.granting[next.ID] = &change{}
	return next.ID, true
}

func (s *state) settle(id string, parents Parents) {
	seen := s.granting[id]
	delete(s.granting, id)
	switch {
	case seen == nil:
	case seen.record.ID != "":
		s.place(seen.record, seen.deleted, parents)
	default: // nothing was written: the record is as it was when it was granted
		if r, found := parents(id); found {
			s.place(r, false, parents)
		} else {
			s.slots.Forget(id)
		}
	}
}

func (s *state) waiting() int {
	return s.slots.Waiting() + len(s.blocked) + len(s.admitted)
}

func (s *state) waitsOn(id string) string {
	if r, ok := s.blocked[id]; ok {
		var on []string
		for _, in := range r.Spec.Inputs {
			if _, waits := s.children[in.Job][id]; waits {
				on = append(on, in.Job)
			}
		}
		return "job " + strings.Join(on, ", ")
	}
	return s.slots.WaitsOn(id)
}

func entry(r job.Record) limit.Job {
	plugin, _, _ := strings.Cut(r.Spec.Routine, "/")
	return limit.Job{ID: r.ID, Plugin: plugin, Priority: int8(r.Spec.Priority)}
}

// drainRate measures how fast jobs end, from the newest of them.
type drainRate struct {
	times [64]time.Time
	n     int // ended since the start
}

func (d *drainRate) ended(at time.Time) {
	d.times[d.n%len(d.times)] = at
	d.n++
}

// retryAfter is the time in which one job should end, between 1 s and 1 min.
func (d *drainRate) retryAfter(now time.Time) time.Duration {
	kept := min(d.n, len(d.times))
	if kept == 0 {
		return 5 * time.Second // nothing known yet
	}
	oldest := d.times[0]
	if d.n > len(d.times) {
		oldest = d.times[d.n%len(d.times)]
	}
	each := now.Sub(oldest) / time.Duration(kept)
	return min(max(each, time.Second), time.Minute)
}
