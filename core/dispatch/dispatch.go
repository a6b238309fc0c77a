// Package dispatch decides which job runs next.
//
// A [Dispatcher] is told of every committed change to a job, keeps who waits and
// who runs in a [limit.State], and asks for a grant whenever a waiting job may
// start. It writes nothing itself: what it decides is carried out by an
// [Actions], and what comes of it arrives as another committed change.
//
// A slot is taken when a grant is decided and given back only when the records
// say that the job does not run, so at no moment do more jobs run than the limits
// allow, also while a grant is on its way to disk.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"thresher/core/guard"
	"thresher/core/job"
	"thresher/core/limit"
)

// Actions carries out decisions. Its methods are called without a lock held.
type Actions interface {
	// Grant lets the job run. It must not block, and must lead to one call of
	// [Dispatcher.Settle] once the grant has been written or has come to nothing
	// and no guest of it is left.
	Grant(id string)
	// Cancel fails a job that no worker holds.
	Cancel(ctx context.Context, id string, why job.Error)
}

// Parents looks a job up, to see whether those that wait for it may go on.
type Parents func(id string) (job.Record, bool)

// ErrQueueFull is wrapped by the error of a submit over the queue's cap.
var ErrQueueFull = errors.New("the queue is full")

// QueueFull says when there may be room again.
type QueueFull struct {
	Cap        int
	RetryAfter time.Duration // from the rate at which jobs ended lately
}

func (e *QueueFull) Error() string {
	return fmt.Sprintf("%d jobs are waiting already: %v", e.Cap, ErrQueueFull)
}

// Unwrap returns ErrQueueFull.
func (e *QueueFull) Unwrap() error { return ErrQueueFull }

// Limits are the limits that the dispatcher keeps.
type Limits struct {
	limit.Limits
	QueueCap int // jobs waiting, for a slot or for another job
}

// Dispatcher hands out slots. Its methods may be called concurrently.
type Dispatcher struct {
	actions Actions
	parents Parents
	now     func() time.Time
	state   *guard.Value[state]
	grants  chan struct{} // capacity 1: something may be granted
	cancels chan struct{} // capacity 1: something is to be cancelled
}

// New returns a dispatcher that knows no job yet and, until Run is called, grants
// nothing.
func New(l Limits, actions Actions, parents Parents, now func() time.Time) *Dispatcher {
	return &Dispatcher{
		actions: actions,
		parents: parents,
		now:     now,
		state:   guard.New("dispatch", guard.RankDispatch, newState(l)),
		grants:  make(chan struct{}, 1),
		cancels: make(chan struct{}, 1),
	}
}

// Run grants and cancels until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) {
	var loops errgroup.Group
	loops.Go(func() error { d.grantLoop(ctx); return nil })
	loops.Go(func() error { d.cancelLoop(ctx); return nil })
	_ = loops.Wait() // neither returns an error
}

func (d *Dispatcher) grantLoop(ctx context.Context) {
	for await(ctx, d.grants) {
		for {
			var id string
			var ok bool
			d.state.Must(func(s *state) { id, ok = s.grantNext() })
			if !ok || ctx.Err() != nil {
				break
			}
			d.actions.Grant(id)
		}
	}
}

func (d *Dispatcher) cancelLoop(ctx context.Context) {
	for await(ctx, d.cancels) {
		var doomed map[string]job.Error
		d.state.Must(func(s *state) { doomed, s.doomed = s.doomed, map[string]job.Error{} })
		for id, why := range doomed {
			d.actions.Cancel(ctx, id, why)
		}
	}
}

func await(ctx context.Context, signal <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-signal:
		return true
	}
}

func ring(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default: // it rings already
	}
}

// Observe takes in a committed change: the record as it now is, or only its id if
// it was deleted. Changes must come in commit order.
func (d *Dispatcher) Observe(r job.Record, deleted bool) {
	d.state.Must(func(s *state) {
		delete(s.admitted, r.ID)
		if s.granting[r.ID] != nil {
			s.granting[r.ID] = &change{r, deleted}
			return
		}
		s.place(r, deleted, d.parents)
		if r.Phase.Final() && r.Ended != nil {
			s.drain.ended(*r.Ended)
		}
	})
	d.signal()
}

// Settle ends a grant: from here on the records decide again who runs.
func (d *Dispatcher) Settle(id string) {
	d.state.Must(func(s *state) { s.settle(id, d.parents) })
	d.signal()
}

func (d *Dispatcher) signal() {
	ring(d.grants)
	ring(d.cancels)
}

// Admit makes room in the queue for a job about to be submitted, or returns a
// *[QueueFull]. Its record's first change takes the room over; Withdraw gives it
// back where no record came of it.
func (d *Dispatcher) Admit(id string) error {
	var full *QueueFull
	d.state.Must(func(s *state) {
		if s.waiting() >= s.limits.QueueCap {
			full = &QueueFull{Cap: s.limits.QueueCap, RetryAfter: s.drain.retryAfter(d.now())}
			return
		}
		s.admitted[id] = struct{}{}
	})
	if full != nil {
		return full
	}
	return nil
}

// Withdraw gives back the room of a job whose submit failed.
func (d *Dispatcher) Withdraw(id string) {
	d.state.Must(func(s *state) { delete(s.admitted, id) })
}

// SetLimits changes the limits. What runs keeps running.
func (d *Dispatcher) SetLimits(l Limits) {
	d.state.Must(func(s *state) {
		s.limits = l
		s.slots.SetLimits(l.Limits)
	})
	d.signal()
}

// WaitsOn says what a waiting job waits for: "slots", "plugin slots", or
// "job ID". It is empty for a job that does not wait.
func (d *Dispatcher) WaitsOn(id string) (on string) {
	d.state.Must(func(s *state) { on = s.waitsOn(id) })
	return on
}

// HasDependents reports whether a job that has not started waits for this one.
func (d *Dispatcher) HasDependents(id string) (yes bool) {
	d.state.Must(func(s *state) { yes = len(s.children[id]) > 0 })
	return yes
}

// Counts returns how many jobs hold a slot and how many wait.
func (d *Dispatcher) Counts() (running, waiting int) {
	d.state.Must(func(s *state) { running, waiting = s.slots.Running(), s.waiting() })
	return running, waiting
}

// InUse returns the ids of the jobs that hold a slot, and those among them whose
// grant is not settled: for the auditor.
func (d *Dispatcher) InUse() (ids []string, granting map[string]bool) {
	granting = map[string]bool{}
	d.state.Must(func(s *state) {
		for id := range s.slots.RunningIDs() {
			ids = append(ids, id)
		}
		for id := range s.granting {
			granting[id] = true
		}
	})
	return ids, granting
}
