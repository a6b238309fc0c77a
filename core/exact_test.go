package core_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/work"
)

// counter is a Runner that counts its guests.
type counter struct {
	takes     time.Duration // that a guest is there
	now, most atomic.Int64
	starts    sync.Map // job → *atomic.Int64
}

func (*counter) List() []core.Plugin { return newScript().List() }

func (c *counter) Run(_ context.Context, call work.Call) (work.Report, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	count, _ := c.starts.LoadOrStore(call.Job, &atomic.Int64{})
	count.(*atomic.Int64).Add(1)
	if c.takes > 0 {
		time.Sleep(c.takes)
	}
	return work.Report{Result: json.RawMessage(`{}`)}, nil
}

// submitMany submits jobs from many clients where one may run at a time, whatever the
// slots are. The engine ends with the test.
func submitMany(t *testing.T, jobs int, takes time.Duration, faults func(**core.Engine) core.Faults) (*core.Engine, *counter) {
	c := &counter{takes: takes}
	var e *core.Engine
	// Not synced: what is counted does not depend on it, and ten thousand jobs do.
	e, err := core.Open(t.Context(), core.Config{Dir: t.TempDir(), Sync: ledger.SyncInterval, Faults: faults(&e), Limits: core.Limits{
		Slots: 64, QueueCap: jobs, PluginSlots: map[string]int{"test": 1},
	}}, c)
	require.NoError(t, err)
	t.Cleanup(e.Crash)
	var clients sync.WaitGroup
	for range 64 {
		clients.Go(func() {
			for range jobs / 64 {
				_, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", Cache: "off"})
				assert.NoError(t, err)
			}
		})
	}
	clients.Wait()
	return e, c
}

func eventuallyWithin(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, d, 5*time.Millisecond, what)
}

func noFaults(**core.Engine) core.Faults { return core.Faults{} }

// 64 slots, a limit of 1, ten thousand jobs: never two at once, and each once.
func TestALimitOfOneIsNeverTwo(t *testing.T) {
	t.Parallel()
	jobs := 64 * 157
	if testing.Short() {
		jobs = 64 * 16
	}
	e, c := submitMany(t, jobs, 0, noFaults)
	eventuallyWithin(t, 10*time.Minute, "all end", func() bool {
		s := stats(t, e)
		return s.Running == 0 && s.Waiting == 0
	})
	consistent(t, e)
	assert.EqualValues(t, 1, c.most.Load())
	started := 0
	c.starts.Range(func(id, count any) bool {
		started++
		return assert.EqualValues(t, 1, count.(*atomic.Int64).Load(), id)
	})
	assert.Equal(t, jobs, started)
}

// The count can find what it is for. That the jobs end is not asked: two guests of one
// job, which claims are there to prevent, may leave its record running.
func TestASlotThatIsGrantedTwiceIsCounted(t *testing.T) {
	t.Parallel()
	_, c := submitMany(t, 640, 2*time.Millisecond, func(e **core.Engine) core.Faults {
		return core.Faults{Claim: anyone, Grant: func(id string, grant func(string)) {
			page, _ := (*e).Jobs(context.Background(), core.Filter{Phase: job.Pending, Limit: 2})
			for _, j := range page.Jobs {
				if j.ID != id {
					grant(j.ID)
				}
			}
			grant(id)
		}}
	})
	eventuallyWithin(t, 2*time.Minute, "two at once", func() bool { return c.most.Load() > 1 })
}

// anyone claims a grant.
func anyone(string) bool { return true }

// puppets is a Runner whose guests end when they are told to.
type puppets struct {
	mu     sync.Mutex
	ending map[string]chan struct{}
}

func (*puppets) List() []core.Plugin { return newScript().List() }

func (p *puppets) Run(ctx context.Context, c work.Call) (work.Report, error) {
	end := make(chan struct{})
	p.mu.Lock()
	p.ending[c.Job] = end
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		if p.ending[c.Job] == end {
			delete(p.ending, c.Job)
		}
		p.mu.Unlock()
	}()
	for {
		if err := c.Host.Gate(ctx); err != nil {
			return work.Report{}, err
		}
		select {
		case <-end:
			return work.Report{}, nil
		case <-ctx.Done():
			return work.Report{}, context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// end lets some guests end; all of them if n is negative.
func (p *puppets) end(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, end := range p.ending {
		if n == 0 {
			return
		}
		n--
		close(end)
		delete(p.ending, id)
	}
}

// checks sets how many sequences rapid tries, unless the command line says it.
func checks(n int) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = flag.Set("rapid.checks", fmt.Sprint(n)) // it is a number
	}
}

