package core_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
)

// fullOfRetries returns an engine whose queue has room for 20, a batch of 200 failed
// jobs, and a bulk that retries them and waits for room. Two jobs keep both slots.
func fullOfRetries(t *testing.T, dir string, s *script) (*core.Engine, core.Batch, core.Bulk) {
	t.Helper()
	e := open(t, dir, s, core.Limits{Slots: 2})
	failing := batch(t, e, core.BatchRequest{Jobs: many(200, "test/fail"), Labels: map[string]string{"n": "1"}})
	eventually(t, "failed", func() bool { failing, _ = e.Batch(t.Context(), failing.ID); return failing.Done })
	for range 2 {
		until(t, e, submit(t, e, "wait").ID, job.Running)
	}
	l := e.Limits()
	l.QueueCap = 20
	require.NoError(t, e.SetLimits(t.Context(), l))
	b, err := e.StartBulk(t.Context(), "retry", core.Filter{Batch: failing.ID, Phase: job.Failed}, false)
	require.NoError(t, err)
	return e, failing, waitingForRoom(t, e, b.ID)
}

func waitingForRoom(t *testing.T, e *core.Engine, id string) (b core.Bulk) {
	t.Helper()
	eventually(t, "it waits for room", func() bool {
		b, _ = e.Bulk(t.Context(), id)
		return b.Waiting != nil && b.Waiting.On == "queue_cap" && b.Done == 10
	})
	return b
}

func bulkEnds(t *testing.T, e *core.Engine, id string) (b core.Bulk) {
	t.Helper()
	eventually(t, "it ends", func() bool { b, _ = e.Bulk(t.Context(), id); return !b.Open() })
	return b
}

func pending(t *testing.T, e *core.Engine) int {
	t.Helper()
	n, err := e.Jobs(t.Context(), core.Filter{Phase: job.Pending, Limit: core.MaxPage})
	require.NoError(t, err)
	return len(n.Jobs)
}

// A retry of more jobs than the queue holds leaves half of it to others, says truly how
// far it is, and ends when it is told to: what it made stays.
func TestABulkSharesTheQueueAndCanBeStopped(t *testing.T) {
	t.Parallel()
	e, _, b := fullOfRetries(t, t.TempDir(), newScript())
	assert.Equal(t, []int{200, 10, 0, 0}, []int{b.Jobs, b.Done, b.Skipped, b.Failed})
	assert.Equal(t, core.BulkRunning, b.State)
	for range 10 {
		submit(t, e, "wait")
	}
	_, err := e.Submit(t.Context(), core.Request{Routine: "test/wait", Cache: "off"})
	assert.Equal(t, "queue_full", core.Code(err), "all of the queue is used")

	b, err = e.StopBulk(t.Context(), b.ID)
	require.NoError(t, err)
	assert.Equal(t, core.BulkStopped, b.State)
	assert.NotNil(t, b.Ended)
	assert.Nil(t, b.Waiting)
	assert.Equal(t, []int{200, 10, 0, 0}, []int{b.Jobs, b.Done, b.Skipped, b.Failed})
	made, err := e.Jobs(t.Context(), core.Filter{Bulk: b.ID})
	require.NoError(t, err)
	assert.Len(t, made.Jobs, 10, "what it made")
	assert.Equal(t, 20, pending(t, e))
	again, err := e.StartBulk(t.Context(), "stop", core.Filter{Bulk: b.ID}, false)
	require.NoError(t, err)
	assert.Equal(t, 10, bulkEnds(t, e, again.ID).Done)
	assert.Equal(t, 10, pending(t, e), "nobody makes others in their place")
	_, err = e.StopBulk(t.Context(), b.ID)
	assert.Equal(t, "illegal_state", core.Code(err))
	_, err = e.StopBulk(t.Context(), "none")
	assert.Equal(t, "not_found", core.Code(err))
	consistent(t, e)
}

// A later stop of all that a retry makes ends it, whatever the stop selects them by.
func TestALaterStopEndsARetry(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]func(batch, bulk string) core.Filter{
		"of its batch":    func(batch, _ string) core.Filter { return core.Filter{Batch: batch} },
		"of what waits":   func(batch, _ string) core.Filter { return core.Filter{Batch: batch, Phase: job.Pending} },
		"of what it made": func(_, bulk string) core.Filter { return core.Filter{Bulk: bulk} },
		"of all":          func(string, string) core.Filter { return core.Filter{} },
		"of all unended": func(string, string) core.Filter {
			return core.Filter{Phases: []job.Phase{job.Pending, job.Running, job.Paused}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, batch, retry := fullOfRetries(t, t.TempDir(), newScript())
			stop, err := e.StartBulk(t.Context(), "stop", filter(batch.ID, retry.ID), false)
			require.NoError(t, err)
			stop = bulkEnds(t, e, stop.ID)
			assert.Equal(t, core.BulkCompleted, stop.State)
			assert.Equal(t, stop.Jobs, stop.Done+stop.Skipped+stop.Failed)
			assert.GreaterOrEqual(t, stop.Done, 10, "it stops what was made before it began: %+v", stop)
			retry = bulkEnds(t, e, retry.ID)
			assert.Equal(t, []string{core.BulkStopped, stop.ID}, []string{retry.State, retry.StoppedBy})
			eventually(t, "nothing of it is left", func() bool {
				batch, _ = e.Batch(t.Context(), batch.ID)
				return batch.Done
			})
			assert.Equal(t, 200+retry.Done, batch.Jobs)
			assert.Equal(t, retry.Done, batch.Phases[job.Stopped])
			consistent(t, e)
		})
	}
}

