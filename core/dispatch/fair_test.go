package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"thresher/core/dispatch"
	"thresher/core/job"
)

// floor is a dispatcher with workers that take as long over a job as its tenant's
// jobs take. It lives in a bubble, whose clock is simulated.
type floor struct {
	d       *dispatch.Dispatcher
	lengths map[string]time.Duration // by tenant

	// seam passes a grant on to a worker, which deliver does; if nil it is passed on.
	seam func(id string, deliver func(id string))

	mu      sync.Mutex          // guards the rest
	done    func(tenant string) // a job has ended; may be nil
	records map[string]job.Record
	started []string
	used    map[string]time.Duration // slot-seconds by tenant
	last    int
}

// onFloor runs a test with so many slots and then lets every job end.
func onFloor(t *testing.T, slots int, lengths map[string]time.Duration, test func(f *floor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &floor{lengths: lengths, records: map[string]job.Record{}, used: map[string]time.Duration{}}
		f.d = dispatch.New(limits(slots, 10_000), "node", f, f.lookUp, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); f.d.Run(ctx) }()
		test(f)
		cancel()
		<-ended
		rest(24 * time.Hour) // the workers go home
	})
}

// lookUp is a dispatch.LookUp. It takes the dispatcher's lock: where the dispatcher holds
// it already, that panics.
func (f *floor) lookUp(id string) (job.Record, bool, error) {
	f.d.Counts()
	r := f.record(id)
	return r, r.ID != "", nil
}

func (f *floor) record(id string) job.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.records[id]
}

func (f *floor) observe(r job.Record) {
	f.mu.Lock()
	f.records[r.ID] = r
	f.mu.Unlock()
	f.d.Observe(r, false)
}

// submit adds a job of a tenant and returns its id.
func (f *floor) submit(tenant string) string {
	f.mu.Lock()
	f.last++
	id := fmt.Sprintf("%06d", f.last)
	f.mu.Unlock()
	f.observe(job.Record{ID: id, Tenant: tenant, Phase: job.Pending, Desired: job.WantRun, Created: time.Now(), Spec: job.Spec{Routine: "p/r"}})
	return id
}

// Grant implements dispatch.Actions: the job runs, and ends.
func (f *floor) Grant(id string) {
	if f.seam != nil {
		f.seam(id, f.work)
		return
	}
	f.work(id)
}

func (f *floor) work(id string) {
	go func() {
		if !f.d.Claim(id) {
			return
		}
		r := f.record(id)
		f.mu.Lock()
		f.started = append(f.started, id)
		f.mu.Unlock()
		r.Phase, r.Lease = job.Running, &job.Lease{}
		f.observe(r)
		f.d.Settle(id)
		began := time.Now()
		time.Sleep(f.lengths[r.Tenant])
		now := time.Now()
		r.Phase, r.Lease, r.Ended, r.Outcome = job.Completed, nil, &now, &job.Outcome{}
		f.mu.Lock()
		f.used[r.Tenant] += now.Sub(began)
		done := f.done
		f.mu.Unlock()
		if done != nil {
			done(r.Tenant)
		}
		f.observe(r)
	}()
}

// starts returns the jobs that were started, in order.
func (f *floor) starts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.started)
}

// End implements dispatch.Actions.
func (f *floor) End(context.Context, string, dispatch.Ending) error { return nil }

// A tenant floods the queue with a thousand jobs of 30 s. The one job of another
// tenant starts on the next slot that comes free.
func TestAFloodDoesNotHoldUpOneJobOfAnother(t *testing.T) {
	t.Parallel()
	onFloor(t, 4, map[string]time.Duration{"a": 30 * time.Second, "b": time.Second}, func(f *floor) {
		for range 1000 {
			f.submit("a")
		}
		rest(45 * time.Second) // in the midst of the second four
		before := len(f.starts())
		assert.Equal(t, 8, before)
		b := f.submit("b")
		rest(10 * time.Second)
		assert.Len(t, f.starts(), before, "no slot is free")
		rest(10 * time.Second)
		assert.Contains(t, f.starts()[before:], b, "one has come free")
		rest(10 * time.Hour)
		assert.Len(t, f.starts(), 1001, "everyone's turn comes, once")
	})
}

// Two tenants of equal weight that always have jobs waiting get half of the
// slot-seconds each, whatever their jobs' lengths.
func TestTenantsShareSlotSecondsWhateverTheirJobsLengths(t *testing.T) {
	t.Parallel()
	while := time.Hour
	if testing.Short() {
		while = 15 * time.Minute
	}
	for _, slots := range []int{1, 2, 4} {
		for _, long := range []time.Duration{2 * time.Second, 17 * time.Second} {
			onFloor(t, slots, map[string]time.Duration{"short": 300 * time.Millisecond, "long": long}, func(f *floor) {
				f.done = func(tenant string) { f.submit(tenant) }
				for range 3 * slots {
					f.submit("short")
					f.submit("long")
				}
				rest(while)
				f.mu.Lock()
				f.done = nil
				share := f.used["short"].Seconds() / (f.used["short"] + f.used["long"]).Seconds()
				f.mu.Unlock()
				assert.InDelta(t, 0.5, share, 0.05, "%d slots, jobs of %v", slots, long)
			})
		}
	}
}

// No lease runs out by time: a job of two hours starts once.
func TestALongJobStartsOnce(t *testing.T) {
	t.Parallel()
	onFloor(t, 2, map[string]time.Duration{"a": 2 * time.Hour}, func(f *floor) {
		id := f.submit("a")
		for range 3 * 60 {
			rest(time.Minute)
			assert.Equal(t, []string{id}, f.starts())
		}
		r := f.record(id)
		assert.Equal(t, job.Completed, r.Phase)
	})
}
