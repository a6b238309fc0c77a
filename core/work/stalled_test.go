package work_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/work"
)

// heldUp is a Store that refuses changes for a while, once the job runs.
type heldUp struct {
	*oneJob
	why   error
	until time.Time
}

func (h *heldUp) Modify(ctx context.Context, id string, change func(*job.Record) (*job.Record, error)) (ledger.Entry[job.Record], error) {
	e, _ := h.Get(ctx, id)
	if e.Value.Phase == job.Running && time.Now().Before(h.until) {
		return e, h.why
	}
	return h.oneJob.Modify(ctx, id, change)
}

// brief is a Runner whose guests end after a second.
type brief struct{}

func (brief) Run(context.Context, work.Call) (work.Report, error) {
	time.Sleep(time.Second)
	return work.Report{Result: json.RawMessage(`{}`)}, nil
}

// A job that ends while the store takes no writes has ended once it takes them again, and
// one that ends where it never will is left to the next start.
func TestAnOutcomeWaitsForAStoreThatGoesOn(t *testing.T) {
	t.Parallel()
	stalled := fmt.Errorf("%w: %w", ledger.ErrDisabled, ledger.ErrStalled)
	for name, c := range map[string]struct {
		why   error
		hours time.Duration // for which the store takes none
		want  job.Phase
	}{
		"disk_full":     {ledger.ErrDiskFull, 1, job.Completed},
		"stalled":       {stalled, 1, job.Completed},
		"unclear":       {errors.Join(ledger.ErrUnclear, stalled), 1, job.Completed},
		"disabled":      {ledger.ErrDisabled, 1, job.Running},
		"shutting_down": {stalled, 1000, job.Running},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &oneJob{record: job.Record{ID: "a", Spec: job.Spec{Routine: "test/brief", Limits: job.Limits{WallSeconds: 60, OutputBytes: 1000}}, Desired: job.WantRun, Phase: job.Pending}}
				o.pool = work.NewPool(work.Config{
					Store: &heldUp{o, c.why, time.Now().Add(c.hours * time.Hour)}, Runner: brief{}, News: mute{}, Log: slog.New(slog.DiscardHandler),
					Claim: func(string) bool { return true }, Settle: func(string) {},
				})
				o.pool.Grant("a")
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
				defer cancel()
				o.pool.Drain(ctx)
				assert.Equal(t, c.want, o.record.Phase)
			})
		})
	}
}
