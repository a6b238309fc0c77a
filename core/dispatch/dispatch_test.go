package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/dispatch"
	"thresher/core/job"
	"thresher/core/limit"
)

// world is a dispatcher and the records that it is told of. It lives in a bubble:
// what it shows is looked at once the dispatcher has come to rest.
type world struct {
	t       *testing.T
	d       *dispatch.Dispatcher
	mu      sync.Mutex // guards writes of what follows, where the dispatcher works meanwhile
	records map[string]job.Record
	granted []string
	ended   []string // "ID: why"
	refuse  int      // endings that cannot be written
	onEnd   func()   // called while one is carried out; may be nil

	gone     bool // endings find no outcome
	finished int  // how many of those granted have ended
	failed   int  // likewise, of those to be ended

	looked []string              // ids that were looked up
	onLook func(id string) error // called once one has been read; may be nil
}

// inWorld runs a test with a dispatcher of so many slots.
func inWorld(t *testing.T, slots int, test func(w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, records: map[string]job.Record{}}
		w.d = dispatch.New(limits(slots, 100), "node", w, w.lookUp, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.d.Run(ctx) }()
		test(w)
		cancel()
		<-done
	})
}

func limits(slots, queue int) dispatch.Limits {
	return dispatch.Limits{Limits: limit.Limits{Slots: slots, MemoryBytes: 1 << 40}, QueueCap: queue}
}

// lookUp is a dispatch.LookUp. It takes the dispatcher's lock: where the dispatcher holds
// it already, that panics.
func (w *world) lookUp(id string) (r job.Record, found bool, err error) {
	w.d.Counts()
	w.mu.Lock()
	w.looked = append(w.looked, id)
	r, found = w.records[id]
	w.mu.Unlock()
	if w.onLook != nil {
		err = w.onLook(id)
	}
	return r, found, err
}

// Grant implements dispatch.Actions.
func (w *world) Grant(id string) {
	if !w.d.Claim(id) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.d.Holds(w.records[id].Spec.Batch) {
		go w.d.Settle(id)
		return
	}
	w.granted = append(w.granted, id)
}

// End implements dispatch.Actions.
func (w *world) End(_ context.Context, id string, how dispatch.Ending) error {
	if w.onEnd != nil {
		w.onEnd()
	}
	if w.refuse > 0 {
		w.refuse--
		return errors.New("the disk is full")
	}
	if w.gone {
		return fmt.Errorf("job %s: %w", id, dispatch.ErrOutcomeGone)
	}
	why := "as " + how.Leader
	if how.Failure != nil {
		why = how.Failure.Code + ": " + how.Failure.Detail
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, id+": "+why)
	return nil
}

// rest lets the bubble's time pass: its timers fire.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// submit adds a pending job; change may give it what it needs.
func (w *world) submit(id string, change ...func(*job.Record)) {
	r := job.Record{ID: id, Tenant: "t", Phase: job.Pending, Desired: job.WantRun, Created: time.Now(), Spec: job.Spec{Routine: "p/r"}}
	for _, c := range change {
		c(&r)
	}
	w.observe(r)
}

// set writes a record.
func (w *world) set(r job.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records[r.ID] = r
}

func (w *world) unset(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.records, id)
}

func (w *world) observe(r job.Record) {
	w.set(r)
	w.d.Observe(r, false)
	synctest.Wait()
}

// run writes a grant, as a worker does.
func (w *world) run(id string) {
	r := w.records[id]
	r.Phase, r.Lease = job.Running, &job.Lease{}
	w.observe(r)
	w.settle(id)
}

func (w *world) settle(id string) {
	w.d.Settle(id)
	synctest.Wait()
}

// end writes a job's end.
func (w *world) end(id string, phase job.Phase, tables ...string) {
	r := w.records[id]
	now := time.Now()
	r.Phase, r.Lease, r.Ended, r.Outcome = phase, nil, &now, &job.Outcome{}
	for _, name := range tables {
		r.Outcome.Tables = append(r.Outcome.Tables, job.Table{Name: name})
	}
	w.observe(r)
}

// pause writes that a job is paused.
func (w *world) pause(id string) {
	w.change(id, paused)
	synctest.Wait()
}

// resume writes that a paused job without a guest is resumed.
func (w *world) resume(id string) {
	w.change(id, resumed)
	synctest.Wait()
}

// remove deletes a job that has ended.
func (w *world) remove(id string) {
	w.unset(id)
	w.d.Observe(job.Record{ID: id}, true)
	synctest.Wait()
}

func after(ids ...string) func(*job.Record) {
	return func(r *job.Record) { r.Spec.After = ids }
}

func reads(id, table string) func(*job.Record) {
	return func(r *job.Record) { r.Spec.Inputs = map[string]job.Input{"data": {Job: id, Table: table}} }
}

func key(k string) func(*job.Record) { return func(r *job.Record) { r.Spec.CacheKey = k } }