// In any sequence of submits, pauses, stops, deletes, ends, changes of the limits
// and crashes, whatever state the jobs are in: what is in use is what runs, no more
// runs than may, and in the end every job has ended and every slot is free.
func TestInUseIsWhatRunsWhateverHappens(t *testing.T) {
	checks(12)
	if testing.Short() {
		checks(2)
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir, p := t.TempDir(), &puppets{ending: map[string]chan struct{}{}}
		slots := 2
		reopen := func() *core.Engine {
			e, err := core.Open(t.Context(), core.Config{Dir: dir, Sync: ledger.SyncInterval, Limits: core.Limits{Slots: slots}}, p)
			require.NoError(rt, err)
			return e
		}
		e := reopen()
		defer func() { e.Crash() }()
		var ids []string
		most := slots // that may run: those that run are let run where the limits shrink
		some := func(rt *rapid.T) string {
			if len(ids) == 0 {
				return "none"
			}
			return rapid.SampledFrom(ids).Draw(rt, "job")
		}
		ask := func(do func(context.Context, string) (core.Job, error)) func(*rapid.T) {
			return func(rt *rapid.T) { _, _ = do(t.Context(), some(rt)) } // it may be illegal
		}
		rt.Repeat(map[string]func(*rapid.T){
			"submit": func(rt *rapid.T) {
				req := core.Request{Routine: "test/wait", Cache: rapid.SampledFrom([]string{"on", "off"}).Draw(rt, "cache"),
					Priority: rapid.SampledFrom([]string{"low", "normal", "high"}).Draw(rt, "priority"),
					Tenant:   rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "tenant")}
				if rapid.Bool().Draw(rt, "locked") {
					req.Locks = []job.Lock{{Name: "l"}}
				}
				if rapid.Bool().Draw(rt, "after") {
					req.After = []string{some(rt)}
				}
				if j, err := e.Submit(t.Context(), req); err == nil {
					ids = append(ids, j.ID)
				}
			},
			"pause":  ask(func(ctx context.Context, id string) (core.Job, error) { return e.Pause(ctx, id) }),
			"resume": ask(func(ctx context.Context, id string) (core.Job, error) { return e.Resume(ctx, id) }),
			"stop":   ask(func(ctx context.Context, id string) (core.Job, error) { return e.Stop(ctx, id) }),
			"retry": func(rt *rapid.T) {
				if j, err := e.Retry(t.Context(), some(rt), false); err == nil {
					ids = append(ids, j.ID)
				}
			},
			"delete": func(rt *rapid.T) { _ = e.Delete(t.Context(), some(rt)) }, // it may be illegal
			"end":    func(rt *rapid.T) { p.end(rapid.IntRange(1, 3).Draw(rt, "guests")) },
			"limits": func(rt *rapid.T) {
				slots = rapid.IntRange(1, 4).Draw(rt, "slots")
				_, err := e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) {
					l.Slots = slots
					l.TenantSlots = map[string]int{"a": rapid.IntRange(1, 3).Draw(rt, "of a")}
					return l, nil
				})
				require.NoError(rt, err)
				most = max(most, slots)
			},
			"crash": func(*rapid.T) {
				e.Crash()
				most = slots
				e = reopen()
			},
			"": func(rt *rapid.T) {
				a, err := e.Audit(t.Context())
				require.NoError(rt, err)
				require.True(rt, a.Consistent, a.Breaches)
				require.LessOrEqual(rt, stats(t, e).Running, most)
			},
		})
		everythingEnds(rt, t, e, p, ids)
	})
}

// everythingEnds lets everything go on: nobody has starved and no slot is lost.
func everythingEnds(rt *rapid.T, t *testing.T, e *core.Engine, p *puppets, ids []string) {
	deadline := time.Now().Add(5 * time.Minute)
	left := slices.Clone(ids)
	for len(left) > 0 {
		if time.Now().After(deadline) {
			j, err := e.Job(t.Context(), left[0])
			rt.Fatalf("%d jobs do not end, such as %+v waiting on %+v, %v", len(left), j.Record, j.Waiting, err)
		}
		left = slices.DeleteFunc(left, func(id string) bool {
			j, err := e.Job(t.Context(), id)
			if err == nil && j.Phase == job.Paused {
				_, _ = e.Resume(t.Context(), id) // it may have been stopped
			}
			return core.Code(err) == "not_found" || err == nil && j.Phase.Final()
		})
		p.end(-1)
	}
	for s := stats(t, e); s.Running+s.Waiting > 0; s = stats(t, e) {
		if time.Now().After(deadline) {
			rt.Fatalf("every job has ended, and %d hold a slot and %d wait", s.Running, s.Waiting)
		}
	}
}
