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
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"thresher/core/guard"
	"thresher/core/job"
	"thresher/core/limit"
)

// Actions carries out decisions. Its methods are called without a lock held.
type Actions interface {
	// Grant tells a worker that the job may run. It must not block. It is a hint: it may
	// get lost, come twice, or late. Whoever takes it up must [Dispatcher.Claim] it
	// first, and where that succeeds call [Dispatcher.Settle] once, when the grant has
	// been written or has come to nothing and no guest of it is left.
	Grant(id string)
	// End ends a job that no worker holds. It returns an error that wraps ErrOutcomeGone
	// if the job is to get the outcome of another and that is gone: the job then runs
	// itself. Any other error means that the end could not be written now: it is asked
	// for again.
	End(ctx context.Context, id string, how Ending) error
}

// Ending is how a job ends without a run of its own: it fails, or it gets the
// outcome of another job.
type Ending struct {
	Failure *job.Error
	Leader  string     // the job that completed with the same cache key
	record  job.Record // of the job, if it has a leader
}

// ErrOutcomeGone is wrapped by the error of an [Actions.End] that found no outcome to
// give to a job.
var ErrOutcomeGone = errors.New("the outcome of the coalesced job is gone")

// Limits are the limits that the dispatcher keeps.
type Limits struct {
	limit.Limits
	QueueCap       int            // jobs waiting, for a slot or for another job
	TenantQueueCap map[string]int // likewise, of one tenant
	PluginQueueCap map[string]int // likewise, of one plugin
}

// Dispatcher hands out slots. Its methods may be called concurrently.
type Dispatcher struct {
	actions Actions
	loader  Loader // actions, or nil
	lookUp  LookUp
	now     func() time.Time
	state   *guard.Value[state]
	grants  chan struct{} // capacity 1: something may be granted
	endings chan struct{} // capacity 1: something is to be ended
	lookUps chan struct{} // capacity 1: something is to be looked up
}

// New returns a dispatcher that knows no job yet and, until Run is called, grants
// nothing.
func New(l Limits, node string, actions Actions, lookUp LookUp, now func() time.Time) *Dispatcher {
	loader, loads := actions.(Loader)
	return &Dispatcher{
		actions: actions,
		loader:  loader,
		lookUp:  lookUp,
		now:     now,
		state:   guard.New("dispatch", guard.RankDispatch, newState(l, node, loads)),
		grants:  make(chan struct{}, 1),
		endings: make(chan struct{}, 1),
		lookUps: make(chan struct{}, 1),
	}
}

// Run grants and ends jobs until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) {
	var loops errgroup.Group
	loops.Go(func() error { d.grantLoop(ctx); return nil })
	loops.Go(func() error { d.endLoop(ctx); return nil })
	loops.Go(func() error { d.lostLoop(ctx); return nil })
	loops.Go(func() error { d.lookLoop(ctx); return nil })
	_ = loops.Wait() // none returns an error
}

// lookAgain is how often the queue is looked at where nothing happens: priorities
// rise and resources are held back for a job by time alone.
const lookAgain = time.Second

func (d *Dispatcher) grantLoop(ctx context.Context) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for await(ctx, d.grants, again.C) {
		for {
			var id string
			var ok, freed bool
			d.state.Must(func(s *state) {
				freed = s.free(d.now())
				id, ok = s.grantNext(d.now())
			})
			if !ok && !freed || ctx.Err() != nil {
				break
			}
			if freed {
				d.signal()
			}
			if ok {
				d.actions.Grant(id)
			}
		}
	}
}

// endLoop carries out endings. One that could not be written is asked for again,
// with the next look.
func (d *Dispatcher) endLoop(ctx context.Context) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for await(ctx, d.endings, again.C) {
		var due map[string]Ending
		d.state.Must(func(s *state) {
			due, s.endings = s.endings, map[string]Ending{}
			s.ending = maps.Clone(due)
		})
		for id, how := range due {
			if ctx.Err() != nil {
				return
			}
			err := d.actions.End(ctx, id, how)
			d.state.Must(func(s *state) { s.ended(id, how, err, d.now()) })
			if errors.Is(err, ErrOutcomeGone) {
				d.signal()
			}
		}
	}
}