// A later stop of some of what a retry makes stops those, and the others are retried.
func TestALaterStopOfSomeSkipsThem(t *testing.T) {
	t.Parallel()
	s := newScript()
	e, batch, retry := fullOfRetries(t, t.TempDir(), s)
	stop, err := e.StartBulk(t.Context(), "stop", core.Filter{Labels: map[string]string{"n": "1"}}, false)
	require.NoError(t, err)
	assert.Equal(t, 10, bulkEnds(t, e, stop.ID).Done)
	close(s.finish)
	retry = bulkEnds(t, e, retry.ID)
	assert.Equal(t, core.BulkCompleted, retry.State)
	assert.Equal(t, map[string]int{"superseded": 190}, retry.Reasons)
	batch, err = e.Batch(t.Context(), batch.ID)
	require.NoError(t, err)
	assert.Equal(t, 210, batch.Jobs)
	assert.Equal(t, 10, batch.Phases[job.Stopped])
}

// After a restart, orderly or not, a bulk goes on where it was; one that is to stop, or
// that a later one stops, does not.
func TestABulkGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	for _, crash := range []bool{true, false} {
		t.Run(fmt.Sprint("crash_", crash), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e, failed, b := fullOfRetries(t, dir, newScript())
			restart := func(s *script) {
				end(t, e, crash)
				e = open(t, dir, s, core.Limits{})
			}
			restart(newScript())
			list, err := e.Bulks(t.Context(), "", 10)
			require.NoError(t, err)
			require.Len(t, list.Bulks, 1)
			assert.True(t, list.Bulks[0].Open())
			b = waitingForRoom(t, e, b.ID)
			assert.Equal(t, []int{200, 10, 0}, []int{b.Jobs, b.Done, b.Skipped}, "counted once")

			s := newScript()
			close(s.finish)
			restart(s)
			b = bulkEnds(t, e, b.ID)
			assert.Equal(t, core.BulkCompleted, b.State)
			assert.Equal(t, []int{200, 200, 0, 0}, []int{b.Jobs, b.Done, b.Skipped, b.Failed}, b.Reasons)
			eventually(t, "all have ended", func() bool { failed, _ = e.Batch(t.Context(), failed.ID); return failed.Done })
			assert.Equal(t, 400, failed.Jobs, "each was retried once")
			consistent(t, e)
		})
	}
}

// end ends an engine: with a crash, or in order, without waiting for its jobs.
func end(t *testing.T, e *core.Engine, crash bool) {
	t.Helper()
	if crash {
		e.Crash()
		return
	}
	require.NoError(t, e.Close(cancelled()))
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// Whatever write a process ends before, the next one finishes the bulk, does to each job
// what was asked for, and counts each once.
func TestABulkIsFinishedWhereverTheProcessEnds(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]job.Phase{"stop": job.Stopped, "pause": job.Paused, "delete": "", "retry": job.Failed, "pin": job.Failed} {
		ends := []int{1, 3, 6}
		if testing.Short() {
			ends = []int{3} // each is an engine that fails with some hundred jobs
		}
		for _, writes := range ends {
			t.Run(fmt.Sprint(action, "_", writes), func(t *testing.T) {
				t.Parallel()
				finishBulkAfterACrash(t, action, want, writes)
			})
		}
	}
}

