package core

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
)

func openIdle(t *testing.T, cfg Config) *Engine {
	t.Helper()
	e, err := Open(t.Context(), cfg, idle{})
	require.NoError(t, err)
	t.Cleanup(e.Crash)
	return e
}

func running(t *testing.T, e *Engine) Job {
	t.Helper()
	j, err := e.Submit(t.Context(), Request{Routine: "p/wait", Cache: "off"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		j, err = e.Job(t.Context(), j.ID)
		return err == nil && j.Phase == job.Running
	}, 2*time.Minute, time.Millisecond)
	return j
}

// A worker that lost its lease, to a reaper that took it for dead, can write nothing
// any more: not over the next worker's lease, and not over the end.
func TestAWorkerThatLostItsLeaseWritesNothing(t *testing.T) {
	t.Parallel()
	e := openIdle(t, Config{Dir: t.TempDir()})
	j := running(t, e)
	stale := j.Epoch
	report := func(event job.Event) error {
		_, err := e.move(t.Context(), j.ID, func(job.Record) job.Event { return event })
		return err
	}
	require.NoError(t, report(job.Lost{Epoch: stale}))
	require.Eventually(t, func() bool {
		now, err := e.Job(t.Context(), j.ID)
		return err == nil && now.Phase == job.Running && now.Epoch == stale+1
	}, 2*time.Minute, time.Millisecond, "it runs again, under another lease")
	for _, event := range []job.Event{
		job.Finish{Epoch: stale}, job.Halted{Epoch: stale}, job.Parked{Epoch: stale}, job.Lost{Epoch: stale}, job.HandBack{Epoch: stale},
	} {
		assert.ErrorIs(t, report(event), job.ErrStaleLease)
	}
	require.NoError(t, report(job.Finish{Epoch: stale + 1}))
	assert.Error(t, report(job.Finish{Epoch: stale}))
	now, err := e.Job(t.Context(), j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Completed, now.Phase)
}

// A reaper, a worker and a user race to end a job: whoever is first, the end does
// not change.
func TestAnEndIsWrittenOnce(t *testing.T) {
	t.Parallel()
	e := openIdle(t, Config{Dir: t.TempDir(), Limits: Limits{Slots: 4}})
	for range 25 {
		j := running(t, e)
		var mu sync.Mutex
		ends := map[job.Phase]bool{}
		var racers sync.WaitGroup
		for _, event := range []job.Event{job.Finish{Epoch: j.Epoch}, job.Lost{Epoch: j.Epoch}, job.Stop{}, job.Halted{Epoch: j.Epoch}} {
			racers.Go(func() {
				entry, err := e.move(context.Background(), j.ID, func(job.Record) job.Event { return event })
				if err == nil && entry.Value.Phase.Final() {
					mu.Lock()
					ends[entry.Value.Phase] = true
					mu.Unlock()
				}
			})
		}
		racers.Wait()
		_, _ = e.Stop(t.Context(), j.ID) // it may have ended
		final, err := e.Wait(t.Context(), j.ID)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(ends), 1)
		for phase := range ends {
			assert.Equal(t, phase, final.Phase)
		}
	}
}

// An idempotency key stands for its job as long as that is kept: also a day later,
// and after a crash.
func TestAKeyStandsForItsJobADayLater(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	limits := Limits{Retention: map[string]Retention{"*": {}}}
	e := openIdle(t, Config{Dir: dir, Limits: limits})
	req := Request{Routine: "p/log", Cache: "off", Key: "mine"}
	j, err := e.Submit(t.Context(), req)
	require.NoError(t, err)
	_, err = e.Wait(t.Context(), j.ID)
	require.NoError(t, err)
	e.Crash()
	e = openIdle(t, Config{Dir: dir, Limits: limits, Now: func() time.Time { return now.Add(25 * time.Hour) }})
	again, err := e.Submit(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, j.ID, again.ID)
	req.Routine = "p/wait"
	_, err = e.Submit(t.Context(), req)
	assert.Equal(t, "key_reused", Code(err))
}
