package job

import (
	"errors"
	"fmt"
	"time"
)

// MaxLosses is how many lost workers a job survives less one: the attempt lost
// as the MaxLosses-th fails the job with code "lost".
const MaxLosses = 3

// Event is something that happens to a job. The set is closed: see [Apply].
type Event interface{ event() string }

// What users ask for.
type (
	// Pause asks the job to hold. A pending job is paused at once.
	Pause struct{}
	// Resume asks a paused job to go on.
	Resume struct{}
	// Stop asks the job to end. A job that no worker holds is stopped at once.
	Stop struct{ At time.Time }
	// Pin keeps the job from retention, or lets it go. It is legal in every
	// phase: it says nothing about what the job is.
	Pin struct{ On bool }
)

// What the dispatcher decides.
type (
	// Grant gives the job a slot: it starts, or goes on if a worker holds its
	// paused guest.
	Grant struct {
		Node string
		At   time.Time
	}
	// Cancel fails a job that no worker holds, because what it waits for
	// cannot come.
	Cancel struct {
		Error Error
		At    time.Time
	}
	// Hit completes a job that no worker holds with the outcome of another, which
	// ran with the same cache key.
	Hit struct {
		Job     string // that ran
		Outcome Outcome
		At      time.Time
	}
)

// What the worker that holds the lease of Epoch reports.
type (
	// Parked confirms a pause: the guest holds still.
	Parked struct{ Epoch uint64 }
	// Finish is the end of the guest. It completes the job, or fails it if the
	// outcome has an error. It is refused when a stop is desired: then the
	// worker reports Halted instead.
	Finish struct {
		Epoch   uint64
		Outcome Outcome
		At      time.Time
	}
	// Halted confirms a stop: the guest is gone.
	Halted struct {
		Epoch   uint64
		Outcome Outcome
		At      time.Time
	}
	// Lost says that the worker is gone and the guest with it.
	Lost struct {
		Epoch uint64
		Left  Left
		At    time.Time
	}
	// HandBack says that a server shutting down gave the job back.
	HandBack struct {
		Epoch uint64
		Left  Left
		At    time.Time
	}
)

func (Pause) event() string    { return "pause" }
func (Resume) event() string   { return "resume" }
func (Stop) event() string     { return "stop" }
func (Pin) event() string      { return "pin" }
func (Hit) event() string      { return "hit" }
func (Grant) event() string    { return "grant" }
func (Cancel) event() string   { return "cancel" }
func (Parked) event() string   { return "parked" }
func (Finish) event() string   { return "finish" }
func (Halted) event() string   { return "halted" }
func (Lost) event() string     { return "lost" }
func (HandBack) event() string { return "hand back" }

// ErrStaleLease is returned for the report of a worker whose lease has passed to
// another, or ended.
var ErrStaleLease = errors.New("the lease is no longer this worker's")

// IllegalMove is returned for an event that the job's phase does not allow.
type IllegalMove struct {
	Event   string
	Phase   Phase
	Desired Desired
}

func (e *IllegalMove) Error() string {
	return fmt.Sprintf("cannot %s a job that is %s (desired: %s)", e.Event, e.Phase, e.Desired)
}

// Apply returns the record that follows r when e happens, or an error that wraps
// [IllegalMove] or [ErrStaleLease] and leaves r as it is. It is pure and total:
// it accepts any record and any event, shares nothing mutable with r that it
// changes, and reads no clock.
func Apply(r Record, e Event) (Record, error) {
	illegal := func() (Record, error) {
		return r, &IllegalMove{Event: nameOf(e), Phase: r.Phase, Desired: r.Desired}
	}
	if pin, ok := e.(Pin); ok {
		r.Pinned = pin.On
		return r, nil
	}
	if r.Phase.Final() {
		return illegal()
	}
	if epoch, fromWorker := leaseEpoch(e); fromWorker && (r.Lease == nil || epoch != r.Epoch) {
		return r, ErrStaleLease
	}
	switch e := e.(type) {
	case Pause:
		return applyPause(r, illegal)
	case Resume:
		return applyResume(r, illegal)
	case Stop:
		return applyStop(r, e.At), nil
	case Grant:
		return applyGrant(r, e, illegal)
	case Cancel:
		if r.Lease != nil {
			return illegal()
		}
		return end(r, Failed, Outcome{Error: &e.Error}, e.At), nil
	case Hit:
		if r.Phase != Pending {
			return illegal()
		}
		r.CacheHit = e.Job
		return end(r, Completed, e.Outcome, e.At), nil
	case Parked:
		if r.Phase != Running || r.Desired != WantPause {
			return illegal()
		}
		r.Phase = Paused
		return r, nil
	case Finish:
		return applyFinish(r, e, illegal)
	case Halted:
		if r.Desired != WantStop {
			return illegal()
		}
		return end(r, Stopped, e.Outcome, e.At), nil
	case Lost:
		r = endAttempt(r, AttemptLost, e.Left, e.At)
		r.Losses++
		if r.Losses >= MaxLosses && r.Desired != WantStop {
			outcome := e.Left.outcome()
			outcome.Error = lostError()
			return end(r, Failed, outcome, e.At), nil
		}
		return release(r, e.Left, e.At), nil
	case HandBack:
		return release(endAttempt(r, AttemptHandedBack, e.Left, e.At), e.Left, e.At), nil
	}
	return illegal()
}

