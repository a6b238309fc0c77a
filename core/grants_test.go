package core_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
)

// seam passes grants on from the dispatcher to the workers as a bad network would:
// it loses some, repeats some, and holds some back until later ones have passed.
type seam struct {
	mu     sync.Mutex
	chance *rand.Rand
	held   []string
	lost   int
	pass   func(id string)
}

func (s *seam) grant(id string, pass func(id string)) {
	s.mu.Lock()
	s.pass = pass
	times, kind := 1, s.chance.IntN(5)
	switch kind {
	case 0:
		s.lost++
		times = 0
	case 1:
		times = 2
	case 2:
		s.held = append(s.held, id)
		times = 0
	}
	var late []string
	if kind == 3 {
		s.chance.Shuffle(len(s.held), func(i, j int) { s.held[i], s.held[j] = s.held[j], s.held[i] })
		late, s.held = s.held[len(s.held)/2:], s.held[:len(s.held)/2]
	}
	s.mu.Unlock()
	for range times {
		pass(id)
	}
	for _, id := range late {
		pass(id)
	}
}

// release passes on all that was held back, twice.
func (s *seam) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range append(s.held, s.held...) {
		s.pass(id)
	}
}

// The record of a job is the truth, and a grant only a hint: however grants get lost,
// come twice or in another order, while jobs are paused, resumed and stopped, every
// job runs once and has one outcome, no slot is lost, and the audit finds nothing.
func TestEveryJobRunsOnceWhateverBecomesOfGrants(t *testing.T) {
	t.Parallel()
	const jobs, slots = 160, 16
	const stopped, paused = 1, 2 // of each eight
	s := &seam{chance: rand.New(rand.NewPCG(1, 2))}
	c := &counter{}
	e, err := core.Open(t.Context(), core.Config{
		Dir: t.TempDir(), Sync: ledger.SyncInterval, Limits: core.Limits{Slots: slots}, Faults: core.Faults{Grant: s.grant},
	}, c)
	require.NoError(t, err)
	t.Cleanup(e.Crash)
	var ids []string
	for n := range jobs {
		j, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", Cache: "off"})
		require.NoError(t, err)
		ids = append(ids, j.ID)
		switch n % 8 {
		case stopped:
			_, _ = e.Stop(t.Context(), j.ID) // it may have ended
		case paused:
			_, _ = e.Pause(t.Context(), j.ID)
			_, _ = e.Resume(t.Context(), j.ID)
		}
	}
	eventuallyWithin(t, 5*time.Minute, "all end", func() bool {
		a, err := e.Audit(t.Context())
		assert.True(t, err != nil && core.Code(err) == "in_use" || a.Consistent, "%v %v", a.Breaches, err)
		st := stats(t, e)
		return st.Running == 0 && st.Waiting == 0
	})
	s.release()
	e.Drain() // what was released has been refused
	for n, id := range ids {
		j, err := e.Job(t.Context(), id)
		require.NoError(t, err)
		runs := int64(0)
		if n, ran := c.starts.Load(id); ran {
			runs = n.(*atomic.Int64).Load()
		}
		switch {
		case j.Phase == job.Stopped:
			assert.LessOrEqual(t, runs, int64(1), id)
		case n%8 == paused: // a pause before its grant was written ended a guest that left nothing
			assert.Contains(t, []int64{1, 2}, runs, id)
		default:
			assert.EqualValues(t, 1, runs, id)
		}
		assert.True(t, j.Phase == job.Stopped || j.Phase == job.Completed && j.Attempt == 1, "%s is %s after %d attempts", id, j.Phase, j.Attempt)
	}
	assert.LessOrEqual(t, c.most.Load(), int64(slots))
	assert.Zero(t, c.now.Load())
	assert.Greater(t, s.lost, jobs/20)
	consistent(t, e)
}

// Without claims, grants that come twice run a job twice: the test above can find it.
func TestWithoutClaimsARepeatedGrantRunsAJobTwice(t *testing.T) {
	t.Parallel()
	c := &counter{}
	e, err := core.Open(t.Context(), core.Config{Dir: t.TempDir(), Sync: ledger.SyncInterval, Faults: core.Faults{
		Claim: anyone,
		Grant: func(id string, pass func(string)) { pass(id); pass(id) },
	}}, c)
	require.NoError(t, err)
	t.Cleanup(e.Crash)
	eventually(t, "one runs twice", func() bool {
		j, err := e.Submit(context.Background(), core.Request{Routine: "test/quick", Cache: "off"})
		if !assert.NoError(t, err) {
			return true
		}
		n, ran := c.starts.Load(j.ID)
		return ran && n.(*atomic.Int64).Load() > 1
	})
}
