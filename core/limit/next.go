package limit

import (
	"cmp"
	"slices"
	"time"
)

// Next returns the job that should start now: the first in order among those that
// the limits let run. The caller then calls Run with it. It takes time logarithmic
// in the jobs and tenants: those that lack something are set aside under what they
// lack, and looked at again when there is some of it.
func (s *State) Next(now time.Time) (Job, bool) {
	s.accrue(now)
	s.rise(now)
	s.lend()
	if s.slotsFull() != "" {
		return Job{}, false
	}
	s.keepFor(now)
	best := s.keptIfFree()
	for q := range s.open {
		if s.kept.memory && !q.wants.light {
			continue
		}
		if e := s.firstOf(q); e != nil && (best == nil || e.before(best)) {
			best = e
		}
	}
	if best == nil {
		return Job{}, false
	}
	return best.Job, true
}

// firstOf returns the first of a queue that lacks nothing. Those before it are moved
// to the queue of what they lack.
func (s *State) firstOf(q *queue) *entry {
	for {
		g := q.head()
		if g == nil {
			return nil
		}
		w := s.lacksNow(g.need)
		switch {
		case w.what == none:
			return g.first
		case w == q.wants:
			delete(s.open, q)
			return nil
		}
		s.move(g, w)
	}
}

// slotsFull names the slots that are all taken, whoever asks.
func (s *State) slotsFull() string {
	switch {
	case len(s.running) >= s.limits.Slots:
		return "slots"
	case len(s.running) >= Of(s.limits.NodeSlots, s.node):
		return "node slots"
	}
	return ""
}

// kept is what is kept for a job that has waited too long for locks or memory: its
// locks, and all memory if that is what it lacks.
type kept struct {
	job    *entry
	memory bool
}

// lock reports whether a lock is kept.
func (k kept) lock(name string) bool {
	return k.job != nil && !k.job.hasLocks() &&
		slices.ContainsFunc(k.job.Locks, func(l Lock) bool { return l.Name == name })
}

// from says what is kept from another job.
func (k kept) from(e *entry) want {
	if k.job == nil || k.job == e || e.Resident {
		return want{}
	}
	if k.memory && e.Memory > 0 {
		return want{what: memoryBytes}
	}
	if e.hasLocks() {
		return want{}
	}
	for _, l := range e.Locks {
		if k.lock(l.Name) {
			return want{what: namedLock, name: l.Name}
		}
	}
	return want{}
}

// keepFor keeps what it lacks for the job that has waited longest past the patience
// for locks or memory that others hold, and that can have them once those let go.
func (s *State) keepFor(now time.Time) {
	before := s.kept
	s.kept = s.mostPatient(now)
	if before.job == nil || before.job == s.kept.job {
		return
	}
	for _, l := range before.job.Locks {
		s.reopen(want{what: namedLock, name: l.Name})
	}
}

// mostPatient finds that job among the first of each queue, and the one that it was.
func (s *State) mostPatient(now time.Time) (longest kept) {
	if s.limits.Patience <= 0 {
		return longest
	}
	if k := s.kept; k.job != nil && s.jobs[k.job.ID] == k.job && !k.job.tenant.stands.full {
		switch w := s.lacks(k.job.group.need); {
		case w.what == none: // it is its turn that it waits for now
			longest = k
		case w.what != pluginSlot && !w.never:
			longest = kept{k.job, w.what == memoryBytes}
		}
	}
	for w, q := range s.queues {
		if w.never || w.what != namedLock && w.what != memoryBytes {
			continue
		}
		for i := range q.classes {
			g := q.classes[i].head()
			if g == nil || now.Sub(g.first.Since) < s.limits.Patience || longest.job != nil && longest.job.ID <= g.first.ID {
				continue
			}
			if w := s.lacks(g.need); !w.never && (w.what == namedLock || w.what == memoryBytes) {
				longest = kept{g.first, w.what == memoryBytes}
			}
		}
	}
	return longest
}

// keptIfFree returns the job for which something is kept, if there is all that it
// needs now.
func (s *State) keptIfFree() *entry {
	if s.kept.job == nil || s.lacks(s.kept.job.group.need).what != none {
		return nil
	}
	return s.kept.job
}

// WaitsOn says what a waiting job waits for: "tenant slots", "plugin slots",
// "lock NAME", "memory", "node slots", or "slots", which also stands for its turn.
// It is empty for a job that is not in the queue.
func (s *State) WaitsOn(id string) string {
	e, ok := s.jobs[id]
	if !ok || e.where != waiting {
		return ""
	}
	if e.tenant.stands.full {
		return "tenant slots"
	}
	return cmp.Or(s.wantOf(e).String(), s.slotsFull(), "slots")
}

// wantOf says what a waiting job lacks beside a slot: what others have, or, if there is a
// slot for it, what is kept for another.
func (s *State) wantOf(e *entry) want {
	w := s.lacks(e.group.need)
	if w.what != none || s.slotsFull() != "" {
		return w
	}
	return s.kept.from(e)
}

// WaitsForLock names the lock that a waiting job waits for, if that is what it waits for,
// and the jobs to which it has to leave it: the first [MaxWaiters] of its holders, or the
// one that it is kept for.
func (s *State) WaitsForLock(id string) (name string, before []string) {
	e, ok := s.jobs[id]
	if !ok || e.where != waiting || e.tenant.stands.full {
		return "", nil
	}
	w := s.wantOf(e)
	if w.what != namedLock {
		return "", nil
	}
	if s.lockFull(w.name) {
		before = s.locks[w.name].held()
		return w.name, before[:min(len(before), MaxWaiters)]
	}
	if s.kept.lock(w.name) {
		before = []string{s.kept.job.ID}
	}
	return w.name, before
}
