package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thresher/core/job"
	"thresher/core/ledger"
)

// report writes what came of the guest. Who ended it decides how the job ends,
// not what the guest said: cause is that of the guest's context. It reports whether
// the samples are not needed any more.
func (a *attempt) report(cause error, r Report, err error) (settled bool) {
	ctx := context.Background()
	if errors.Is(cause, errLeaseLost) {
		return true // nobody would hear it
	}
	if errors.Is(cause, errDrained) && err != nil || errors.Is(err, ErrUnready) {
		left := a.left(ctx, r)
		return isSettled(a.persist(ctx, func(job.Record) job.Event {
			return job.HandBack{Epoch: a.granted.Epoch, Left: left, At: a.pool.Now()}
		}))
	}
	outcome := a.outcome(ctx, r, a.failure(cause, err))
	err = a.persistOutcome(ctx, outcome)
	if errors.Is(err, ledger.ErrRecordTooLarge) {
		err = a.persistOutcome(ctx, a.tooLarge(outcome, err))
	}
	return isSettled(err)
}

// isSettled reports whether the record says how the attempt ended, for what persist
// returned.
func isSettled(err error) bool {
	return !errors.Is(err, ledger.ErrClosed) && !errors.Is(err, ledger.ErrDisabled)
}

func (a *attempt) persistOutcome(ctx context.Context, outcome job.Outcome) error {
	return a.persist(ctx, func(now job.Record) job.Event {
		if now.Desired == job.WantStop {
			return job.Halted{Epoch: a.granted.Epoch, Outcome: stoppedOutcome(outcome), At: a.pool.Now()}
		}
		return job.Finish{Epoch: a.granted.Epoch, Outcome: outcome, At: a.pool.Now()}
	})
}

// tooLarge is what is left of an outcome that does not fit into the job's record. The
// bounds of its parts do not let that happen; if one of them is wrong, the job fails
// instead of being written, or run, for ever.
func (a *attempt) tooLarge(o job.Outcome, err error) job.Outcome {
	a.pool.Log.Error("outcome too large", "job", a.granted.ID, "error", err)
	return job.Outcome{Usage: o.Usage, Log: o.Log, Error: &job.Error{
		Code: "record_too_large", Title: "Record too large", Detail: err.Error(),
	}}
}

// finishAtOnce writes the grant and the outcome of a guest that has ended as one
// change. Where it cannot be written, the guest leaves no trace, as where a grant
// is refused.
func (a *attempt) finishAtOnce(cause error, r Report, err error) {
	p, id := a.pool, a.granted.ID
	defer p.Settle(id)
	if errors.Is(cause, errDrained) && err != nil || errors.Is(cause, errLeaseLost) || errors.Is(err, ErrUnready) {
		return // nothing was written of it: it is pending
	}
	ctx := context.Background()
	finish := job.Finish{Epoch: a.granted.Epoch, Outcome: a.outcome(ctx, r, a.failure(cause, err)), At: p.Now()}
	_, err = p.Store.Modify(ctx, id, a.grantedThen(finish))
	if errors.Is(err, ledger.ErrRecordTooLarge) {
		finish.Outcome = a.tooLarge(finish.Outcome, err)
		_, err = p.Store.Modify(ctx, id, a.grantedThen(finish))
	}
	if err != nil {
		p.backOff(err, id)
	}
}

// grantedThen is the change of a record that this attempt's grant makes, and then some
// events. It is refused where the record has been granted to another meanwhile.
func (a *attempt) grantedThen(events ...job.Event) func(*job.Record) (*job.Record, error) {
	return func(r *job.Record) (*job.Record, error) {
		if r == nil {
			return nil, ledger.ErrNotFound
		}
		grant := job.Grant{Node: a.granted.Lease.Node, At: a.granted.Lease.Since}
		changed, err := job.Apply(*r, grant)
		if err == nil && (changed.Epoch != a.granted.Epoch || r.Lease != nil) {
			err = job.ErrStaleLease
		}
		for i := 0; i < len(events) && err == nil; i++ {
			changed, err = job.Apply(changed, events[i])
		}
		if err != nil {
			return r, err
		}
		return &changed, nil
	}
}

