package work

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"thresher/core/guard"
	"thresher/core/job"
	"thresher/core/ledger"
)

// attempt is one run of one job's guest, from its grant to its outcome. It is
// the guest's Host.
type attempt struct {
	pool    *Pool
	granted job.Record // as the grant makes it; never changed
	out     *Outputs
	cancel  context.CancelCauseFunc // ends the guest
	wall    *stopwatch
	meter   Meter
	samples sampler // only the goroutine that writes the grant uses it until sampled is closed

	// attention is set when the record may want something of the guest, so
	// that Gate need not take a lock each time.
	attention atomic.Bool
	changed   chan struct{} // capacity 1: latest has moved on
	latest    *guard.Value[wish]

	writer       atomic.Int32  // who writes the grant: the first to claim it
	acknowledged chan struct{} // closed when the grant is on disk
	refused      chan struct{} // closed instead if it never will be
	gone         chan struct{} // closed when the guest has ended
	sampled      chan struct{} // closed when no more samples are taken; never where the grant was not written
}

// wish is what the newest record says.
type wish struct {
	desired  job.Desired
	phase    job.Phase
	draining bool
}

func (p *Pool) newAttempt(granted job.Record) *attempt {
	return &attempt{
		pool:         p,
		granted:      granted,
		out:          newOutputs(granted.ID, granted.Spec.Limits, p.Blobs, p.News, p.Now),
		changed:      make(chan struct{}, 1),
		latest:       guard.New("wish", guard.RankAttempt, wish{desired: granted.Desired, phase: granted.Phase}),
		acknowledged: make(chan struct{}),
		refused:      make(chan struct{}),
		gone:         make(chan struct{}),
		sampled:      make(chan struct{}),
		samples:      sampler{base: sampleBase(p.Samples, granted.ID, granted.Epoch)},
		wall:         newStopwatch(p.Now, seconds(granted.Spec.Limits.WallSeconds)),
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// run writes the grant and runs the guest side by side, then reports.
func (a *attempt) run() {
	p, id := a.pool, a.granted.ID
	ctx, cancel := context.WithCancelCause(p.life)
	defer cancel(nil)
	a.cancel = cancel
	p.attempts.Must(func(m *map[string]*attempt) { (*m)[id] = a })
	if p.draining.Load() { // Drain may have looked before
		a.drain()
	}
	defer a.out.discard()
	defer p.attempts.Must(func(m *map[string]*attempt) {
		if (*m)[id] == a { // and not the job's next attempt
			delete(*m, id)
		}
	})

	in, err := a.open(ctx)
	defer in.close()
	if a.waits(ctx, err) {
		return
	}
	p.running.Go(func() error {
		a.writeGrant()
		return nil
	})
	var report Report
	if err == nil {
		report, err = a.runGuest(ctx, in)
	}
	close(a.gone)
	if errors.Is(err, ErrUnready) {
		p.Unready(a.granted.Spec.Digest)
	}
	if a.writer.CompareAndSwap(nobodyWrites, outcomeWrites) {
		a.finishAtOnce(context.Cause(ctx), report, err)
		return
	}
	select {
	case <-a.acknowledged:
		<-a.sampled
		if a.report(context.Cause(ctx), report, err) {
			a.samples.remove()
		}
	case <-a.refused:
	}
}

// waits gives the grant back, before anything is written of it, where the job cannot
// start: something that it needs is damaged, and it waits for that; or its record has
// moved on while that was looked for, or the server shuts down.
func (a *attempt) waits(ctx context.Context, err error) bool {
	p, id := a.pool, a.granted.ID
	var bad *ledger.Damaged
	switch {
	case errors.As(err, &bad):
		p.Park(id, bad)
	case err == nil || ctx.Err() == nil:
		return false
	}
	p.Settle(id)
	return true
}

// Who writes the grant: itself, or the outcome of a guest that ended before that.
const (
	nobodyWrites int32 = iota
	grantWrites
	outcomeWrites
)

// grantAfter is how long a guest runs before its grant is written. One that has
// ended by then costs one write instead of two. Until it is written the record says
// that the job is pending; the dispatcher holds its slot all the while.
const grantAfter = 5 * time.Millisecond

// writeGrant makes the lease durable. Where the record has moved on instead, it
// ends the guest, waits until it is gone, and gives the slot back. From then on it
// samples the guest.
func (a *attempt) writeGrant() {
	late := time.NewTimer(grantAfter)
	defer late.Stop()
	select {
	case <-a.gone:
	case <-late.C:
	}
	if !a.writer.CompareAndSwap(nobodyWrites, grantWrites) {
		return
	}
	p, id := a.pool, a.granted.ID
	if _, err := p.Store.Modify(context.Background(), id, a.grantedThen()); err != nil {
		defer p.Settle(id)
		a.cancel(errGrantRefused)
		close(a.refused)
		<-a.gone
		p.backOff(err, id)
		return
	}
	close(a.acknowledged)
	p.Settle(id)
	a.sampleUntilGone()
}

// runGuest runs the guest, under the wall limit once its module is loaded.
func (a *attempt) runGuest(ctx context.Context, in *opened) (Report, error) {
	spec := a.granted.Spec
	c := Call{
		Job: a.granted.ID, Digest: spec.Digest, Kind: spec.Kind, Params: spec.Params, Seed: spec.Seed, Limits: spec.Limits, Host: a,
		Inputs: in.tables, Meter: &a.meter,
	}
	_, c.Routine, _ = strings.Cut(spec.Routine, "/")
	if in.file != nil {
		info, err := in.file.Stat()
		if err != nil {
			return Report{}, err
		}
		c.File = &File{wholeFile{in.file, info.Size(), in.blobs[0]}, info.Size()}
	}
	if l, ok := a.pool.Runner.(ModuleLoader); ok {
		release, err := l.LoadModule(ctx, spec.Digest)
		if err != nil {
			return Report{}, err
		}
		defer release()
	}
	a.wall.start(func() { a.cancel(errWallLimit) })
	defer a.wall.stop()
	report, err := a.pool.Runner.Run(ctx, c)
	var guest *job.Error
	if err != nil && ctx.Err() == nil && !errors.As(err, &guest) {
		err = cmp.Or(a.damagedSince(ctx, in), err)
	}
	return report, err
}

// Held says that Gate would not return at once, for all that is known of the job.
func (a *attempt) Held() bool { return a.attention.Load() }

// Gate implements [Host].
func (a *attempt) Gate(ctx context.Context) error {
	if !a.attention.Load() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil
	}
	return a.park(ctx)
}

// observe takes in a committed change of the job's record.
func (a *attempt) observe(r job.Record) {
	if r.Epoch < a.granted.Epoch && !r.Phase.Final() {
		return // the grant is not written yet: whoever writes it looks at the record as it then is
	}
	if r.Lease == nil || r.Epoch != a.granted.Epoch {
		a.cancel(errLeaseLost) // harmless where the guest has ended and this is its outcome
		return
	}
	a.wish(func(w *wish) { w.desired, w.phase = r.Desired, r.Phase })
	if r.Desired == job.WantStop {
		a.cancel(errStopped)
	}
}

// drain hands the job back if its guest is parked, now or later: a guest that
// waits for the user cannot be waited for.
func (a *attempt) drain() { a.wish(func(w *wish) { w.draining = true }) }

func (a *attempt) wish(change func(*wish)) {
	a.latest.Must(func(w *wish) {
		change(w)
		a.attention.Store(w.desired != job.WantRun || w.phase != job.Running)
	})
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// park holds the guest while the job is not to run. The pause is confirmed in
// the record first; that is what gives its slot to another job.
func (a *attempt) park(ctx context.Context) error {
	a.wall.stop()
	defer a.wall.resume()
	for {
		var w wish
		a.latest.Must(func(latest *wish) { w = *latest })
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case w.desired == job.WantRun && w.phase == job.Running:
			return nil
		case w.phase == job.Running && w.desired == job.WantPause:
			if err := a.confirmPause(ctx); err != nil {
				return err
			}
			continue
		case w.phase == job.Paused && w.draining:
			a.cancel(errDrained)
			continue
		}
		select {
		case <-ctx.Done():
		case <-a.changed:
		}
	}
}

func (a *attempt) confirmPause(ctx context.Context) error {
	select {
	case <-a.acknowledged:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err := a.transition(ctx, func(job.Record) job.Event { return job.Parked{Epoch: a.granted.Epoch} })
	var illegal *job.IllegalMove
	if err == nil || errors.As(err, &illegal) { // illegal: the user resumed or stopped meanwhile
		return nil
	}
	return err
}
