package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
)

// throughBulk starts a bulk and follows it to its end, however long that takes.
func throughBulk(t *testing.T, e *core.Engine, action string, f core.Filter) core.Bulk {
	t.Helper()
	b, err := e.StartBulk(t.Context(), action, f, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { b, _ = e.Bulk(t.Context(), b.ID); return b.State != core.BulkRunning }, 5*time.Minute, 20*time.Millisecond)
	return b
}

// Twenty thousand jobs are stopped, retried, stopped again and deleted, each by one
// request.
func TestBulksActOnTwentyThousandJobs(t *testing.T) {
	t.Parallel()
	jobs := 20_000
	if testing.Short() {
		jobs = 1_000
	}
	e := open(t, t.TempDir(), newScript(), core.Limits{
		Slots: 1, QueueCap: 2 * jobs, Retention: map[string]core.Retention{"*": {}},
	})
	submit(t, e, "wait") // holds the slot
	first := core.Filter{Labels: map[string]string{"n": "first"}}
	const atOnce = 500
	for range jobs / atOnce {
		_, err := e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: many(atOnce, "test/quick"), Labels: first.Labels, Priority: "low"})
		require.NoError(t, err)
	}
	preview, err := e.StartBulk(t.Context(), "stop", first, true)
	require.NoError(t, err)
	require.Equal(t, jobs, preview.Jobs)
	for _, action := range []string{"stop", "retry"} {
		b := throughBulk(t, e, action, first)
		assert.Equal(t, core.BulkCompleted, b.State, action)
		assert.Equal(t, jobs, b.Done, action)
	}
	again := first
	again.Phase = job.Pending
	assert.Equal(t, jobs, throughBulk(t, e, "stop", again).Done)
	assert.Equal(t, 2*jobs, throughBulk(t, e, "delete", first).Done)
	page, err := e.Jobs(t.Context(), first)
	require.NoError(t, err)
	assert.Empty(t, page.Jobs)
	known, err := e.Bulks(t.Context(), "", 100)
	require.NoError(t, err)
	assert.Len(t, known.Bulks, 4, "a preview is none")
	consistent(t, e)
}

func many(n int, name string) []core.BatchJob {
	jobs := make([]core.BatchJob, n)
	for i := range jobs {
		jobs[i].Request = core.Request{Routine: name, Cache: "off"}
	}
	return jobs
}

// A retry of more jobs than may wait is not broken off: it waits too.
func TestABulkRetryWaitsForRoomInTheQueue(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 4, QueueCap: 20})
	failing := batch(t, e, core.BatchRequest{Jobs: many(20, "test/fail")})
	eventually(t, "failed", func() bool { failing, _ = e.Batch(t.Context(), failing.ID); return failing.Done })
	l := e.Limits()
	l.QueueCap = 2
	require.NoError(t, e.SetLimits(t.Context(), l))
	b := throughBulk(t, e, "retry", core.Filter{Batch: failing.ID})
	assert.Equal(t, core.BulkCompleted, b.State)
	assert.Equal(t, 20, b.Done)
}

func TestABatchGivesItsJobsPriorityAndLimits(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	own := core.Request{Routine: "test/quick", Priority: "low", Limits: &job.Limits{WallSeconds: 7}}
	b := batch(t, e, core.BatchRequest{
		Jobs:     []core.BatchJob{{Request: core.Request{Routine: "test/quick"}}, {Request: own}},
		Priority: "high", Limits: &job.Limits{WallSeconds: 60, MemoryBytes: 32 << 20},
	})
	page, err := e.Jobs(t.Context(), core.Filter{Batch: b.ID})
	require.NoError(t, err)
	require.Len(t, page.Jobs, 2)
	named, plain := page.Jobs[0].Spec, page.Jobs[1].Spec
	if named.Limits.WallSeconds != 7 {
		named, plain = plain, named
	}
	assert.Equal(t, []any{job.Low, 7.0, int64(32 << 20)}, []any{named.Priority, named.Limits.WallSeconds, named.Limits.MemoryBytes})
	assert.Equal(t, []any{job.High, 60.0, int64(32 << 20)}, []any{plain.Priority, plain.Limits.WallSeconds, plain.Limits.MemoryBytes})
}

// Nothing is given from the cache that is older than the limit says, and nothing is
// known of a batch whose jobs are gone.
func TestOldResultsAndEmptyBatchesGo(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	run := func() core.Job {
		j, err := e.Submit(t.Context(), core.Request{Routine: "test/quick"})
		require.NoError(t, err)
		return until(t, e, j.ID, job.Completed)
	}
	first := run()
	assert.Equal(t, first.ID, run().CacheHit)
	_, err := e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) {
		l.CacheSeconds = 1e-6
		return l, nil
	})
	require.NoError(t, err)
	assert.Empty(t, run().CacheHit)

	b := batch(t, e, core.BatchRequest{Jobs: many(3, "test/quick")})
	eventually(t, "done", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	bulk(t, e, "delete", core.Filter{Batch: b.ID})
	eventually(t, "the batch is forgotten", func() bool {
		_, err := e.Batch(context.Background(), b.ID)
		return core.Code(err) == "not_found"
	})
}

// A stop or a pause of a batch that has ended changes nothing and says so: single jobs of
// it can be retried, and the retries run.
func TestABatchThatHasEndedIsNeitherStoppedNorPaused(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"stop", "pause"} {
		for _, routine := range []string{"test/quick", "test/fail"} {
			t.Run(action+"_"+routine[len("test/"):], func(t *testing.T) {
				t.Parallel()
				e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 2})
				b := batch(t, e, core.BatchRequest{Jobs: many(3, routine)})
				eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
				bulk := throughBulk(t, e, action, core.Filter{Batch: b.ID})
				assert.Equal(t, core.BulkCompleted, bulk.State)
				assert.True(t, bulk.Late)
				assert.Equal(t, 3, bulk.Skipped)
				assert.Equal(t, map[string]int{"illegal_move": 3}, bulk.Reasons)
				after, err := e.Batch(t.Context(), b.ID)
				require.NoError(t, err)
				assert.Equal(t, b, after)

				page, err := e.Jobs(t.Context(), core.Filter{Batch: b.ID, Limit: 1})
				require.NoError(t, err)
				again, err := e.Retry(t.Context(), page.Jobs[0].ID, false)
				require.NoError(t, err)
				eventually(t, "the retry ends", func() bool {
					j, err := e.Job(t.Context(), again.ID)
					return err == nil && j.Phase == page.Jobs[0].Phase
				})
			})
		}
	}
}

// A stop that comes while jobs of the batch are made anew means those too.
func TestAStopMeetsARetryOfABatchThatHasEnded(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 1, QueueCap: 20})
	b := batch(t, e, core.BatchRequest{Jobs: many(20, "test/fail")})
	eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	submit(t, e, "wait") // holds the slot
	for range 20 {
		submit(t, e, "quick") // and these all places in the queue
	}
	retry, err := e.StartBulk(t.Context(), "retry", core.Filter{Batch: b.ID}, false)
	require.NoError(t, err)
	stop := throughBulk(t, e, "stop", core.Filter{Batch: b.ID})
	assert.False(t, stop.Late)
	assert.Equal(t, core.BulkCompleted, stop.State)
	eventually(t, "the retry is over", func() bool { retry, _ = e.Bulk(t.Context(), retry.ID); return !retry.Open() })
	b, err = e.Batch(t.Context(), b.ID)
	require.NoError(t, err)
	assert.Equal(t, core.BatchStopped, b.State)
}
