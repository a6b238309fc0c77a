package dispatch

import "time"

// parked is the jobs that are set aside until something that they need is there
// again. Only who parked them knows when that is.
type parked map[string]Reason

// Reason is why a job is set aside.
type Reason struct {
	Key string // names what it waits for, such as a digest: [Dispatcher.Unpark]
	Why string // as [Dispatcher.WaitsOn] says it
}

// Park sets a job aside that was granted and cannot start. It is called by whoever
// claimed the grant, before it settles it.
func (d *Dispatcher) Park(id string, r Reason) {
	d.state.Must(func(s *state) { s.parked[id] = r })
}

// Unpark lets every job wait for a slot again that was parked under a key.
func (d *Dispatcher) Unpark(key string) {
	d.state.Must(func(s *state) {
		for id, r := range s.parked {
			if r.Key == key {
				s.unpark(id, d.parents, d.now())
			}
		}
	})
	d.signal()
}

// ParkedOn lists the keys that jobs are parked under.
func (d *Dispatcher) ParkedOn() map[string]int {
	keys := map[string]int{}
	d.state.Must(func(s *state) {
		for _, r := range s.parked {
			keys[r.Key]++
		}
	})
	return keys
}

func (s *state) unpark(id string, parents Parents, now time.Time) {
	delete(s.parked, id)
	if s.granting[id] != nil {
		return // it is placed when the grant is settled
	}
	s.aside.remove(id)
	if r, found := parents(id); found {
		s.place(r, false, parents, now)
	}
}

func (s *state) isParked(id string) bool {
	_, ok := s.parked[id]
	return ok
}

// unparkEnded forgets a job that has ended.
func (s *state) unparkEnded(id string) {
	if _, ok := s.parked[id]; ok {
		delete(s.parked, id)
		s.aside.remove(id)
	}
}
