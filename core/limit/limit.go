// Package limit decides which waiting job may run next, and how many may run.
//
// A [State] is a pure structure: no lock, no clock, no goroutine, no I/O. The
// dispatcher owns it and calls it with its own lock held. What is in use is the
// set of jobs that run, never a counter, so taking a job out twice, or one that
// was never there, cannot make a slot leak or appear.
package limit

import (
	"cmp"
	"iter"

	"github.com/tidwall/btree"
)

// Limits bound what runs at once.
type Limits struct {
	Slots       int            // jobs running in all
	PluginSlots map[string]int // jobs running of one plugin; no entry means no limit of its own
}

// Job is what the order of jobs depends on.
type Job struct {
	ID       string // ULID: earlier submits sort first
	Plugin   string
	Priority int8 // higher first
}

// State is the queue of waiting jobs and the set of running ones. A job is in at
// most one of the two.
type State struct {
	limits  Limits
	jobs    map[string]Job                 // every job known, by id
	waiting map[string]*btree.BTreeG[Job]  // by plugin, in order
	running map[string]map[string]struct{} // plugin → ids
}

// New returns an empty state.
func New(l Limits) *State {
	return &State{
		limits:  l,
		jobs:    map[string]Job{},
		waiting: map[string]*btree.BTreeG[Job]{},
		running: map[string]map[string]struct{}{},
	}
}

// SetLimits changes the limits. Jobs that run keep running; where there are more
// than the new limits allow, nothing starts until enough have ended.
func (s *State) SetLimits(l Limits) { s.limits = l }

// Wait puts a job in the queue, taking it out of the running set if it is there.
func (s *State) Wait(j Job) {
	s.Forget(j.ID)
	s.jobs[j.ID] = j
	queue, ok := s.waiting[j.Plugin]
	if !ok {
		queue = btree.NewBTreeGOptions(before, btree.Options{NoLocks: true})
		s.waiting[j.Plugin] = queue
	}
	queue.Set(j)
}

// Run puts a job in the running set, taking it out of the queue if it is there.
// It does not ask whether the limits allow it: that is what [State.Next] is for.
func (s *State) Run(j Job) {
	s.Forget(j.ID)
	s.jobs[j.ID] = j
	set, ok := s.running[j.Plugin]
	if !ok {
		set = map[string]struct{}{}
		s.running[j.Plugin] = set
	}
	set[j.ID] = struct{}{}
}

// Forget takes a job out, wherever it is. It is harmless for an unknown id.
func (s *State) Forget(id string) {
	j, ok := s.jobs[id]
	if !ok {
		return
	}
	delete(s.jobs, id)
	if queue, ok := s.waiting[j.Plugin]; ok {
		queue.Delete(j)
		if queue.Len() == 0 {
			delete(s.waiting, j.Plugin)
		}
	}
	if set, ok := s.running[j.Plugin]; ok {
		delete(set, id)
		if len(set) == 0 {
			delete(s.running, j.Plugin)
		}
	}
}

// Next returns the job that should start now: the first in order among those
// that the limits let run. The caller then calls Run with it. It takes
// O(plugins) time.
func (s *State) Next() (Job, bool) {
	if s.Running() >= s.limits.Slots {
		return Job{}, false
	}
	var best Job
	found := false
	for plugin, queue := range s.waiting {
		if s.pluginFull(plugin) {
			continue
		}
		if head, ok := queue.Min(); ok && (!found || before(head, best)) {
			best, found = head, true
		}
	}
	return best, found
}

// WaitsOn says what a waiting job waits for, "slots" or "plugin slots". It is
// empty for a job that is not in the queue.
func (s *State) WaitsOn(id string) string {
	j, ok := s.jobs[id]
	if !ok || s.IsRunning(id) {
		return ""
	}
	if s.pluginFull(j.Plugin) {
		return "plugin slots"
	}
	return "slots"
}

// Running returns how many jobs run.
func (s *State) Running() int {
	n := 0
	for _, set := range s.running {
		n += len(set)
	}
	return n
}

// IsRunning reports whether the job is in the running set.
func (s *State) IsRunning(id string) bool {
	_, ok := s.running[s.jobs[id].Plugin][id]
	return ok
}

// Waiting returns how many jobs are in the queue.
func (s *State) Waiting() int { return len(s.jobs) - s.Running() }

// RunningIDs yields the running jobs, in no order.
func (s *State) RunningIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, set := range s.running {
			for id := range set {
				if !yield(id) {
					return
				}
			}
		}
	}
}

func (s *State) pluginFull(plugin string) bool {
	most, limited := s.limits.PluginSlots[plugin]
	return limited && len(s.running[plugin]) >= most
}

// before orders the queue: higher priority first, then earlier submit.
func before(a, b Job) bool {
	if c := cmp.Compare(b.Priority, a.Priority); c != 0 {
		return c < 0
	}
	return a.ID < b.ID
}
