package core

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
)

// act begins something with all of a batch.
func act(t *testing.T, e *Engine, action, batch string) Bulk {
	t.Helper()
	b, err := e.StartBulk(t.Context(), action, Filter{Batch: batch}, false)
	require.NoError(t, err)
	return b
}

// done waits for the end of a bulk.
func done(t *testing.T, e *Engine, b Bulk) Bulk {
	t.Helper()
	require.Eventually(t, func() bool {
		now, err := e.Bulk(t.Context(), b.ID)
		b = now
		return err == nil && now.Ended != nil
	}, 2*time.Minute, 10*time.Millisecond)
	require.Equal(t, BulkCompleted, b.State)
	return b
}

// becomes waits until the one batch is in a state.
func becomes(t *testing.T, e *Engine, state BatchState) (b Batch) {
	t.Helper()
	require.Eventually(t, func() bool { b = onlyBatch(t, e); return b.State == state }, 2*time.Minute, 10*time.Millisecond)
	return b
}

// A stop that comes while a batch is being written stops all of it: what is written, and
// what is not yet.
func TestAStopMeetsABatchThatIsExpanding(t *testing.T) {
	t.Parallel()
	e, g, goOn := halfWritten(t, 1200)
	stop := act(t, e, "stop", onlyBatch(t, e).ID)
	assert.Equal(t, 1200, stop.Jobs, "all of it")
	b, err := goOn()
	require.NoError(t, err)
	assert.Equal(t, 1200, b.Jobs)
	b = becomes(t, e, BatchStopped)
	assert.Equal(t, 1200, b.Phases[job.Stopped])
	assert.True(t, b.Done)
	stop = done(t, e, stop)
	assert.Equal(t, 1200, stop.Done+stop.Skipped)
	assert.Zero(t, g.started.Load())
}

// Likewise a pause, which a resume ends for all.
func TestAPauseMeetsABatchThatIsExpanding(t *testing.T) {
	t.Parallel()
	e, g, goOn := halfWritten(t, 1200)
	pause := act(t, e, "pause", onlyBatch(t, e).ID)
	_, err := goOn()
	require.NoError(t, err)
	done(t, e, pause)
	b := becomes(t, e, BatchPaused)
	assert.Equal(t, 1200, b.Phases[job.Paused])
	assert.Zero(t, g.started.Load())
	done(t, e, act(t, e, "resume", b.ID))
	b = becomes(t, e, BatchRunning)
	assert.Equal(t, 1200, b.Phases[job.Pending]+b.Phases[job.Running])
	require.Eventually(t, func() bool { return g.started.Load() > 0 }, 2*time.Minute, 10*time.Millisecond)
}

// What joins a batch is as the batch is to be.
func TestARetryFollowsItsBatch(t *testing.T) {
	t.Parallel()
	e, g, goOn := halfWritten(t, 1200)
	b, err := goOn()
	require.NoError(t, err)
	page, err := e.Jobs(t.Context(), Filter{Batch: b.ID, Limit: 1})
	require.NoError(t, err)
	one := page.Jobs[0].ID // the last to run
	_, err = e.Stop(t.Context(), one)
	require.NoError(t, err)

	done(t, e, act(t, e, "pause", b.ID))
	require.Eventually(t, func() bool { return onlyBatch(t, e).Phases[job.Running] == 0 }, 2*time.Minute, 10*time.Millisecond)
	again, err := e.Retry(t.Context(), one, false)
	require.NoError(t, err)
	assert.Equal(t, job.Paused, again.Phase)
	assert.Equal(t, job.WantPause, again.Desired)

	stop := act(t, e, "stop", b.ID)
	_, err = e.Retry(t.Context(), one, false)
	assert.Equal(t, "batch_stopped", Code(err))
	done(t, e, stop)
	b = becomes(t, e, BatchStopped)
	assert.Equal(t, 1201, b.Phases[job.Stopped], "the retry too")
	_, err = e.StartBulk(t.Context(), "pause", Filter{Batch: b.ID}, false)
	assert.Equal(t, "batch_stopped", Code(err))

	done(t, e, act(t, e, "resume", b.ID))
	becomes(t, e, BatchEnded)
	ran := g.started.Load()
	again, err = e.Retry(t.Context(), one, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return g.started.Load() > ran }, 2*time.Minute, 10*time.Millisecond)
	assert.Equal(t, b.ID, again.Spec.Batch)
	assert.Equal(t, []job.Lock{{Name: "batch:" + b.ID, Limit: 2}}, again.Spec.Locks, "its limit holds for it too")
}

