package dispatch

import (
	"errors"
	"fmt"
	"time"

	"thresher/core/job"
	"thresher/core/limit"
)

// ErrQueueFull is wrapped by the error of a submit over the queue's cap.
var ErrQueueFull = errors.New("the queue is full")

// QueueFull says when there may be room again.
type QueueFull struct {
	Limit      string // by its name: queue_cap, tenant_queue_cap or plugin_queue_cap
	Name       string // of the tenant or the plugin; empty for the queue of all
	Cap        int
	RetryAfter time.Duration // from the rate at which jobs ended lately
}

// Path names the limit as a change of limits does, such as plugin_queue_cap.models.
func (e *QueueFull) Path() string {
	if e.Name == "" {
		return e.Limit
	}
	return e.Limit + "." + e.Name
}

func (e *QueueFull) Error() string {
	return fmt.Sprintf("%v: %s allows %d waiting jobs", ErrQueueFull, e.Path(), e.Cap)
}

// Unwrap returns ErrQueueFull.
func (e *QueueFull) Unwrap() error { return ErrQueueFull }

// Admit makes room in the queue for a job about to be submitted, or returns a
// *[QueueFull]. Its record's first change takes the room over; Withdraw gives it
// back where no record came of it.
func (d *Dispatcher) Admit(id, tenant, plugin string) error {
	var err error
	d.state.Must(func(s *state) { err = s.admit(id, owner{tenant, plugin}, false, d.now()) })
	return err
}

// AdmitBulk is Admit for a job that a bulk action makes. Such jobs take up at most half
// of each queue: there is room for others while a bulk action waits for some.
func (d *Dispatcher) AdmitBulk(id, tenant, plugin string) error {
	var err error
	d.state.Must(func(s *state) { err = s.admit(id, owner{tenant, plugin}, true, d.now()) })
	return err
}

// Withdraw gives back the room of a job whose submit failed. It does nothing for a job
// whose record exists: that job waits, and is counted.
func (d *Dispatcher) Withdraw(id string) {
	d.state.Must(func(s *state) {
		if s.admitted(id) {
			s.elsewhere.remove(id)
			s.leftQueue(id)
		}
	})
}

// Room returns a channel that is closed when a job leaves the queue.
func (d *Dispatcher) Room() (left <-chan struct{}) {
	d.state.Must(func(s *state) {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		left = s.room
	})
	return left
}

// leftQueue notes that a job no longer waits.
func (s *state) leftQueue(id string) {
	s.bulk.remove(id)
	s.announceRoom()
}

func (s *state) announceRoom() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// countBulk counts a job if a bulk action made it and it waits.
func (s *state) countBulk(r job.Record, deleted bool) {
	switch {
	case deleted || r.Phase != job.Pending || r.Desired != job.WantRun:
		s.leftQueue(r.ID)
	case r.Spec.Bulk != "":
		s.bulk.add(r.ID, ownerOf(r))
	}
}

func (s *state) waiting() int { return s.slots.Waiting() + s.elsewhere.len() }

// queue is one of the queues that a job is counted in.
type queue struct {
	limit, name   string
	cap           int
	waiting, bulk int // jobs in it; those that bulk actions made
}

func (s *state) queuesOf(o owner) [3]queue {
	return [...]queue{
		{"queue_cap", "", s.limits.QueueCap, s.waiting(), s.bulk.len()},
		{"tenant_queue_cap", o.tenant, limit.Of(s.limits.TenantQueueCap, o.tenant),
			s.slots.TenantWaiting(o.tenant) + s.elsewhere.ofTenant[o.tenant], s.bulk.ofTenant[o.tenant]},
		{"plugin_queue_cap", o.plugin, limit.Of(s.limits.PluginQueueCap, o.plugin),
			s.slots.PluginWaiting(o.plugin) + s.elsewhere.ofPlugin[o.plugin], s.bulk.ofPlugin[o.plugin]},
	}
}

func (s *state) admit(id string, o owner, bulk bool, now time.Time) error {
	for _, q := range s.queuesOf(o) {
		if q.waiting >= q.cap || bulk && q.bulk >= q.cap-q.cap/2 {
			return &QueueFull{Limit: q.limit, Name: q.name, Cap: q.cap, RetryAfter: s.drain.retryAfter(now)}
		}
	}
	s.elsewhere.add(id, o)
	if bulk {
		s.bulk.add(id, o)
	}
	return nil
}
