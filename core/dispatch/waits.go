package dispatch

import (
	"thresher/core/job"
	"thresher/core/limit"
)

// Wait is what a waiting job waits for.
type Wait struct {
	On     string   // see [Dispatcher.WaitsOn]
	Jobs   []string // that must end, or let go of the lock, first; the first of them
	Lock   string   // its name, if it waits for one
	Paused []string // those of the jobs that are paused
	// Lent is the priority that it has while LentBy, which has that, waits for it; empty
	// where its own is as high.
	Lent, LentBy string
}

// Waits says what a waiting job waits for, with what can be looked up. It is the zero
// value for a job that does not wait.
func (d *Dispatcher) Waits(id string) (w Wait) {
	d.state.Must(func(s *state) { w = s.waits(id) })
	return w
}

func (s *state) waits(id string) Wait {
	w := Wait{On: s.waitsOn(id)}
	if w.On == "" {
		return w
	}
	if r, ok := s.blocked[id]; ok {
		w.Jobs = s.awaited(r)
	} else if leader := s.coalesced.leaderOf(id); leader != "" {
		w.Jobs = []string{leader}
	} else if name, before := s.slots.WaitsForLock(id); w.On == "lock "+name {
		w.Lock, w.Jobs = name, before
	}
	for _, other := range w.Jobs {
		if _, paused := s.paused[other]; paused {
			w.Paused = append(w.Paused, other)
		}
	}
	if class, by := s.lentTo(id); by != "" && class > s.ownClass(id) {
		w.Lent, w.LentBy = job.Priority(class+limit.Low).String(), by
	}
	return w
}

// ownClass is the class of a waiting job before anything is lent to it.
func (s *state) ownClass(id string) int {
	if of := s.loans[id]; of != nil && len(of.to) > 0 {
		return of.own
	}
	return s.slots.OwnClass(id)
}