// A batch that is being stopped is retried once it is stopped: all of it.
func TestARetryOfABatchComesAfterItsStop(t *testing.T) {
	t.Parallel()
	e, _, goOn := halfWritten(t, 1200)
	b, err := goOn()
	require.NoError(t, err)
	require.Eventually(t, func() bool { return onlyBatch(t, e).Phases[job.Running] == 2 }, 2*time.Minute, 10*time.Millisecond)
	stop := act(t, e, "stop", b.ID)
	retry := act(t, e, "retry", b.ID)
	done(t, e, stop)
	retry = done(t, e, retry)
	assert.Equal(t, 1200, retry.Done)
	b = becomes(t, e, BatchRunning)
	assert.Equal(t, 1200, b.Phases[job.Stopped])
	assert.Equal(t, 2400, b.Jobs)
}

// Wherever a crash meets a stop that was acknowledged, no job of the batch runs after it,
// and all of them are stopped.
func TestAStopOutlivesACrash(t *testing.T) {
	t.Parallel()
	for _, written := range writesUpTo(6) {
		t.Run(fmt.Sprint("after_write_", written), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			disk := &fullDisk{takes: written}
			e := openGated(t, dir, newGated(), disk.faults())
			b, err := e.SubmitBatch(t.Context(), many(1200))
			require.NoError(t, err)
			disk.full.Store(true)
			_, err = e.StartBulk(t.Context(), "stop", Filter{Batch: b.ID}, false)
			acknowledged := err == nil
			assert.Equal(t, written > 0, acknowledged)
			e.Crash()

			g := newGated()
			e = openGated(t, dir, g, Faults{})
			if !acknowledged {
				require.Eventually(t, func() bool { return g.started.Load() == 2 }, 2*time.Minute, 10*time.Millisecond)
				return
			}
			b = becomes(t, e, BatchStopped)
			assert.Equal(t, 1200, b.Phases[job.Stopped])
			assert.Zero(t, g.started.Load())
		})
	}
}

// Of two that begin at one moment the later holds, also where it is written first.
func TestTheLaterWishHoldsInWhateverOrderTheyAreWritten(t *testing.T) {
	t.Parallel()
	e, _, goOn := halfWritten(t, 1200)
	batch, err := goOn()
	require.NoError(t, err)
	earlier, later := e.ids.next(), e.ids.next()
	for _, b := range []Bulk{{ID: later, Action: "resume"}, {ID: earlier, Action: "pause"}} {
		b.Filter, b.State = Filter{Batch: batch.ID}, BulkRunning
		b, err = e.createBulk(t.Context(), b)
		require.NoError(t, err)
		e.runBulk(bulkRecord{Bulk: b})
		done(t, e, b)
	}
	b := onlyBatch(t, e)
	assert.Equal(t, job.WantRun, b.Desired)
	assert.Equal(t, BatchRunning, b.State)
	assert.Zero(t, b.Phases[job.Paused])
}

// A bulk that meets the end of the server before it is told to end does not get on from a
// job that it could not change: the next start changes that.
func TestABulkDoesNotPassOverJobsWhenTheServerEnds(t *testing.T) {
	t.Parallel()
	e, _, goOn := halfWritten(t, 1200)
	batch, err := goOn()
	require.NoError(t, err)
	done(t, e, act(t, e, "stop", batch.ID))
	becomes(t, e, BatchStopped)
	page, err := e.Jobs(t.Context(), Filter{Batch: batch.ID, Limit: 1})
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := Bulk{ID: e.ids.next(), Action: "retry"}
	run := &bulkRun{bulk: b, now: b}
	e.closing.Store(true) // Close has begun
	e.decide(onceAwaited{ctx, cancel}, run, page.Jobs[0].Record, nil, false)
	e.closing.Store(false) // so that the engine can be closed
	assert.Error(t, ctx.Err(), "it waited for the end")
	assert.Zero(t, run.now.decided())
}

// onceAwaited is a context that ends once somebody waits for that.
type onceAwaited struct {
	context.Context
	end func()
}

func (c onceAwaited) Done() <-chan struct{} {
	c.end()
	return c.Context.Done()
}

// A stop or pause of a batch that is itself stopped leaves no job waiting for ever.
func TestAWishEndsWithTheBulkThatIsStopped(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"stop", "pause"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			e, g, goOn := halfWritten(t, 1200)
			batch := onlyBatch(t, e)
			b := act(t, e, action, batch.ID) // it waits until the batch is whole
			ended := e.endRun(b.ID, errBulkStopped)
			<-ended
			_, err := goOn()
			require.NoError(t, err)
			b, err = e.Bulk(t.Context(), b.ID)
			require.NoError(t, err)
			assert.Equal(t, BulkStopped, b.State)
			batch = becomes(t, e, BatchRunning)
			assert.Equal(t, job.WantRun, batch.Desired)
			require.Eventually(t, func() bool { return g.started.Load() == 2 }, 2*time.Minute, 10*time.Millisecond)
		})
	}
}
