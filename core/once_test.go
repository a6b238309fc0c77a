package core_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
)

// A key makes one batch, for those who ask at one moment too, and after a crash: as
// long as the batch is kept.
func TestAnIdempotencyKeyMakesOneBatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, newScript(), core.Limits{Slots: 2})
	req := core.BatchRequest{Jobs: make10("test/quick"), Key: "mine"}
	ids := make([]string, 16)
	var clients sync.WaitGroup
	for i := range ids {
		clients.Go(func() {
			b, err := e.SubmitBatch(t.Context(), req)
			assert.NoError(t, err)
			ids[i] = b.ID
		})
	}
	clients.Wait()
	for _, id := range ids {
		assert.Equal(t, ids[0], id)
	}
	eventually(t, "done", func() bool { b, _ := e.Batch(t.Context(), ids[0]); return b.Done })
	e.Crash()

	e = open(t, dir, newScript(), core.Limits{Slots: 2})
	again, err := e.SubmitBatch(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, ids[0], again.ID)
	assert.Equal(t, 10, again.Jobs)
	other := req
	other.Jobs = other.Jobs[:9]
	_, err = e.SubmitBatch(t.Context(), other)
	assert.Equal(t, "key_reused", core.Code(err))
	assert.ErrorContains(t, err, ids[0])
	elsewhere := req
	elsewhere.Tenant = "acme" // a tenant's keys are its own
	theirs, err := e.SubmitBatch(t.Context(), elsewhere)
	require.NoError(t, err)
	assert.NotEqual(t, ids[0], theirs.ID)
	page, err := e.Batches(t.Context(), "", 10)
	require.NoError(t, err)
	assert.Len(t, page.Batches, 2)
	consistent(t, e)
}

// A batch that was refused leaves its key free.
func TestARefusedBatchDoesNotTakeItsKey(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 1, QueueCap: 5})
	_, err := e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: make10("test/quick"), Key: "mine"})
	require.Equal(t, "queue_full", core.Code(err))
	_, err = e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: make10("test/quick")[:3], Key: "mine"})
	assert.NoError(t, err)
}

// A bulk that is asked for twice retries nothing twice, also at one moment.
func TestABulkRetryThatIsRepeatedRetriesOnce(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 4})
	b := batch(t, e, core.BatchRequest{Jobs: make10("test/fail")})
	eventually(t, "failed", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	failed := core.Filter{Batch: b.ID, To: b.Created.AddDate(1, 0, 0)}
	var bulks []core.Bulk
	for range 4 {
		one, err := e.StartBulk(t.Context(), "retry", failed, false)
		require.NoError(t, err)
		bulks = append(bulks, one)
	}
	for _, one := range bulks {
		eventually(t, "retried", func() bool { one, _ = e.Bulk(t.Context(), one.ID); return one.State == core.BulkCompleted })
	}
	page, err := e.Jobs(t.Context(), core.Filter{})
	require.NoError(t, err)
	retries := map[string]int{}
	for _, j := range page.Jobs {
		if j.Spec.Origin != "" {
			retries[j.Spec.Origin]++
		}
	}
	for origin, n := range retries {
		assert.Equal(t, 1, n, origin)
	}
	assert.GreaterOrEqual(t, len(retries), 10)
}

// One that waits is enough: of many submits of the same, one makes a job until that
// has started.
func TestOneThatIsQueuedIsEnough(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 1, PluginQueueCap: map[string]int{"test": 2}})
	running := submit(t, e, "wait")
	until(t, e, running.ID, job.Running)
	req := core.Request{Routine: "test/wait", Params: params(7), Cache: "off", SkipIfQueued: true}
	var mu sync.Mutex
	made, ids := 0, map[string]bool{}
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			j, err := e.Submit(t.Context(), req)
			assert.NoError(t, err, "also where the queue is full")
			mu.Lock()
			defer mu.Unlock()
			ids[j.ID] = true
			if !j.Skipped {
				made++
			}
		})
	}
	clients.Wait()
	assert.Equal(t, 1, made)
	assert.Len(t, ids, 1, "the answer is the one that waits")

	other := req
	other.Params = params(8)
	second, err := e.Submit(t.Context(), other)
	require.NoError(t, err)
	assert.False(t, second.Skipped, "it is not the same")
	_, err = e.Submit(t.Context(), core.Request{Routine: "test/wait", Cache: "off"})
	assert.Equal(t, "queue_full", core.Code(err))
	assert.ErrorContains(t, err, "plugin_queue_cap.test")

	for id := range ids {
		_, err = e.Stop(t.Context(), id)
		require.NoError(t, err)
	}
	third, err := e.Submit(t.Context(), req)
	require.NoError(t, err)
	assert.False(t, third.Skipped, "it waits no more")

	req.Key = "mine"
	_, err = e.Submit(t.Context(), req)
	assert.ErrorContains(t, err, "skip_if_queued")
	_, err = e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: []core.BatchJob{{Request: other}}})
	assert.ErrorContains(t, err, "jobs[0].skip_if_queued")
	close(s.finish)
}
