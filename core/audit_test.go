package core

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/core/work"
)

// idle is a Runner whose guests wait until they are ended.
type idle struct{}

func (idle) List() []Plugin {
	return []Plugin{{Digest: "d", Manifest: routine.Manifest{Name: "p", Version: "1.0.0", Routines: []routine.Routine{
		{Name: "wait", Kind: routine.Analysis, Params: json.RawMessage(`{"type":"object"}`)},
		{Name: "log", Kind: routine.Analysis, Params: json.RawMessage(`{"type":"object"}`)},
	}}}}
}

func (idle) Run(ctx context.Context, c work.Call) (work.Report, error) {
	if c.Routine == "log" {
		c.Host.Log([]byte("a line"))
		return work.Report{}, nil
	}
	<-ctx.Done()
	return work.Report{}, context.Cause(ctx)
}

// losing is idle, and finds that it has lost something once it is told to.
type losing struct {
	*fixed
	lost *atomic.Bool
}

func (l losing) Audit(context.Context) ([]string, error) {
	if l.lost.Load() {
		return []string{"a version is gone"}, nil
	}
	return nil, nil
}

// Each invariant is broken from inside, and the auditor must say so by its name.
func TestTheAuditorFindsEveryBreach(t *testing.T) {
	var lost, flips atomic.Bool
	stored := func(_, _ string, record []byte) []byte {
		if flips.Load() {
			record[len(record)-1] ^= 1
		}
		return record
	}
	breaks := map[string]func(t *testing.T, e *Engine, running, done Job){
		"slot_runs": func(_ *testing.T, e *Engine, _, _ Job) {
			e.dispatch.Observe(job.Record{ID: "GHOST", Phase: job.Running}, false)
		},
		"running_has_slot": func(_ *testing.T, e *Engine, running, _ Job) {
			e.dispatch.Observe(job.Record{ID: running.ID}, true)
		},
		"lease_has_guest": func(t *testing.T, e *Engine, _, _ Job) {
			forge(t, e, job.Record{ID: "01J", Phase: job.Paused, Desired: job.WantPause, Lease: &job.Lease{}})
		},
		"lease_fits_phase": func(t *testing.T, e *Engine, _, _ Job) {
			forge(t, e, job.Record{ID: "01J", Phase: job.Completed, Lease: &job.Lease{}, Outcome: &job.Outcome{}, Ended: &time.Time{}})
		},
		"pending_is_queued": func(t *testing.T, e *Engine, _, _ Job) {
			forge(t, e, job.Record{ID: "01J", Phase: job.Pending, Desired: job.WantPause})
		},
		"locks_are_held": func(t *testing.T, e *Engine, _, _ Job) {
			r := job.Record{ID: "01J", Phase: job.Paused, Desired: job.WantPause, Spec: job.Spec{Locks: []job.Lock{{Name: "l"}}}, LocksSince: &time.Time{}}
			forge(t, e, r)
			a, err := e.Audit(t.Context())
			require.NoError(t, err)
			require.True(t, a.Consistent, a.Breaches)
			r.LocksSince = nil
			e.dispatch.Observe(r, false)
		},
		"view_is_ledger": func(t *testing.T, e *Engine, running, _ Job) {
			entry, err := e.jobs.Get(t.Context(), running.ID)
			require.NoError(t, err)
			entry.Value.Lease.Node = "elsewhere" // it is shared: nobody may do this
		},
		"record_is_whole": func(t *testing.T, e *Engine, _, _ Job) {
			flips.Store(true)
			_, err := e.ChangeLimits(t.Context(), func(l Limits) (Limits, error) { l.QueueCap = 7; return l, nil })
			require.NoError(t, err)
			e.afterPass(t.Context(), ledger.Scrubbing{})
		},
		"blob_is_whole": func(t *testing.T, e *Engine, _, done Job) {
			digest := done.Outcome.Log.Digest
			require.NoError(t, os.Remove(filepath.Join(e.cfg.Dir, "blobs", digest[:2], digest)))
		},
		"version_is_there": func(*testing.T, *Engine, Job, Job) { lost.Store(true) },
	}
	for _, invariant := range invariants {
		t.Run(invariant.name, func(t *testing.T) {
			lost.Store(false)
			flips.Store(false)
			e, err := Open(t.Context(), Config{Dir: t.TempDir(), Faults: Faults{Ledger: ledger.Faults{Stored: stored}}}, losing{&fixed{Plugins: idle{}}, &lost})
			require.NoError(t, err)
			defer func() {
				ended, cancel := context.WithCancel(context.Background())
				cancel()
				assert.NoError(t, e.Close(ended))
			}()
			done, err := e.Submit(t.Context(), Request{Routine: "p/log"})
			require.NoError(t, err)
			done, err = e.Wait(t.Context(), done.ID)
			require.NoError(t, err)
			running, err := e.Submit(t.Context(), Request{Routine: "p/wait"})
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				j, err := e.Job(t.Context(), running.ID)
				_, granting := e.dispatch.InUse()
				return err == nil && j.Phase == job.Running && !granting[running.ID] // the dispatcher has heard of it
			}, 2*time.Minute, time.Millisecond)
			a, err := e.Audit(t.Context())
			require.NoError(t, err)
			require.True(t, a.Consistent, a.Breaches)

			require.Contains(t, breaks, invariant.name)
			breaks[invariant.name](t, e, running, done)
			a, err = e.Audit(t.Context())
			require.NoError(t, err)
			require.False(t, a.Consistent)
			var names []string
			for _, b := range a.Breaches {
				names = append(names, b.Invariant)
			}
			assert.Contains(t, names, invariant.name)
			stats, err := e.Stats(t.Context())
			require.NoError(t, err)
			switch invariant.name { // a damaged disk is no bug
			case damagedBlobs:
				assert.Zero(t, stats.Inconsistencies)
				assert.Equal(t, 1, stats.BlobsDamaged)
				return
			case damagedRecords:
				assert.Zero(t, stats.Inconsistencies)
				assert.Equal(t, 1, stats.RecordsDamaged)
				return
			}
			assert.Positive(t, stats.Inconsistencies)
		})
	}
}

// forge writes a record that no event leads to.
func forge(t *testing.T, e *Engine, r job.Record) {
	t.Helper()
	_, err := e.jobs.Create(t.Context(), r.ID, r)
	require.NoError(t, err)
}

func TestEveryInvariantIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/audit.md")
	require.NoError(t, err)
	for _, i := range invariants {
		assert.Contains(t, string(doc), "| `"+i.name+"` |")
	}
}

// What readers see already and the dispatcher has not heard of yet is no breach: the
// auditor waits until it has.
func TestTheAuditorWaitsForThoseWhoAreYetToHear(t *testing.T) {
	t.Parallel()
	e := openIdle(t, Config{Dir: t.TempDir()})
	running(t, e)
	newest := e.jobs.Revision()
	assert.NoError(t, e.heardOf(t.Context(), newest))
	now, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, e.heardOf(now, newest+1), context.Canceled, "nobody has heard of that")
	heard := make(chan error)
	go func() { heard <- e.heardOf(t.Context(), newest+1) }()
	_, err := e.Submit(t.Context(), Request{Routine: "p/wait", Cache: "off"})
	require.NoError(t, err)
	assert.NoError(t, <-heard)
}