func finishBulkAfterACrash(t *testing.T, action string, want job.Phase, writes int) {
	const jobs = 300
	dir := t.TempDir()
	routine := "test/fail"
	if action == "stop" || action == "pause" {
		routine = "test/wait"
	}
	faults := cutAfter()
	e, err := core.Open(t.Context(), core.Config{Dir: dir, Sync: ledger.SyncInterval, Limits: core.Limits{Slots: 1}, Faults: core.Faults{Ledger: faults.ledger()}}, newScript())
	require.NoError(t, err)
	defer e.Crash()
	lot := batch(t, e, core.BatchRequest{Jobs: many(jobs, routine)})
	settled := func() bool {
		lot, _ = e.Batch(context.Background(), lot.ID)
		return lot.Done || routine == "test/wait" && lot.Phases[job.Running] > 0
	}
	eventually(t, "settled", settled)
	faults.cut(writes)
	b, err := e.StartBulk(t.Context(), action, core.Filter{Batch: lot.ID}, false)
	if err != nil {
		return // it was never acknowledged
	}
	faults.await(t)
	e.Crash()

	e = open(t, dir, newScript(), core.Limits{})
	b = bulkEnds(t, e, b.ID)
	assert.Equal(t, core.BulkCompleted, b.State)
	assert.Equal(t, []int{jobs, jobs, 0}, []int{b.Jobs, b.Done, b.Failed}, "%+v", b)
	page, err := e.Jobs(t.Context(), core.Filter{Batch: lot.ID, Limit: core.MaxPage})
	require.NoError(t, err)
	for _, j := range page.Jobs {
		if j.Spec.Bulk == "" && action != "retry" {
			eventually(t, "as asked for", func() bool { j, _ = e.Job(t.Context(), j.ID); return j.Phase == want })
		}
	}
	switch action {
	case "delete":
		assert.Zero(t, len(page.Jobs))
	case "retry":
		assert.Equal(t, 2*jobs, len(page.Jobs), "each once")
	default:
		assert.Equal(t, jobs, len(page.Jobs))
	}
	consistent(t, e)
}

// cutting lets a ledger's writes fail from one on, as a process that ends there.
type cutting struct {
	left chan int
	down chan struct{}
}

func cutAfter() *cutting { return &cutting{left: make(chan int, 1), down: make(chan struct{})} }

func (c *cutting) ledger() ledger.Faults {
	left := -1
	return ledger.Faults{Send: func(next uint64, send func() (uint64, error)) (uint64, error) {
		select {
		case left = <-c.left:
		default:
		}
		if left == 0 {
			select {
			case <-c.down:
			default:
				close(c.down)
			}
			return next, fmt.Errorf("%w: the process has ended", ledger.ErrDiskFull)
		}
		left = max(left-1, -1)
		return send()
	}}
}

func (c *cutting) cut(writes int) { c.left <- writes }

func (c *cutting) await(t *testing.T) {
	t.Helper()
	select {
	case <-c.down:
	case <-time.After(time.Minute):
		t.Fatal("there were fewer writes")
	}
}

// What a later bulk asks for holds, although an earlier one comes to the job last.
func TestTheLaterBulkWins(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 1})
	submit(t, e, "wait") // holds the slot
	lot := batch(t, e, core.BatchRequest{Jobs: many(1500, "test/quick"), Priority: "low"})
	rounds := 5
	if testing.Short() {
		rounds = 1 // each changes 1500 jobs five times
	}
	for range rounds {
		var all []core.Bulk
		for _, action := range []string{"pause", "resume", "pause", "pin", "unpin"} {
			b, err := e.StartBulk(t.Context(), action, core.Filter{Batch: lot.ID}, false)
			require.NoError(t, err)
			all = append(all, b)
		}
		for _, b := range all {
			b = bulkEnds(t, e, b.ID)
			assert.Equal(t, 1500, b.Done+b.Skipped, "%+v", b)
		}
		page, err := e.Jobs(t.Context(), core.Filter{Batch: lot.ID, Phase: job.Paused, Limit: core.MaxPage})
		require.NoError(t, err)
		assert.NotEmpty(t, page.Next)
		assert.False(t, slices.ContainsFunc(page.Jobs, func(j core.Job) bool { return j.Pinned }))
		lot, err = e.Batch(t.Context(), lot.ID)
		require.NoError(t, err)
		assert.Equal(t, 1500, lot.Phases[job.Paused])
	}
	consistent(t, e)
}

// The number of bulks that have not ended is bounded.
func TestTheNumberOfOpenBulksIsBounded(t *testing.T) {
	t.Parallel()
	e, failed, first := fullOfRetries(t, t.TempDir(), newScript())
	for range core.MaxBulks - 1 { // none of them ends: another has what each would do next
		_, err := e.StartBulk(t.Context(), "retry", core.Filter{Batch: failed.ID, Phase: job.Failed}, false)
		require.NoError(t, err)
	}
	_, err := e.StartBulk(t.Context(), "retry", core.Filter{Batch: failed.ID}, false)
	assert.Equal(t, "too_many_bulks", core.Code(err))
	_, err = e.StopBulk(t.Context(), first.ID)
	require.NoError(t, err)
	_, err = e.StartBulk(t.Context(), "retry", core.Filter{Batch: failed.ID}, false)
	assert.NoError(t, err)
	assert.LessOrEqual(t, pending(t, e), 10, "all of them share a half of the queue")
}