func nameOf(e Event) string {
	if e == nil {
		return "do nothing to"
	}
	return e.event()
}

// leaseEpoch returns the epoch that a worker's report carries.
func leaseEpoch(e Event) (epoch uint64, fromWorker bool) {
	switch e := e.(type) {
	case Parked:
		return e.Epoch, true
	case Finish:
		return e.Epoch, true
	case Halted:
		return e.Epoch, true
	case Lost:
		return e.Epoch, true
	case HandBack:
		return e.Epoch, true
	}
	return 0, false
}

type refusal func() (Record, error)

func applyPause(r Record, illegal refusal) (Record, error) {
	if r.Desired == WantStop {
		return illegal() // a stop cannot be taken back
	}
	r.Desired = WantPause
	if r.Phase == Pending {
		r.Phase = Paused
	}
	return r, nil
}

func applyResume(r Record, illegal refusal) (Record, error) {
	if r.Desired == WantStop {
		return illegal()
	}
	r.Desired = WantRun
	if r.Phase == Paused && r.Lease == nil {
		r.Phase = Pending
	}
	return r, nil
}

func applyStop(r Record, at time.Time) Record {
	r.Desired = WantStop
	if r.Lease == nil {
		return end(r, Stopped, Outcome{}, at)
	}
	return r
}

// applyGrant starts a pending job under a new lease, or lets the guest of a
// paused job whose worker still holds it go on under the lease it has.
func applyGrant(r Record, e Grant, illegal refusal) (Record, error) {
	if r.Desired != WantRun || r.Phase == Running {
		return illegal()
	}
	r.Phase = Running
	if r.Lease != nil {
		return r, nil
	}
	r.Lease = &Lease{Node: e.Node, Since: e.At}
	r.Epoch++
	r.Attempt++
	r.Started = &e.At
	return r, nil
}

// applyFinish is legal while the job is running, and also where the guest
// finished before a pause reached it. A job whose stop is desired ends as
// stopped, never as completed: the user was told so.
func applyFinish(r Record, e Finish, illegal refusal) (Record, error) {
	if r.Desired == WantStop || r.Phase != Running {
		return illegal()
	}
	if e.Outcome.Error != nil {
		return end(r, Failed, e.Outcome, e.At), nil
	}
	return end(r, Completed, e.Outcome, e.At), nil
}

// release takes the lease from a job whose guest is gone without an outcome. One that was
// paused keeps its locks: what they guard is as it left it.
func release(r Record, left Left, at time.Time) Record {
	r = keepLocks(r)
	r.Lease, r.Started = nil, nil
	switch r.Desired {
	case WantStop:
		return end(r, Stopped, left.outcome(), at)
	case WantPause:
		r.Phase = Paused
	default:
		r.Phase = Pending
	}
	return r
}

func keepLocks(r Record) Record {
	switch held := r.Phase == Paused || r.Desired == WantPause; {
	case !held || len(r.Spec.Locks) == 0:
		r.LocksSince = nil
	case r.LocksSince == nil:
		since := r.Lease.Since
		r.LocksSince = &since
	}
	return r
}

// end makes a phase final. Its outcome's error comes from guests too, and is cut to what
// a record may hold.
func end(r Record, p Phase, o Outcome, at time.Time) Record {
	if o.Error != nil {
		o.Error = o.Error.bounded()
	}
	r.Phase, r.Lease, r.LocksSince, r.Outcome, r.Ended = p, nil, nil, &o, &at
	return r
}

func lostError() *Error {
	return &Error{
		Code:   "lost",
		Title:  "The worker was lost too often",
		Detail: fmt.Sprintf("the server or worker that ran the job ended without a report %d times", MaxLosses),
	}
}
