package core

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/work"
)

// gated is a registry whose submits can be halted: a batch stands still while it is
// being written. It counts the guests that it starts.
type gated struct {
	*fixed
	started atomic.Int32
	submits atomic.Int32
	halt    atomic.Int32  // at which submit; 0: at none
	stands  chan struct{} // receives once it stands
	on      chan struct{} // receives: it goes on
}

func newGated() *gated {
	return &gated{fixed: &fixed{Plugins: idle{}}, stands: make(chan struct{}), on: make(chan struct{})}
}

func (g *gated) Run(ctx context.Context, c work.Call) (work.Report, error) {
	g.started.Add(1)
	for {
		if err := c.Host.Gate(ctx); err != nil { // it can be paused
			return work.Report{}, err
		}
		select {
		case <-ctx.Done():
			return work.Report{}, context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

func (g *gated) Hold(context.Context, string) error {
	if n := g.halt.Load(); n > 0 && g.submits.Add(1) == n {
		g.stands <- struct{}{}
		<-g.on
	}
	return nil
}

func openGated(t *testing.T, dir string, g *gated, faults Faults) *Engine {
	t.Helper()
	e, err := Open(t.Context(), Config{Dir: dir, Log: slog.New(slog.DiscardHandler), Limits: Limits{Slots: 2}, Faults: faults}, g)
	require.NoError(t, err)
	t.Cleanup(e.Crash)
	return e
}

// halfWritten is an engine with a batch of n jobs, of which the first two parts are
// written. It goes on when goOn is called, which returns what the submit returns.
func halfWritten(t *testing.T, n int) (e *Engine, g *gated, goOn func() (Batch, error)) {
	t.Helper()
	require.GreaterOrEqual(t, n, 2*ledger.MaxWrites, "two parts are written before it halts")
	g = newGated()
	e = openGated(t, t.TempDir(), g, Faults{})
	answered := make(chan error, 1)
	var b Batch
	g.halt.Store(2 * ledger.MaxWrites)
	go func() {
		var err error
		b, err = e.SubmitBatch(context.Background(), many(n))
		answered <- err
	}()
	<-g.stands
	return e, g, func() (Batch, error) {
		g.on <- struct{}{}
		err := <-answered
		return b, err
	}
}

// onlyBatch is the one batch that there is.
func onlyBatch(t *testing.T, e *Engine) Batch {
	t.Helper()
	page, err := e.Batches(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, page.Batches, 1)
	return page.Batches[0]
}

// Until a batch is whole no job of it runs, and it says how far it is; then all of it
// runs.
func TestABatchThatIsExpandingDoesNotRun(t *testing.T) {
	t.Parallel()
	e, g, goOn := halfWritten(t, 1200)
	b := onlyBatch(t, e)
	assert.Equal(t, BatchExpanding, b.State)
	assert.Equal(t, 1200, b.Jobs, "all that it is going to have")
	assert.Equal(t, 2*(ledger.MaxWrites-1), b.Written)
	assert.Equal(t, b.Written, b.Phases[job.Pending])
	assert.False(t, b.Done)

	page, err := e.Jobs(t.Context(), Filter{Batch: b.ID, Limit: 1})
	require.NoError(t, err)
	require.NotNil(t, page.Jobs[0].Waiting)
	assert.Equal(t, "batch "+b.ID, page.Jobs[0].Waiting.On)
	other := running(t, e) // which would not start before those that were submitted first
	assert.Equal(t, int32(1), g.started.Load(), "but job %s", other.ID)

	first := page.Jobs[0].ID
	_, err = e.Submit(t.Context(), Request{Routine: "p/wait", After: []string{first}})
	assert.ErrorContains(t, err, "after: job "+first+" is of batch "+b.ID+", which is expanding")
	_, err = e.Stop(t.Context(), first)
	require.NoError(t, err)
	_, err = e.Retry(t.Context(), first, false)
	assert.Equal(t, "batch_expanding", Code(err))

	b, err = goOn()
	require.NoError(t, err)
	assert.Equal(t, BatchRunning, b.State)
	assert.Equal(t, 1200, b.Jobs)
	assert.Zero(t, b.Written)
	require.Eventually(t, func() bool { return onlyBatch(t, e).Phases[job.Running] == 1 }, 2*time.Minute, 10*time.Millisecond)
	a, err := e.Audit(t.Context())
	require.NoError(t, err)
	assert.True(t, a.Consistent, a.Breaches)
}

// Wherever a crash ends the writing of a batch, the next start has none of it, or all of
// it if it was whole; and no job of it has run before.
func TestACrashRemovesABatchThatIsNotWhole(t *testing.T) {
	t.Parallel()
	for _, written := range writesUpTo(5) {
		t.Run(fmt.Sprint("after_write_", written), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			disk := &fullDisk{takes: written}
			g := newGated()
			e := openGated(t, dir, g, disk.faults())
			disk.full.Store(true)
			_, err := e.SubmitBatch(t.Context(), many(1200))
			whole := err == nil
			assert.Equal(t, written >= 3, whole)
			if !whole {
				assert.Zero(t, g.started.Load())
			}
			e.Crash()

			e = openGated(t, dir, newGated(), Faults{})
			if !whole {
				abandoned(t, e)
				return
			}
			b := onlyBatch(t, e)
			assert.Equal(t, BatchRunning, b.State)
			assert.Equal(t, 1200, b.Jobs)
		})
	}
}
