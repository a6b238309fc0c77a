package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/ledger/disktest"
)

// jobsIn counts the jobs in each phase.
func jobsIn(t require.TestingT, e *Engine) map[job.Phase]int {
	phases := map[job.Phase]int{}
	for _, p := range job.Phases {
		n, err := e.jobs.Count(context.Background(), "phase="+string(p))
		require.NoError(t, err)
		phases[p] = n
	}
	return phases
}

func live(phases map[job.Phase]int) (n int) {
	for p, jobs := range phases {
		if !p.Final() {
			n += jobs
		}
	}
	return n
}

func many(n int) BatchRequest {
	req := BatchRequest{Running: 2}
	for i := range n {
		labels := map[string]string{}
		for l := range MaxLabels {
			labels[fmt.Sprintf("%030d", l)] = fmt.Sprintf("%033d%030d", i, l)
		}
		req.Jobs = append(req.Jobs, BatchJob{Request: Request{Routine: "p/wait", Cache: "off", Labels: labels}})
	}
	return req
}

// fullDisk refuses the writes of a ledger while it is full, after it has taken some.
type fullDisk struct {
	full   atomic.Bool
	takes  int32        // writes that it takes although it is full
	writes atomic.Int32 // that it was given while it was full
}

func (d *fullDisk) faults() Faults {
	return Faults{Ledger: ledger.Faults{Send: func(next uint64, send func() (uint64, error)) (uint64, error) {
		if d.full.Load() && d.writes.Add(1) > d.takes {
			return next, fmt.Errorf("%w: %w", ledger.ErrDiskFull, syscall.ENOSPC)
		}
		return send()
	}}}
}

// writesUpTo lists the numbers below n: the writes before which a disk is full. Each is
// a test with some thousand jobs; when time is short, every third is enough.
func writesUpTo(n int32) (writes []int32) {
	step := int32(1)
	if testing.Short() {
		step = 3
	}
	for w := int32(0); w < n; w += step {
		writes = append(writes, w)
	}
	return writes
}

// abandoned: nothing is left of a batch that was refused.
func abandoned(t *testing.T, e *Engine) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		for _, n := range jobsIn(c, e) {
			assert.Zero(c, n)
		}
		n, err := e.batches.Count(context.Background(), "")
		require.NoError(c, err)
		assert.Zero(c, n)
	}, time.Minute, 20*time.Millisecond)
	a, err := e.Audit(t.Context())
	require.NoError(t, err)
	assert.True(t, a.Consistent, a.Breaches)
}

// A batch for which the disk has no room is refused. What was written of it is deleted as
// soon as there is room, without a new start.
func TestABatchThatADiskIsTooSmallForIsAbandoned(t *testing.T) {
	t.Parallel()
	for name, reserve := range map[string]int64{"refused": 1, "stalled": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := disktest.Small(t, 96)
			var rounds atomic.Int32
			fill := make(chan func(), 1)
			e := openIdle(t, Config{
				Dir: filepath.Join(disk, "data"), Reserve: reserve, Log: slog.New(slog.DiscardHandler), Limits: Limits{Slots: 2},
				Faults: Faults{Ledger: ledger.Faults{Send: func(_ uint64, send func() (uint64, error)) (uint64, error) {
					if rounds.Add(1) == 4 {
						fill <- disktest.Fill(t, disk)
					}
					return send()
				}}},
			})
			rounds.Store(0)
			_, err := e.SubmitBatch(t.Context(), many(5000))
			require.Error(t, err)
			assert.Contains(t, []string{"disk_full", "store_stalled"}, Code(err))
			assert.GreaterOrEqual(t, rounds.Load(), int32(4), "some were written")
			(<-fill)()
			abandoned(t, e)
		})
	}
}

