package core

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"thresher/core/job"
	"thresher/core/ledger"
)

// Audit is what the auditor found.
type Audit struct {
	Consistent bool     `json:"consistent"`
	Breaches   []Breach `json:"breaches,omitempty"`
}

// Breach is an invariant that does not hold.
type Breach struct {
	Invariant string `json:"invariant"` // its name, as in docs/audit.md
	Detail    string `json:"detail"`
}

// invariants are what must always hold, each with what looks for breaches of it.
var invariants = []struct {
	name string
	find func(*Engine, context.Context, *findings) error
}{
	{"slot_runs", (*Engine).auditSlots},
	{"running_has_slot", (*Engine).auditRunning},
	{"lease_has_guest", (*Engine).auditGuests},
	{"lease_fits_phase", (*Engine).auditLeases},
	{"pending_is_queued", (*Engine).auditQueue},
	{"locks_are_held", (*Engine).auditLocks},
	{"view_is_ledger", (*Engine).auditView},
	{"version_is_there", (*Engine).auditVersions},
	{damagedRecords, (*Engine).auditRecords},
	{damagedBlobs, (*Engine).auditBlobs}, // last: it lists what the others come across
}

// The invariants whose breach is no bug but a damaged disk: they are neither counted
// with the others nor logged again. See [Engine.watchDamage].
const (
	damagedRecords = "record_is_whole"
	damagedBlobs   = "blob_is_whole"
)

func (b Breach) ofDisk() bool { return b.Invariant == damagedBlobs || b.Invariant == damagedRecords }

// findings collects breaches. Some changes are on their way while it looks.
type findings struct {
	invariant string
	breaches  []Breach
	holds     map[string]bool // jobs that hold a slot
	granting  map[string]bool // those among them whose grant is on its way
	sample    []ledger.Entry[job.Record]
}

func (f *findings) add(format string, args ...any) {
	f.breaches = append(f.breaches, Breach{f.invariant, fmt.Sprintf(format, args...)})
}

// Audit checks that the records, the slots, the guests in this process and the
// files agree. A breach is one that stands in two looks at the same revision:
// between a change and its effect they differ for a moment, and that is no breach.
func (e *Engine) Audit(ctx context.Context) (Audit, error) {
	sample, err := e.sample(ctx)
	if err != nil {
		return Audit{}, fmt.Errorf("audit: %w", err)
	}
	for range 100 {
		before := e.jobs.Revision()
		if err := e.heardOf(ctx, before); err != nil {
			return Audit{}, fmt.Errorf("audit: %w", err)
		}
		first, err := e.look(ctx, sample)
		if err != nil {
			return Audit{}, err
		}
		if len(first) == 0 {
			return Audit{Consistent: true}, nil
		}
		second, err := e.look(ctx, sample)
		if err != nil {
			return Audit{}, err
		}
		stands := slices.DeleteFunc(second, func(b Breach) bool { return !slices.Contains(first, b) })
		if len(stands) == 0 {
			return Audit{Consistent: true}, nil
		}
		if e.jobs.Revision() == before {
			if bugs := slices.DeleteFunc(slices.Clone(stands), Breach.ofDisk); len(bugs) > 0 {
				e.inconsistencies.Add(uint64(len(bugs)))
				e.cfg.Log.Error("data inconsistency", "breaches", bugs)
			}
			return Audit{Breaches: stands}, nil
		}
	}
	return Audit{}, fmt.Errorf("audit: jobs change too fast to look twice at one revision: %w", ErrInUse)
}