func TestAJobWaitsForAllThatItNeeds(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.submit("a")
		w.submit("b")
		w.submit("child", after("a", "b"))
		assert.Equal(w.t, []string{"a", "b"}, w.granted)
		assert.Equal(w.t, "job a, b", w.d.WaitsOn("child"))
		assert.True(w.t, w.d.HasDependents("a"))
		w.run("a")
		w.run("b")
		w.end("a", job.Completed)
		assert.Equal(w.t, "job b", w.d.WaitsOn("child"))
		w.end("b", job.Completed)
		assert.Equal(w.t, []string{"a", "b", "child"}, w.granted)
		assert.True(w.t, w.d.HasDependents("a"), "until the child has ended")
		w.run("child")
		w.end("child", job.Completed)
		assert.False(w.t, w.d.HasDependents("a"))
		running, waiting := w.d.Counts()
		assert.Equal(w.t, [2]int{}, [2]int{running, waiting})
	})
}

func TestAJobWhoseParentDidNotCompleteFails(t *testing.T) {
	for name, c := range map[string]struct {
		needs  func(*job.Record)
		parent func(w *world)
		want   string
	}{
		"failed":        {after("a"), func(w *world) { w.end("a", job.Failed) }, "after: job a is failed"},
		"stopped":       {after("a"), func(w *world) { w.end("a", job.Stopped) }, "after: job a is stopped"},
		"wrote_nothing": {reads("a", "steps"), func(w *world) { w.end("a", job.Completed, "other") }, `input data: job a wrote no table "steps"`},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.submit("a")
				w.submit("child", c.needs)
				w.submit("grandchild", after("child"))
				w.run("a")
				c.parent(w)
				assert.Equal(w.t, []string{"child: dependency_failed: " + c.want}, w.ended)
				assert.NotContains(w.t, w.granted, "child")
				w.end("child", job.Failed)
				assert.Equal(w.t, "grandchild: dependency_failed: after: job child is failed", w.ended[1])
			})
		})
	}
}

func TestATableThatIsThereIsNotWaitedFor(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.submit("pinned", func(r *job.Record) {
			r.Spec.Inputs = map[string]job.Input{"data": {Job: "gone", Table: "steps", Digest: "abc"}}
		})
		assert.Equal(w.t, []string{"pinned"}, w.granted, "it has its table, whatever became of the job")
		w.run("pinned")
		w.end("pinned", job.Completed, "steps")
		w.submit("child", reads("pinned", "steps"))
		assert.Equal(w.t, []string{"pinned", "child"}, w.granted)
	})
}

func TestCoalescedJobsRunOnce(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		for _, id := range []string{"a", "b", "c"} {
			w.submit(id, key("k"))
		}
		w.submit("other", key("l"))
		assert.Equal(w.t, []string{"a", "other"}, w.granted, "a slot is free, but they are one")
		assert.Equal(w.t, "twin a", w.d.WaitsOn("b"))
		w.run("a")
		w.end("a", job.Completed)
		assert.ElementsMatch(w.t, []string{"b: as a", "c: as a"}, w.ended)
	})
}

// Whatever keeps the first from completing, the next of them runs, and only it.
func TestAnotherJobLeadsWhereTheFirstDoesNotComplete(t *testing.T) {
	for name, leave := range map[string]func(w *world){
		"failed":  func(w *world) { w.end("a", job.Failed) },
		"stopped": func(w *world) { w.end("a", job.Stopped) },
		"paused":  func(w *world) { w.pause("a") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 3, func(w *world) {
				w.submit("a", key("k"))
				w.submit("b", key("k"))
				w.submit("c", key("k"))
				w.run("a")
				leave(w)
				assert.Equal(w.t, []string{"a", "b"}, w.granted)
				assert.Equal(w.t, "twin b", w.d.WaitsOn("c"))
				assert.Empty(w.t, w.ended)
			})
		})
	}
}

func TestAFollowerThatIsStoppedIsNotEndedAgain(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.submit("a", key("k"))
		w.submit("b", key("k"))
		w.end("b", job.Stopped)
		w.run("a")
		w.end("a", job.Completed)
		assert.Empty(w.t, w.ended)
		running, waiting := w.d.Counts()
		assert.Equal(w.t, [2]int{}, [2]int{running, waiting})
	})
}

// A slot is taken from the decision to grant until the grant is settled, whatever
// happens to the record meanwhile: its guest may already run.
func TestASlotIsKeptUntilTheGrantIsSettled(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world){
		"nothing": func(*world) {},
		"stopped": func(w *world) { w.end("a", job.Stopped) },
		"deleted": func(w *world) { w.end("a", job.Stopped); w.remove("a") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.submit("a")
				w.submit("b")
				meanwhile(w)
				rest(time.Minute)
				assert.Equal(w.t, []string{"a"}, w.granted)
				ids, granting := w.d.InUse()
				assert.Equal(w.t, []string{"a"}, ids)
				assert.True(w.t, granting["a"])
				w.settle("a")
				if name == "nothing" { // it is pending as before, and older than b
					assert.Equal(w.t, []string{"a", "a"}, w.granted)
				} else {
					assert.Equal(w.t, []string{"a", "b"}, w.granted)
				}
			})
		})
	}
}

