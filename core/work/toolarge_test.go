package work_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/work"
)

// answers is a Runner whose guests answer with 5000 bytes. Those of the routine late wait
// until they may end.
type answers struct {
	end chan struct{}
}

func (a answers) Run(ctx context.Context, c work.Call) (work.Report, error) {
	if c.Routine == "late" {
		<-a.end
	}
	return work.Report{Result: json.RawMessage(`"` + strings.Repeat("x", 5000) + `"`)}, nil
}

// mute takes no notice of what jobs say.
type mute struct{}

func (mute) Progress(string, job.Progress) {}
func (mute) Log(string, []byte)            {}

// A bound that is wrong costs the job its outputs, not the slot for ever: whether the
// guest ends with its grant or after it.
func TestAnOutcomeThatDoesNotFitFailsTheJob(t *testing.T) {
	t.Parallel()
	l, err := ledger.Open(t.Context(), ledger.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
	committed := make(chan job.Record, 10)
	jobs, err := ledger.OpenStore(t.Context(), l, "jobs", ledger.StoreConfig[job.Record]{
		MaxBytes: 2000, Observe: func(c ledger.Change[job.Record]) { committed <- c.Value },
	})
	require.NoError(t, err)
	a := answers{make(chan struct{})}
	pool := work.NewPool(work.Config{
		Store: jobs, Blobs: l.Blobs(), Runner: a, News: mute{}, Log: slog.New(slog.DiscardHandler),
		Claim: func(string) bool { return true }, Settle: func(string) {},
	})
	next := func(phase job.Phase) job.Record {
		for {
			select {
			case r := <-committed:
				pool.Observe(r, false)
				if r.Phase == phase {
					return r
				}
			case <-time.After(time.Minute):
				t.Fatalf("it never was %s", phase)
			}
		}
	}
	for _, name := range []string{"early", "late"} {
		r := job.Record{ID: name, Spec: job.Spec{Routine: "test/" + name, Params: json.RawMessage(`{}`), Limits: job.Limits{
			MemoryBytes: 1 << 20, WallSeconds: 60, OutputBytes: 1 << 20, LogBytes: 1000,
		}}, Desired: job.WantRun, Phase: job.Pending, Created: time.Now()}
		_, err := jobs.Create(t.Context(), name, r)
		require.NoError(t, err)
		pool.Grant(name)
		if name == "late" {
			next(job.Running)
			close(a.end)
		}
		failed := next(job.Failed).Outcome
		assert.Equal(t, "record_too_large", failed.Error.Code, name)
		assert.Contains(t, failed.Error.Detail, "max 2000", name)
		assert.Nil(t, failed.Result, name)
	}
	pool.Drain(t.Context())
}
