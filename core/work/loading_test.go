package work_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/work"
)

// slowToLoad is a Runner whose modules take an hour to load, and whose guests run for as
// long as the job's routine says.
type slowToLoad struct {
	loaded, released int
	fails            error // of loading
}

func (s *slowToLoad) LoadModule(ctx context.Context, digest string) (func(), error) {
	if digest != "the module" {
		return nil, errors.New("another module")
	}
	select {
	case <-time.After(time.Hour):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s.loaded++
	return func() { s.released++ }, s.fails
}

func (s *slowToLoad) Run(ctx context.Context, c work.Call) (work.Report, error) {
	takes, err := time.ParseDuration(c.Routine)
	if err != nil || s.loaded != s.released+1 {
		return work.Report{}, errors.New("not loaded")
	}
	select {
	case <-time.After(takes):
		return work.Report{Result: json.RawMessage(`{}`)}, nil
	case <-ctx.Done():
		return work.Report{}, context.Cause(ctx)
	}
}

// runSlowly runs a job with a wall limit of a second whose guest takes a time, and
// returns its record.
func runSlowly(t *testing.T, s *slowToLoad, takes string) job.Record {
	t.Helper()
	store := &oneJob{record: job.Record{ID: "j", Desired: job.WantRun, Phase: job.Pending, Created: time.Now(), Spec: job.Spec{
		Routine: "test/" + takes, Digest: "the module", Params: json.RawMessage(`{}`),
		Limits: job.Limits{MemoryBytes: 1 << 20, WallSeconds: 1, OutputBytes: 1 << 20, LogBytes: 1000},
	}}}
	store.pool = work.NewPool(work.Config{
		Store: store, Runner: s, News: mute{}, Log: slog.New(slog.DiscardHandler),
		Claim: func(string) bool { return true }, Settle: func(string) {},
	})
	store.pool.Grant("j")
	store.pool.Drain(t.Context())
	return store.record
}

// A module that was evicted is loaded again, and maybe compiled, by the job that needs it
// next: that is not time that its guest ran.
func TestLoadingAModuleIsNotRunningTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s slowToLoad
		r := runSlowly(t, &s, "900ms")
		require.Equal(t, job.Completed, r.Phase, r.Outcome)
		assert.InDelta(t, 0.9, r.Outcome.Usage.WallSeconds, 1e-9)
		assert.Equal(t, 1, s.released)

		r = runSlowly(t, &s, "1100ms")
		require.Equal(t, job.Failed, r.Phase)
		assert.Equal(t, "wall_limit", r.Outcome.Error.Code, "the guest itself has its limit")
		assert.InDelta(t, 1, r.Outcome.Usage.WallSeconds, 1e-9)

		s.fails = work.ErrUnready
		r = runSlowly(t, &s, "1ms")
		assert.Equal(t, job.Pending, r.Phase, "a module that cannot be loaded is waited for")
	})
}