// heardOf waits until the dispatcher and the workers have heard of all changes up to a
// revision: readers see a change a moment before, which is long on a busy machine.
func (e *Engine) heardOf(ctx context.Context, revision uint64) error {
	for e.observed.Load() < revision {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// look lists what does not agree at this moment.
func (e *Engine) look(ctx context.Context, sample []ledger.Entry[job.Record]) ([]Breach, error) {
	f := &findings{holds: map[string]bool{}, sample: sample}
	var ids []string
	ids, f.granting = e.dispatch.InUse()
	for _, id := range ids {
		f.holds[id] = true
	}
	for _, i := range invariants {
		f.invariant = i.name
		err := i.find(e, ctx, f)
		if errors.Is(err, ledger.ErrCorrupt) { // what cannot be read is not compared
			f.invariant = damagedRecords
			f.add("%v", err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("audit %s: %w", i.name, err)
		}
	}
	return f.breaches, nil
}

// auditSlots: a job that holds a slot runs, or its grant is on its way.
func (e *Engine) auditSlots(ctx context.Context, f *findings) error {
	for id := range f.holds {
		entry, err := e.jobs.Get(ctx, id)
		if !f.granting[id] && (err != nil || entry.Value.Phase != job.Running) {
			f.add("job %s holds a slot and does not run", id)
		}
	}
	return nil
}

// auditRunning: a job that runs holds a slot.
func (e *Engine) auditRunning(ctx context.Context, f *findings) error {
	return e.each(ctx, "phase="+string(job.Running), func(id string, _ job.Record) error {
		if !f.holds[id] {
			f.add("job %s runs without a slot", id)
		}
		return nil
	})
}

// auditGuests: the guest of a leased job is in this process.
func (e *Engine) auditGuests(ctx context.Context, f *findings) error {
	return e.each(ctx, termLeased, func(id string, _ job.Record) error {
		if !e.pool.Holds(id) {
			f.add("job %s is leased and its guest is not here", id)
		}
		return nil
	})
}

// auditLeases: a running job is leased; one that is pending or final is not.
func (e *Engine) auditLeases(ctx context.Context, f *findings) error {
	for _, term := range []string{termLeased, "phase=" + string(job.Running)} {
		err := e.each(ctx, term, func(id string, r job.Record) error {
			if leased := r.Lease != nil; r.Phase == job.Running && !leased || leased && (r.Phase == job.Pending || r.Phase.Final()) {
				f.add("job %s is %s; leased: %t", id, r.Phase, leased)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// auditQueue: a pending job waits for something that the dispatcher knows of.
func (e *Engine) auditQueue(ctx context.Context, f *findings) error {
	return e.each(ctx, "phase="+string(job.Pending), func(id string, _ job.Record) error {
		if !f.granting[id] && !e.dispatch.Knows(id) {
			f.add("job %s is pending and nobody will start it", id)
		}
		return nil
	})
}

// auditLocks: a job holds its locks from its start to its end, also while it is paused, and
// no other job holds any.
func (e *Engine) auditLocks(ctx context.Context, f *findings) error {
	type holding struct{ lock, job string }
	held := map[holding]bool{}
	for _, l := range e.dispatch.Locks() {
		for _, id := range l.Holders {
			held[holding{l.Name, id}] = true
			entry, err := e.jobs.Get(ctx, id)
			if !f.granting[id] && (err != nil || !entry.Value.HoldsLocks()) {
				f.add("job %s holds lock %s and neither runs nor is paused", id, l.Name)
			}
		}
	}
	for _, phase := range []job.Phase{job.Running, job.Paused, job.Pending} {
		err := e.each(ctx, "phase="+string(phase), func(id string, r job.Record) error {
			for _, l := range r.Spec.Locks {
				if r.HoldsLocks() && !held[holding{l.Name, id}] {
					f.add("job %s is %s, and does not hold its lock %s", id, r.Phase, l.Name)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sampled is how many records a look holds against the disk: all are too many.
const sampled = 20

// sample chooses some of the jobs at random: by the time of their submit.
func (e *Engine) sample(ctx context.Context) (entries []ledger.Entry[job.Record], err error) {
	newest, more, err := e.jobs.List(ctx, ledger.Query{Limit: sampled})
	if err != nil || more == "" {
		return newest, err
	}
	oldest, _, err := e.jobs.List(ctx, ledger.Query{Limit: 1, Ascending: true})
	if err != nil || len(oldest) == 0 {
		return nil, err
	}
	from := oldest[0].Value.Created
	span := max(e.cfg.Now().Sub(from), 0) // the clock may have been set back
	for range sampled {
		at := from.Add(rand.N(span + 1))
		found, _, err := e.jobs.List(ctx, ledger.Query{From: at, Limit: 1, Ascending: true})
		if err != nil {
			return nil, err
		}
		entries = append(entries, found...)
	}
	return entries, nil
}

// auditView: what is in memory is what is on disk.
func (e *Engine) auditView(ctx context.Context, f *findings) error {
	for _, what := range e.ledger.Damage() {
		f.add("damaged file of the store: %s", what)
	}
	for _, entry := range f.sample {
		switch err := e.jobs.Verify(ctx, entry.Key); {
		case errors.Is(err, ledger.ErrCorrupt):
			f.add("%v", err)
		case err != nil && !errors.Is(err, ledger.ErrNotFound):
			return err
		}
	}
	return nil
}

// auditRecords: the last check of all records found all of them whole.
func (e *Engine) auditRecords(_ context.Context, f *findings) error {
	for _, d := range e.ledger.DamagedRecords() {
		f.add("%s", d)
	}
	return nil
}

// auditBlobs: no blob is known to be damaged, and the files that a record names are
// there.
func (e *Engine) auditBlobs(ctx context.Context, f *findings) error {
	for _, entry := range f.sample {
		now, err := e.jobs.Get(ctx, entry.Key)
		if err != nil {
			continue // deleted meanwhile
		}
		for _, b := range neededBlobs(now.Value) {
			_ = e.ledger.Blobs().Look(b) // what it finds is remembered
		}
	}
	for _, d := range e.ledger.Blobs().Damaged() {
		_ = e.ledger.Blobs().LookAgain(ctx, d) // it may have been put back
	}
	damaged, err := e.Damaged(ctx)
	for _, d := range damaged {
		f.add("%s", d)
	}
	return err
}

// auditVersions: a version that was not deleted has the module that its plugin names.
func (e *Engine) auditVersions(ctx context.Context, f *findings) error {
	missing, err := e.plugins.Audit(ctx)
	for _, what := range missing {
		f.add("%s", what)
	}
	return err
}
