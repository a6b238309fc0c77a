package dispatch

import (
	"slices"
	"time"

	"thresher/core/job"
	"thresher/core/limit"
)

// A job that waits for another lends it its priority for as long as it waits: otherwise a
// low job that a high one needs would wait behind the normal ones. A job also lends what
// it is lent. Classes are counted from 0, that of low jobs, which lend nothing.

// loans is what waiting jobs lend, by job: those that wait for others, and those others.
type loans map[string]*loan

// loan is what a job lends and is lent.
type loan struct {
	own   int                             // its own class, if it waits for others
	to    []string                        // those that it waits for
	given int                             // the class that it lends each of them
	by    [limit.High - limit.Low + 1]int // how many wait for it, by the class that they lend
}

// lent returns the class that a job is lent; 0 for nothing.
func (l *loan) lent() int {
	for class := len(l.by) - 1; class > 0; class-- {
		if l.by[class] > 0 {
			return class
		}
	}
	return 0
}

func (l *loan) class() int { return max(l.own, l.lent()) }

// lent returns the class that a job is lent; 0 for nothing.
func (l loans) lent(id string) int {
	if of := l[id]; of != nil {
		return of.lent()
	}
	return 0
}

// count notes n more jobs that lend one a class, and forgets it with the last.
func (l loans) count(id string, class, n int) {
	of := l[id]
	if of == nil {
		of = &loan{}
		l[id] = of
	}
	of.by[class] += n
	l.tidy(id)
}

func (l loans) tidy(id string) {
	if of := l[id]; len(of.to) == 0 && of.by == (loan{}).by {
		delete(l, id)
	}
}

// classOf returns a job's own class.
func classOf(r job.Record) int { return limit.AboveLow(int8(r.Spec.Priority)) }

// lend notes which jobs a job waits for now. The job lends them its priority, and takes
// it back from those that it waited for before.
func (s *state) lend(r job.Record, to []string, now time.Time) {
	of := s.loans[r.ID]
	if of == nil {
		if len(to) == 0 {
			return
		}
		of = &loan{}
		s.loans[r.ID] = of
	}
	before, given := of.to, of.given
	of.own, of.to = classOf(r), to
	if len(to) == 0 {
		of.own = 0
	}
	of.given = of.class()
	for _, id := range to {
		s.loans.count(id, of.given, 1)
	}
	for _, id := range before {
		s.loans.count(id, given, -1)
	}
	s.loans.tidy(r.ID)
	s.lendOn(slices.Concat(before, to), now)
}

// lendOn passes on what jobs are lent, to their place in the queue and to those that they
// wait for themselves.
func (s *state) lendOn(changed []string, now time.Time) {
	for len(changed) > 0 {
		id := changed[len(changed)-1]
		changed = changed[:len(changed)-1]
		s.slots.Lend(id, int8(s.loans.lent(id)), now)
		of := s.loans[id]
		if of == nil || of.class() == of.given {
			continue
		}
		before := of.given
		of.given = of.class()
		for _, to := range of.to {
			s.loans.count(to, of.given, 1)
			s.loans.count(to, before, -1)
		}
		changed = append(changed, of.to...)
	}
}

// lentTo returns the class that a waiting job is lent, and a job that lends it; 0 if none
// does.
func (s *state) lentTo(id string) (class int, by string) {
	class, by = s.slots.LentByLock(id)
	lent := s.loans.lent(id)
	if lent <= class {
		return class, by
	}
	by = ""
	lends := func(waiter string) {
		if of := s.loans[waiter]; of != nil && of.given == lent && slices.Contains(of.to, id) && (by == "" || waiter < by) {
			by = waiter
		}
	}
	if p := s.parents.jobs[id]; p != nil {
		for child := range p.children {
			lends(child)
		}
	}
	for follower := range s.coalesced.followers[id] {
		lends(follower)
	}
	return lent, by
}
