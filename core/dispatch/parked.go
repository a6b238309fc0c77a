package dispatch

import (
	"time"

	"thresher/core/job"
)

// parked is the jobs that are set aside until something that they need is there
// again. Only who parked them knows when that is.
type parked map[string]*parkedJob

// parkedJob is one that is set aside.
type parkedJob struct {
	Reason
	record job.Record // its newest; without an id until its grant is settled
}

// Reason is why a job is set aside.
type Reason struct {
	Key string // names what it waits for, such as a digest: [Dispatcher.Unpark]
	Why string // as [Dispatcher.WaitsOn] says it
}

// Park sets a job aside that was granted and cannot start. It is called by whoever
// claimed the grant, before it settles it.
func (d *Dispatcher) Park(id string, r Reason) {
	d.state.Must(func(s *state) { s.parked[id] = &parkedJob{Reason: r} })
}

// Unpark lets every job wait for a slot again that was parked under a key.
func (d *Dispatcher) Unpark(key string) {
	d.state.Must(func(s *state) {
		for id, p := range s.parked {
			if p.Key == key {
				s.unpark(id, d.now())
			}
		}
	})
	d.signal()
}

// ParkedOn lists the keys that jobs are parked under.
func (d *Dispatcher) ParkedOn() map[string]int {
	keys := map[string]int{}
	d.state.Must(func(s *state) {
		for _, p := range s.parked {
			keys[p.Key]++
		}
	})
	return keys
}

// update takes in a change of a job, if it is parked.
func (p parked) update(r job.Record) {
	if one := p[r.ID]; one != nil {
		one.record = r
	}
}

func (s *state) unpark(id string, now time.Time) {
	r := s.parked[id].record
	delete(s.parked, id)
	if s.granting[id] != nil || r.ID == "" {
		return // it is placed when its grant is settled, or was deleted
	}
	s.elsewhere.remove(id)
	s.place(r, false, now)
}

func (s *state) isParked(id string) bool {
	_, ok := s.parked[id]
	return ok
}

// unparkEnded forgets a job that has ended.
func (s *state) unparkEnded(id string) {
	if _, ok := s.parked[id]; ok {
		delete(s.parked, id)
		s.elsewhere.remove(id)
	}
}