// Wherever the writes of a batch begin to be refused, all of it is there or none of it
// runs.
func TestABatchThatIsRefusedHalfWayIsAbandoned(t *testing.T) {
	t.Parallel()
	for _, refused := range writesUpTo(10) {
		t.Run(fmt.Sprint("write_", refused), func(t *testing.T) {
			t.Parallel()
			disk := &fullDisk{takes: refused}
			e := openIdle(t, Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Limits: Limits{Slots: 2}, Faults: disk.faults()})
			disk.full.Store(true)
			b, err := e.SubmitBatch(t.Context(), many(1200))
			disk.full.Store(false)
			if err != nil {
				assert.Equal(t, "disk_full", Code(err))
				abandoned(t, e)
				return
			}
			b, err = e.Batch(t.Context(), b.ID)
			require.NoError(t, err)
			assert.Equal(t, 1200, b.Jobs)
			assert.Equal(t, 1200, live(b.Phases))
		})
	}
}

// A bulk whose disk refuses writes says that it waits for it, and goes on once it can.
func TestABulkWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	for _, refused := range writesUpTo(6) {
		t.Run(fmt.Sprint("write_", refused), func(t *testing.T) {
			t.Parallel()
			disk := &fullDisk{takes: refused}
			e := openIdle(t, Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Limits: Limits{Slots: 2}, Faults: disk.faults()})
			for range 4 {
				_, err := e.SubmitBatch(t.Context(), many(400))
				require.NoError(t, err)
			}
			disk.full.Store(true)
			b, err := e.StartBulk(t.Context(), "stop", Filter{}, false)
			if err != nil {
				assert.Equal(t, "disk_full", Code(err))
				disk.full.Store(false)
				n, err := e.bulks.Count(t.Context(), BulkRunning)
				require.NoError(t, err)
				assert.Zero(t, n)
				return
			}
			require.Eventually(t, func() bool {
				now, err := e.Bulk(t.Context(), b.ID)
				return err == nil && (now.Waiting != nil && now.Waiting.On == waitsForDisk || !now.Open())
			}, time.Minute, time.Millisecond)
			disk.full.Store(false)
			var now Bulk
			require.Eventually(t, func() bool {
				now, err = e.Bulk(t.Context(), b.ID)
				return err == nil && !now.Open()
			}, time.Minute, time.Millisecond)
			assert.Equal(t, BulkCompleted, now.State)
			assert.NotNil(t, now.Ended)
			assert.Equal(t, []int{1600, 1600, 0, 0}, []int{now.Jobs, now.Done, now.Skipped, now.Failed}, now)
			require.Eventually(t, func() bool { return jobsIn(t, e)[job.Stopped] == 1600 }, time.Minute, time.Millisecond)
		})
	}
}

// A submit of which it is not known whether it will be kept makes one job, however soon
// it is repeated under its idempotency key.
func TestAnUnclearSubmitThatIsRepeatedMakesOneJob(t *testing.T) {
	t.Parallel()
	disk := disktest.Small(t, 64)
	e := openIdle(t, Config{Dir: filepath.Join(disk, "data"), Reserve: -1, Log: slog.New(slog.DiscardHandler), Limits: Limits{Slots: 1}})
	req := many(1).Jobs[0].Request
	submit := func(n int) error {
		req.Key = fmt.Sprint("key-", n)
		_, err := e.Submit(t.Context(), req)
		return err
	}
	require.NoError(t, submit(0))
	empty := disktest.Fill(t, disk)
	n, err := 0, error(nil)
	for ; err == nil && n < 9000; n++ { // until what the log has allocated is used up
		err = submit(n)
	}
	require.ErrorIs(t, err, ledger.ErrUnclear)
	empty()
	deadline := time.Now().Add(time.Minute)
	for err = submit(n - 1); err != nil; err = submit(n - 1) {
		require.True(t, stalled(err), "%v", err)
		require.True(t, time.Now().Before(deadline))
	}
	found, err := e.jobs.CountQuery(t.Context(), ledger.Query{Terms: []string{requestTerm(DefaultTenant, req.Key)}})
	require.NoError(t, err)
	assert.Equal(t, 1, found)
}