func TestAnEndThatCouldNotBeWrittenIsAskedForAgain(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.refuse = 1000 // it may be asked for at once, too, when something else happens
		w.submit("child", after("gone"))
		assert.Empty(w.t, w.ended)
		w.refuse = 3
		assert.True(w.t, w.d.Knows("child"), "for the auditor: it is about to be ended")
		rest(10 * time.Second)
		assert.Equal(w.t, []string{"child: dependency_failed: after: job gone is gone"}, w.ended)
	})
}

func TestAnEndThatCouldNotBeWrittenIsForgottenWhereTheJobMovedOn(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.refuse = 1000
		w.submit("child", after("gone"))
		w.end("child", job.Stopped)
		w.refuse = 0
		rest(10 * time.Second)
		assert.Empty(w.t, w.ended)
		assert.False(w.t, w.d.Knows("child"))
	})
}

func TestTheQueueCountsAllThatWait(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.d.SetLimits(limits(1, 4))
		admit := func(id string) error { return w.d.Admit(id, "t", "p") }
		require.NoError(w.t, admit("runs"))
		w.submit("runs")
		w.run("runs")
		require.NoError(w.t, admit("a"))
		w.submit("a", key("k"))
		require.NoError(w.t, admit("b"))
		w.submit("b", after("a"))
		require.NoError(w.t, admit("c"))
		w.submit("c", key("k")) // coalesced with a
		require.NoError(w.t, admit("on its way"))

		var full *dispatch.QueueFull
		require.ErrorAs(w.t, admit("e"), &full, "one for a slot, one for a job, one for its leader, one for its record")
		assert.ErrorIs(w.t, full, dispatch.ErrQueueFull)
		assert.Equal(w.t, 4, full.Cap)
		w.d.Withdraw("on its way")
		require.NoError(w.t, admit("e"))
		assert.Error(w.t, admit("f"))
		w.end("runs", job.Completed)
		w.run("a")
		assert.NoError(w.t, admit("f"), "what runs does not wait")
	})
}

func TestATenantsQueueIsItsOwn(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		l := limits(1, 100)
		l.TenantQueueCap = map[string]int{"small": 1, limit.Any: 2}
		w.d.SetLimits(l)
		for i, c := range []struct {
			tenant string
			fits   bool
		}{{"small", true}, {"small", false}, {"t", true}, {"t", true}, {"t", false}, {"u", true}} {
			err := w.d.Admit(fmt.Sprint(i), c.tenant, "p")
			assert.Equal(w.t, c.fits, err == nil, "%d: %s: %v", i, c.tenant, err)
		}
	})
}

func TestAPluginsQueueIsItsOwn(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		l := limits(1, 100)
		l.PluginQueueCap = map[string]int{"small": 1, limit.Any: 2}
		l.TenantQueueCap = map[string]int{"t": 3}
		w.d.SetLimits(l)
		for i, c := range []struct {
			tenant, plugin string
			limit          string // that is named; empty: it is let in
		}{
			{"t", "small", ""},
			{"u", "small", "plugin_queue_cap.small"},
			{"t", "p", ""},
			{"u", "p", ""},
			{"v", "p", "plugin_queue_cap.p"},
			{"t", "q", ""},
			{"t", "q", "tenant_queue_cap.t"},
		} {
			err := w.d.Admit(fmt.Sprint(i), c.tenant, c.plugin)
			var full *dispatch.QueueFull
			if errors.As(err, &full) {
				assert.Equal(w.t, c.limit, full.Path(), i)
				assert.Positive(w.t, full.RetryAfter)
			} else {
				assert.Empty(w.t, c.limit, i)
			}
		}
		w.d.Withdraw("0")
		assert.NoError(w.t, w.d.Admit("again", "t", "small"), "its room was given back")
	})
}

func TestFewerSlotsStopNothingAndMoreStartSome(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		for _, id := range []string{"a", "b", "c", "d"} {
			w.submit(id)
		}
		w.run("a")
		w.run("b")
		w.d.SetLimits(limits(1, 100))
		w.end("a", job.Completed)
		assert.Equal(w.t, []string{"a", "b"}, w.granted, "b alone is as many as may run")
		w.d.SetLimits(limits(3, 100))
		synctest.Wait()
		assert.Equal(w.t, []string{"a", "b", "c", "d"}, w.granted)
	})
}

// Endings are written one by one: a job whose turn has not come is still known.
func TestAJobThatIsAboutToBeEndedIsKnown(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.submit("parent")
		children := []string{"c1", "c2", "c3"}
		for _, id := range children {
			w.submit(id, after("parent"))
		}
		turn := 0
		w.onEnd = func() {
			turn++
			known := 0
			for _, id := range children {
				if w.d.Knows(id) {
					known++
				}
			}
			assert.Equal(w.t, len(children)+1-turn, known)
		}
		w.run("parent")
		w.end("parent", job.Failed)
		assert.Len(w.t, w.ended, len(children))
	})
}