// lostLoop gives the grants again that nobody has taken up between two looks.
func (d *Dispatcher) lostLoop(ctx context.Context) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for await(ctx, nil, again.C) {
		var lost []string
		d.state.Must(func(s *state) { lost = s.lost() })
		for _, id := range lost {
			d.actions.Grant(id)
		}
	}
}

func await(ctx context.Context, signal <-chan struct{}, again <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-signal:
		return true
	case <-again:
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
		if s.admitted(r.ID) {
			s.elsewhere.remove(r.ID)
		}
		if r.Phase.Final() && r.Ended != nil {
			s.drain.ended(*r.Ended)
		}
		if g := s.granting[r.ID]; g != nil {
			g.record, g.deleted = r, deleted
			if deleted || r.Phase.Final() {
				s.gone(r, deleted, d.now())
			}
			return
		}
		s.place(r, deleted, d.now())
	})
	d.signal()
}

// Claim takes up a grant. It reports whether the grant stands and nobody else has it:
// only then may the job run. So one that comes twice, or late, does nothing.
func (d *Dispatcher) Claim(id string) (mine bool) {
	d.state.Must(func(s *state) { mine = s.claim(id) })
	return mine
}

// Settle ends a grant: from here on the records decide again who runs.
func (d *Dispatcher) Settle(id string) {
	var unwritten, found bool
	d.state.Must(func(s *state) { unwritten = s.unwritten(id) })
	var r job.Record
	if unwritten { // what is written meanwhile is observed, and wins
		r, found, _ = d.lookUp(id) // one that has not ended is in memory, and one that has is observed
	}
	d.state.Must(func(s *state) { s.settle(id, r, found, d.now()) })
	d.signal()
}

func (d *Dispatcher) signal() {
	d.need()
	ring(d.grants)
	ring(d.endings)
	ring(d.lookUps)
}

// SetLimits changes the limits. What runs keeps running.
func (d *Dispatcher) SetLimits(l Limits) {
	d.state.Must(func(s *state) {
		s.limits = l
		s.slots.SetLimits(l.Limits)
		s.announceRoom()
	})
	d.signal()
}

// WaitsOn says what a waiting job waits for: what [limit.State.WaitsOn] says, "batch ID"
// for its batch, which is on hold, "job ID" for one that must complete first, or "twin ID"
// for one that it is coalesced with; "plugin NAME@VERSION is …" for a module that is not
// ready; "start" for one whose grant is on its way, "end" for one that ends without a run.
// It is empty for a job that does not wait.
func (d *Dispatcher) WaitsOn(id string) (on string) {
	d.state.Must(func(s *state) { on = s.waitsOn(id) })
	return on
}

// HasDependents reports whether a job that has not ended needs this one.
func (d *Dispatcher) HasDependents(id string) (yes bool) {
	d.state.Must(func(s *state) { yes = s.parents.jobs[id] != nil })
	return yes
}

// Counts returns how many jobs hold a slot and how many wait.
func (d *Dispatcher) Counts() (running, waiting int) {
	d.state.Must(func(s *state) { running, waiting = s.slots.Running(), s.waiting() })
	return running, waiting
}

// Knows reports whether the job waits for something, runs, or is about to be ended.
func (d *Dispatcher) Knows(id string) (yes bool) {
	d.state.Must(func(s *state) {
		yes = s.waitsOn(id) != "" || s.slots.IsRunning(id)
	})
	return yes
}

// Locks lists the named locks that jobs hold or wait for.
func (d *Dispatcher) Locks() (list []limit.Held) {
	d.state.Must(func(s *state) { list = s.slots.Locks() })
	return list
}

// Memory returns the bytes that jobs hold.
func (d *Dispatcher) Memory() (n int64) {
	d.state.Must(func(s *state) { n = s.slots.Memory() })
	return n
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