// left is what stays of a guest that is handed back: what it wrote is not kept, but for
// the log.
func (a *attempt) left(ctx context.Context, r Report) job.Left {
	log, err := a.out.sealLog(ctx)
	if err != nil {
		a.pool.Log.Warn("log of an attempt not kept", "job", a.granted.ID, "attempt", a.granted.Attempt, "error", err)
	}
	return job.Left{Progress: a.out.Progress(), Usage: a.usage(r), Log: log}
}

func (a *attempt) usage(r Report) job.Usage {
	output, log := a.out.written()
	return job.Usage{
		WallSeconds: a.wall.read().Seconds(), CPUSeconds: r.CPUSeconds, Gas: r.Gas,
		PeakMemoryBytes: r.PeakMemoryBytes, OutputBytes: output, LogBytes: log,
	}
}

// stoppedOutcome keeps what a stopped job wrote, and drops the failure that being
// stopped looks like from inside.
func stoppedOutcome(o job.Outcome) job.Outcome {
	o.Error, o.Result, o.ResultRef = nil, nil, nil
	return o
}

// failure says why the job failed, or nil if it did not.
func (a *attempt) failure(cause, err error) *job.Error {
	var guest *job.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(cause, errWallLimit):
		return &job.Error{
			Code:   "wall_limit",
			Title:  "The job ran longer than its wall limit",
			Detail: fmt.Sprintf("limit %g s", a.granted.Spec.Limits.WallSeconds),
		}
	case errors.As(err, &guest):
		return guest
	case errors.Is(err, ledger.ErrDamaged):
		return &job.Error{Code: "blob_damaged", Title: "Damaged data", Detail: err.Error()}
	case errors.Is(cause, errStopped):
		return nil // it ends as stopped
	}
	a.pool.Log.Error("job failed in the host", "job", a.granted.ID, "error", err)
	return internalError()
}

func internalError() *job.Error {
	return &job.Error{Code: "internal", Title: "The server failed to run the job", Detail: "the server's log has the reason"}
}

// outcome seals what the guest put out. Failing to seal fails the job: a record
// must not name what is not on disk.
func (a *attempt) outcome(ctx context.Context, r Report, failed *job.Error) job.Outcome {
	o := job.Outcome{Error: failed}
	err := a.out.seal(ctx, r.Result, &o)
	var over *job.Error
	switch {
	case err == nil:
	case errors.As(err, &over):
		o.Error = over
	case errors.Is(err, ledger.ErrDiskFull):
		o.Error = diskFull(err)
	default:
		a.pool.Log.Error("outputs not sealed", "job", a.granted.ID, "error", err)
		o.Error = internalError()
	}
	if o.Error != nil {
		o.Result, o.ResultRef = nil, nil
	}
	o.Usage = a.usage(r)
	return o
}

// persist writes the event that next chooses, however long the store refuses:
// until then the job holds its slot, and if the process ends first the job runs
// again. It returns an error that no repetition helps against.
func (a *attempt) persist(ctx context.Context, next func(job.Record) job.Event) error {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := a.transition(ctx, next)
		var illegal *job.IllegalMove
		switch {
		case err == nil, errors.Is(err, ledger.ErrRecordTooLarge):
			return err
		case errors.Is(err, ledger.ErrClosed), errors.Is(err, ledger.ErrNotFound), a.disabled(err),
			errors.Is(err, job.ErrStaleLease), errors.As(err, &illegal):
			a.pool.Log.Error("outcome refused", "job", a.granted.ID, "error", err)
			return err
		}
		a.pool.Log.Warn("outcome not written yet", "job", a.granted.ID, "error", err)
		time.Sleep(wait)
	}
}

// disabled reports whether the store takes no writes until the next start, or does not
// while the server shuts down.
func (a *attempt) disabled(err error) bool {
	return errors.Is(err, ledger.ErrDisabled) && (!errors.Is(err, ledger.ErrStalled) || a.pool.life.Err() != nil)
}

// transition applies the event that next chooses for the record as it is, until
// that record is still the newest when the result is written.
func (a *attempt) transition(ctx context.Context, next func(job.Record) job.Event) error {
	return a.pool.change(ctx, a.granted.ID, next)
}
