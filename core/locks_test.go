package core_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
)

func locked(t *testing.T, e *core.Engine, name string, limit int) core.Job {
	t.Helper()
	j, err := e.Submit(t.Context(), core.Request{Routine: "test/wait", Cache: "off", Locks: []job.Lock{{Name: name, Limit: limit}}})
	require.NoError(t, err)
	return j
}

func waitingFor(t *testing.T, e *core.Engine, id string) core.Waiting {
	t.Helper()
	j, err := e.Job(t.Context(), id)
	require.NoError(t, err)
	require.NotNil(t, j.Waiting, "%s is %s", id, j.Phase)
	return *j.Waiting
}

// A paused job keeps its locks, and no slot, over restarts, orderly or not, and with as
// many holders as the lock has; those that wait for them see that. It lets go when it
// ends.
func TestAPausedJobKeepsItsLocksOverRestarts(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2} {
		for _, crash := range []bool{true, false} {
			t.Run(fmt.Sprint("limit_", limit, "_crash_", crash), func(t *testing.T) {
				t.Parallel()
				dir, s := t.TempDir(), newScript()
				e := open(t, dir, s, core.Limits{Slots: 4})
				var holders []string
				for range limit {
					holder := locked(t, e, "licence", limit)
					until(t, e, holder.ID, job.Running)
					_, err := e.Pause(t.Context(), holder.ID)
					require.NoError(t, err)
					until(t, e, holder.ID, job.Paused)
					holders = append(holders, holder.ID)
				}
				waiter := locked(t, e, "licence", limit)
				want := core.Waiting{On: "lock licence", Lock: "licence", Jobs: holders, Paused: holders}
				assert.Equal(t, want, waitingFor(t, e, waiter.ID))
				since := e.Locks(t.Context())[0].Holders[0].Since

				for range 2 { // the second time nobody held a guest
					end(t, e, crash)
					e = open(t, dir, s, core.Limits{Slots: 4})
					consistent(t, e)
				}
				running := locked(t, e, "other", 1)
				until(t, e, running.ID, job.Running)
				assert.Equal(t, want, waitingFor(t, e, waiter.ID))
				locks := e.Locks(t.Context())
				require.Len(t, locks, 2)
				for i, h := range locks[0].Holders {
					assert.Equal(t, []any{holders[i], job.Paused}, []any{h.Job, h.Phase})
				}
				assert.True(t, since.Equal(locks[0].Holders[0].Since), "since it started")
				assert.Equal(t, job.Running, locks[1].Holders[0].Phase)

				if _, err := e.Resume(t.Context(), holders[0]); assert.NoError(t, err) {
					until(t, e, holders[0], job.Running)
				}
				assert.Equal(t, "lock licence", waitingFor(t, e, waiter.ID).On)
				consistent(t, e)
				_, err := e.Stop(t.Context(), holders[0])
				require.NoError(t, err)
				until(t, e, waiter.ID, job.Running)
				consistent(t, e)
			})
		}
	}
}

// What a job that never ran, or that lost its worker before it was paused, names is free.
func TestAJobPausedInTheQueueHoldsNoLocks(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), newScript()
	e := open(t, dir, s, core.Limits{Slots: 1})
	ran := locked(t, e, "l", 1)
	until(t, e, ran.ID, job.Running)
	waits := locked(t, e, "l", 1)
	_, err := e.Pause(t.Context(), waits.ID)
	require.NoError(t, err)
	e.Crash()
	e = open(t, dir, s, core.Limits{Slots: 1})
	until(t, e, ran.ID, job.Running)
	locks := e.Locks(t.Context())
	require.Len(t, locks, 1)
	require.Len(t, locks[0].Holders, 1)
	assert.Equal(t, ran.ID, locks[0].Holders[0].Job)
	_, err = e.Stop(t.Context(), ran.ID)
	require.NoError(t, err)
	until(t, e, ran.ID, job.Stopped)
	assert.Empty(t, e.Locks(t.Context()))
	consistent(t, e)
}

// A low job that a high one needs comes before the normal ones, and says by whom it is
// lent its priority.
func TestAHighJobLendsItsPriority(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 1})
	busy := submit(t, e, "wait")
	until(t, e, busy.ID, job.Running)
	var normal []core.Job
	for range 4 {
		normal = append(normal, submit(t, e, "quick"))
	}
	run := func(priority string, after ...string) core.Job {
		t.Helper()
		j, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", Cache: "off", Priority: priority, After: after})
		require.NoError(t, err)
		return j
	}
	low := run("low")
	mid := run("low", low.ID)
	high := run("high", mid.ID)
	assert.Equal(t, core.Waiting{On: "slots", Priority: "high", LentBy: mid.ID}, waitingFor(t, e, low.ID))
	assert.Equal(t, core.Waiting{On: "job " + low.ID, Jobs: []string{low.ID}, Priority: "high", LentBy: high.ID}, waitingFor(t, e, mid.ID))
	_, err := e.Pause(t.Context(), low.ID)
	require.NoError(t, err)
	assert.Equal(t, []string{low.ID}, waitingFor(t, e, mid.ID).Paused, "what it waits for is paused")
	_, err = e.Resume(t.Context(), low.ID)
	require.NoError(t, err)
	close(s.finish)
	last := until(t, e, high.ID, job.Completed)
	for _, j := range normal {
		j = until(t, e, j.ID, job.Completed)
		assert.True(t, j.Started.After(*last.Started), "the high one, and what it needs, come first")
	}
	consistent(t, e)
}