// A start looks at all that the last process left half done, however much that is.
func TestAStartEndsAllThatWasHalfDone(t *testing.T) {
	t.Parallel()
	const n = 2*MaxPage + 50
	dir, ctx := t.TempDir(), t.Context()
	l, err := ledger.Open(ctx, ledger.Config{Dir: dir})
	require.NoError(t, err)
	jobs, err := ledger.OpenStore(ctx, l, "jobs", JobStore())
	require.NoError(t, err)
	batches, err := ledger.OpenStore(ctx, l, "batches", batchStore())
	require.NoError(t, err)
	bulks, err := ledger.OpenStore(ctx, l, "bulks", bulkStore())
	require.NoError(t, err)
	ids := NewIDs(time.Now)
	for done := 0; done < n; {
		err := l.Atomically(ctx, func(tx *ledger.Tx) error {
			for range min(n-done, 150) {
				b := batchRecord{ID: ids(), Tenant: DefaultTenant, Created: time.Now()}
				r := job.Record{
					ID: ids(), Tenant: DefaultTenant, Desired: job.WantRun, Phase: job.Pending, Created: time.Now(),
					Spec: job.Spec{Routine: "p/wait", Digest: "d", Version: "1.0.0", Batch: b.ID},
				}
				if err := errors.Join(batches.Add(tx, b.ID, b), jobs.Add(tx, r.ID, r)); err != nil {
					return err
				}
				if done++; done%(n/MaxBulks) == 0 {
					bulk := Bulk{ID: ids(), Action: "stop", State: BulkRunning, Created: time.Now()}
					if err := bulks.Add(tx, bulk.ID, bulkRecord{Bulk: bulk}); err != nil {
						return err
					}
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
	require.NoError(t, l.Close(ctx))

	e := openIdle(t, Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	for p, n := range jobsIn(t, e) {
		assert.Zero(t, n, p)
	}
	left, err := e.batches.Count(ctx, termUnwritten)
	require.NoError(t, err)
	assert.Zero(t, left)
	require.Eventually(t, func() bool {
		left, err := e.bulks.Count(ctx, BulkCompleted)
		return err == nil && left == n/(n/MaxBulks) && e.openBulks() == 0
	}, time.Minute, time.Millisecond)
}

// A bulk that was to stop when the process ended changes nothing in the next, and counts
// what the last one had changed.
func TestABulkThatWasToStopIsStoppedAtTheStart(t *testing.T) {
	t.Parallel()
	for _, action := range BulkActions {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			dir, ctx := t.TempDir(), t.Context()
			e := openIdle(t, Config{Dir: dir, Log: slog.New(slog.DiscardHandler), Limits: Limits{Slots: 1}})
			lot, err := e.SubmitBatch(ctx, many(6))
			require.NoError(t, err)
			page, err := e.Jobs(ctx, Filter{Batch: lot.ID})
			require.NoError(t, err)
			b := Bulk{ID: e.ids.next(), Action: action, State: BulkStopping, Created: time.Now(), Jobs: 6, Done: 1}
			r := bulkRecord{Bulk: b, Cursor: "p1"}
			for i, j := range page.Jobs {
				r.Chunk = append(r.Chunk, j.ID)
				if action == "delete" || action == "retry" || action == "stop" && i < 2 {
					_, err = e.Stop(ctx, j.ID)
					require.NoError(t, err)
				}
				if action == "resume" || action == "unpin" {
					_, err = e.Pause(ctx, j.ID)
					require.NoError(t, err)
					_, err = e.Pin(ctx, j.ID, true)
					require.NoError(t, err)
				}
			}
			if action == "delete" || action == "retry" {
				require.Eventually(t, func() bool { return jobsIn(t, e)[job.Stopped] == 6 }, time.Minute, time.Millisecond)
			}
			for _, id := range r.Chunk[:2] {
				_ = e.act(ctx, b, id) // those that are stopped already say so
			}
			_, err = e.bulks.Create(ctx, b.ID, r)
			require.NoError(t, err)
			e.Crash()

			e = openIdle(t, Config{Dir: dir, Log: slog.New(slog.DiscardHandler), Limits: Limits{Slots: 1}})
			require.Eventually(t, func() bool { b, err = e.Bulk(ctx, b.ID); return err == nil && !b.Open() }, time.Minute, time.Millisecond)
			assert.Equal(t, []any{BulkStopped, 3, 0}, []any{b.State, b.Done, b.Skipped})
		})
	}
}
