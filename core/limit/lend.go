package limit

import "time"

// A job that waits for another lends it its priority: otherwise a low job that a high one
// waits for would itself wait behind the normal ones. What jobs that wait for the end of
// another lend it, the caller says with [State.Lend]. Loans for locks are made here: those
// that wait for a lock lend to its holders that were paused and wait for a slot.

// Lend changes the priority that jobs which wait for one lend it. It is harmless for a job
// that does not wait.
func (s *State) Lend(id string, class int8, now time.Time) {
	e, ok := s.jobs[id]
	if !ok || e.where != waiting || e.Lent == class {
		return
	}
	s.accrue(now)
	s.dequeue(e)
	e.Lent = class
	s.enqueue(e)
}

// Class returns the class of a waiting job, above [Low], with what it is lent and how far
// it has risen.
func (s *State) Class(id string) (class int, waits bool) {
	s.lend()
	if e, ok := s.jobs[id]; ok && e.where == waiting {
		return e.class, true
	}
	return 0, false
}

// OwnClass returns the class that a job was submitted with, above [Low].
func (s *State) OwnClass(id string) int {
	e, ok := s.jobs[id]
	if !ok {
		return 0
	}
	return AboveLow(e.Priority)
}

// LentByLock returns the priority that a waiting job is lent through the locks that it
// holds, in classes above [Low], and the first job that lends it; 0 if none does.
func (s *State) LentByLock(id string) (class int, by string) {
	e, ok := s.jobs[id]
	if !ok {
		return 0, ""
	}
	if _, owes := s.owed[e]; !owes {
		return 0, ""
	}
	for _, l := range e.Locks {
		if of := s.locks[l.Name]; s.lockFull(l.Name) && of.top() > class {
			class = of.top()
			of.wanted.Scan(func(w *entry) bool {
				by = w.ID
				return w.class != class
			})
		}
	}
	return class, by
}

// lend gives the waiting jobs that hold locks the priority of those that wait for them.
func (s *State) lend() {
	for e := range s.owed {
		class := e.aged
		for _, l := range e.Locks {
			if s.lockFull(l.Name) {
				class = max(class, s.locks[l.Name].top())
			}
		}
		s.reclass(e, class)
	}
}

// reclass moves a waiting job to another class.
func (s *State) reclass(e *entry, class int) {
	if e.class == class {
		return
	}
	s.stepOut(e)
	e.class = class
	s.lineUp(e)
}

// countWant counts a waiting job with those that want the locks that it lacks.
func (s *State) countWant(e *entry, n int) {
	if e.hasLocks() {
		return
	}
	for _, l := range e.Locks {
		s.locks[l.Name].classes[e.class] += n
	}
}

// top returns the highest class of those that want a lock.
func (l *lock) top() int {
	for class := High - Low; class > 0; class-- {
		if l.classes[class] > 0 {
			return class
		}
	}
	return 0
}
