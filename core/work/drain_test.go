package work_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/work"
)

// oneJob is a Store of one job. It passes each change on to the pool.
type oneJob struct {
	pool   *work.Pool
	mu     sync.Mutex // guards record
	record job.Record
}

func (o *oneJob) Get(context.Context, string) (ledger.Entry[job.Record], error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return ledger.Entry[job.Record]{Key: o.record.ID, Value: o.record}, nil
}

func (o *oneJob) Modify(_ context.Context, _ string, change func(*job.Record) (*job.Record, error)) (ledger.Entry[job.Record], error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	next, err := change(&o.record)
	if err == nil {
		o.record = *next
		o.pool.Observe(o.record, false)
	}
	return ledger.Entry[job.Record]{Key: o.record.ID, Value: o.record}, err
}

// patient is a Runner whose guests run until they are told to end.
type patient struct{}

func (patient) Run(ctx context.Context, c work.Call) (work.Report, error) {
	for {
		if err := c.Host.Gate(ctx); err != nil {
			return work.Report{}, err
		}
		select {
		case <-ctx.Done():
			return work.Report{}, context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// A job whose grant is on its way to its guest when the server shuts down is handed
// back like one that runs: at once where it is paused, and else when the time is up.
func TestAGrantOnItsWayIsDrained(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	for name, c := range map[string]struct {
		paused bool
		drain  time.Duration
		within time.Duration
	}{
		"at_once":          {false, 0, time.Second},
		"when_time_is_up":  {false, hour, hour + time.Second},
		"paused_afterward": {true, hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				taken := make(chan struct{})
				o := &oneJob{record: job.Record{ID: "a", Spec: job.Spec{Routine: "test/patient", Limits: job.Limits{WallSeconds: 1e6}}, Desired: job.WantRun, Phase: job.Pending}}
				o.pool = work.NewPool(work.Config{
					Store: o, Runner: patient{}, News: mute{}, Log: slog.New(slog.DiscardHandler),
					Claim: func(string) bool { <-taken; return true }, Settle: func(string) {},
				})
				o.pool.Grant("a")
				ctx, cancel := context.WithTimeout(t.Context(), c.drain)
				defer cancel()
				began, drained := time.Now(), make(chan struct{})
				go func() { o.pool.Drain(ctx); close(drained) }()
				synctest.Wait() // it has looked at those that were there
				close(taken)
				if c.paused {
					time.Sleep(10 * time.Second)
					_, _ = o.Modify(ctx, "a", func(r *job.Record) (*job.Record, error) {
						changed, err := job.Apply(*r, job.Pause{})
						return &changed, err
					})
				}
				<-drained
				assert.LessOrEqual(t, time.Since(began), c.within)
				assert.Contains(t, []job.Phase{job.Pending, job.Paused}, o.record.Phase)
				assert.Nil(t, o.record.Lease)
			})
		})
	}
}
