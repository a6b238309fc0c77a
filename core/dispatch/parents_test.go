package dispatch_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/dispatch"
	"thresher/core/job"
)

// change observes a change of a record without waiting for what follows from it: as the
// committer does while a job is being looked up.
func (w *world) change(id string, change func(*job.Record)) {
	r := w.records[id]
	change(&r)
	w.set(r)
	w.d.Observe(r, false)
}

func ended(p job.Phase, tables ...string) func(*job.Record) {
	return func(r *job.Record) {
		now := time.Now()
		r.Phase, r.Lease, r.Ended, r.Outcome = p, nil, &now, &job.Outcome{}
		for _, name := range tables {
			r.Outcome.Tables = append(r.Outcome.Tables, job.Table{Name: name})
		}
	}
}

func paused(r *job.Record) { r.Phase, r.Desired = job.Paused, job.WantPause }

func resumed(r *job.Record) { r.Phase, r.Desired = job.Pending, job.WantRun }

// unheard adds a record that the dispatcher was not told of: of a job that ended before
// the start, or whose turn at the start has not come.
func (w *world) unheard(id string, change func(*job.Record)) {
	r := job.Record{ID: id, Tenant: "t", Phase: job.Pending, Desired: job.WantRun, Created: time.Now(), Spec: job.Spec{Routine: "p/r"}}
	change(&r)
	w.set(r)
}

func TestAParentThatEndedBeforeIsLookedUp(t *testing.T) {
	for name, c := range map[string]struct {
		parent func(*job.Record)
		child  func(*job.Record)
		fails  string
	}{
		"completed":     {ended(job.Completed), after("a"), ""},
		"wrote_table":   {ended(job.Completed, "steps"), reads("a", "steps"), ""},
		"wrote_nothing": {ended(job.Completed), reads("a", "steps"), `input data: job a wrote no table "steps"`},
		"failed":        {ended(job.Failed), after("a"), "after: job a is failed"},
		"deleted":       {nil, after("a"), "after: job a is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				if c.parent != nil {
					w.unheard("a", c.parent)
				}
				w.submit("child", c.child)
				if c.fails == "" {
					assert.Equal(w.t, []string{"child"}, w.granted)
				} else {
					assert.Equal(w.t, []string{"child: dependency_failed: " + c.fails}, w.ended)
				}
			})
		})
	}
}

// Whatever happens to a parent between its being looked up and the answer, its end is
// not missed.
func TestAParentThatEndsWhileItIsLookedUp(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(w *world)
		granted   []string
		ended     []string
	}{
		"completes": {func(w *world) { w.change("a", ended(job.Completed)) }, []string{"child"}, nil},
		"fails": {
			func(w *world) { w.change("a", ended(job.Failed)) }, nil,
			[]string{"child: dependency_failed: after: job a is failed"},
		},
		"ends_and_is_deleted": {func(w *world) {
			w.change("a", ended(job.Completed))
			w.unset("a")
			w.d.Observe(job.Record{ID: "a"}, true)
		}, []string{"child"}, nil},
		"nobody_needs_it": {func(w *world) {
			w.change("child", ended(job.Stopped))
			w.change("a", ended(job.Completed))
		}, nil, nil},
		"another_needs_it": {func(w *world) { // what was looked up is older than its need
			w.change("child", ended(job.Stopped))
			w.change("a", ended(job.Completed))
			w.unheard("next", after("a"))
			w.change("next", func(*job.Record) {})
		}, []string{"next"}, nil},
		"its_child_is_paused": {func(w *world) {
			w.change("child", paused)
			w.change("a", ended(job.Completed))
		}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.unheard("a", func(*job.Record) {})
				times := 0
				w.onLook = func(id string) error {
					if times++; id == "a" && times == 1 {
						c.meanwhile(w)
					}
					return nil
				}
				w.submit("child", after("a"))
				assert.Equal(w.t, c.granted, w.granted)
				assert.Equal(w.t, c.ended, w.ended)
			})
		})
	}
}

// A start with many jobs that wait for one that ended long ago reads it once, and
// forgets it with the last of them.
func TestAParentOfManyIsLookedUpOnce(t *testing.T) {
	inWorld(t, 100, func(w *world) {
		w.unheard("a", ended(job.Completed))
		for n := range 100 {
			w.unheard(fmt.Sprint("child", n), after("a"))
			w.change(fmt.Sprint("child", n), func(*job.Record) {})
		}
		synctest.Wait()
		assert.Len(w.t, w.granted, 100)
		assert.Equal(w.t, []string{"a"}, w.looked)
		for n := range 100 {
			assert.True(w.t, w.d.HasDependents("a"))
			w.run(fmt.Sprint("child", n))
			w.end(fmt.Sprint("child", n), job.Completed)
		}
		assert.False(w.t, w.d.HasDependents("a"))
		running, waiting := w.d.Counts()
		assert.Zero(w.t, running+waiting)
	})
}

// A parent that cannot be read is not one that is gone: its children wait, and it is
// looked up again in a moment, however much happens meanwhile.
func TestAParentThatCannotBeReadIsLookedUpAgain(t *testing.T) {
	inWorld(t, 100, func(w *world) {
		var broken atomic.Bool
		broken.Store(true)
		w.onLook = func(string) error {
			if broken.Load() {
				return errors.New("the disk does not answer")
			}
			return nil
		}
		w.unheard("a", ended(job.Completed))
		w.submit("child", after("a"))
		for n := range 50 {
			w.submit(fmt.Sprint("other", n))
		}
		assert.Equal(w.t, []string{"a"}, w.looked)
		assert.Equal(w.t, "job a", w.d.WaitsOn("child"))
		assert.Empty(w.t, w.ended)
		broken.Store(false)
		rest(2 * time.Second)
		assert.Contains(w.t, w.granted, "child")
	})
}

// The record of a job whose grant came to nothing is looked up: what is written
// meanwhile wins.
func TestAChangeWhileAGrantIsSettledWins(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*job.Record)
		granted []string
	}{
		"none":    {func(*job.Record) {}, []string{"a", "a"}},
		"paused":  {paused, []string{"a", "b"}},
		"stopped": {ended(job.Stopped), []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.submit("a")
				w.submit("b")
				w.onLook = func(string) error {
					w.onLook = nil
					w.change("a", c.change)
					return nil
				}
				w.settle("a")
				assert.Equal(w.t, c.granted, w.granted)
				assert.Equal(w.t, []string{"a"}, w.looked)
			})
		})
	}
}

// A job that finds no outcome of the one that it is coalesced with runs itself, as its
// newest record wants it.
func TestAJobWhoseLeadersOutcomeIsGoneRunsItself(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*job.Record) // nil: nothing happens
		granted   []string
	}{
		"runs":           {nil, []string{"a", "b"}},
		"paused":         {paused, []string{"a"}},
		"stopped":        {ended(job.Stopped), []string{"a"}},
		"changes_labels": {func(r *job.Record) { r.Pinned = true }, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.submit("a", key("k"))
				w.submit("b", key("k"))
				w.run("a")
				w.gone = true
				w.onEnd = func() {
					if c.meanwhile != nil {
						w.change("b", c.meanwhile)
					}
				}
				w.end("a", job.Completed)
				rest(10 * time.Second)
				assert.Equal(w.t, c.granted, w.granted)
				assert.Empty(w.t, w.ended)
			})
		})
	}
}

// Graphs of jobs that complete and fail while others are looked up for any time: each job starts exactly if all that it needs has completed.
func TestLookingUpMissesNoEnd(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { missNoEnd(t, seed) })
	}
}

func missNoEnd(t *testing.T, seed uint64) {
	inWorld(t, 8, func(w *world) {
		chance, delays := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1))
		w.onLook = func(string) error {
			time.Sleep(time.Duration(delays.IntN(3000)) * time.Millisecond)
			return nil
		}
		const jobs = 60
		name := func(n int) string { return fmt.Sprintf("%03d", n) }
		for n := range jobs {
			needs := map[string]bool{}
			for range chance.IntN(3) {
				if n > 0 {
					needs[name(chance.IntN(n))] = true
				}
			}
			w.unheard(name(n), after(slices.Sorted(maps.Keys(needs))...))
			if n < jobs/4 && len(needs) == 0 && chance.IntN(2) == 0 {
				w.unheard(name(n), ended(job.Completed)) // before the start
			}
		}
		for _, n := range chance.Perm(jobs) { // a start tells of them in any order
			if id := name(n); !w.records[id].Phase.Final() {
				w.change(id, func(*job.Record) {})
			}
			if chance.IntN(4) == 0 {
				rest(time.Duration(chance.IntN(1000)) * time.Millisecond)
			}
			w.finish(chance)
		}
		for range jobs {
			rest(4 * time.Second)
			w.finish(chance)
		}
		w.checkGraph()
	})
}

// finish ends what was granted and what is to fail.
func (w *world) finish(chance *rand.Rand) {
	synctest.Wait()
	w.mu.Lock()
	granted, failed := w.granted[w.finished:], w.ended[w.failed:]
	w.finished, w.failed = len(w.granted), len(w.ended)
	w.mu.Unlock()
	for _, id := range granted {
		w.change(id, ended([]job.Phase{job.Completed, job.Completed, job.Completed, job.Failed}[chance.IntN(4)]))
		w.d.Settle(id)
	}
	for _, line := range failed {
		w.change(line[:3], ended(job.Failed))
	}
}

// checkGraph: every job has ended, and ran exactly if all that it needs completed.
func (w *world) checkGraph() {
	failed := map[string]bool{}
	for _, line := range w.ended {
		failed[line[:3]] = true
	}
	for _, id := range slices.Sorted(maps.Keys(w.records)) {
		met := true
		for _, parent := range w.records[id].Spec.After {
			met = met && w.records[parent].Phase == job.Completed
		}
		ran := slices.Contains(w.granted, id)
		assert.True(w.t, w.records[id].Phase.Final(), "%s: nobody starts it", id)
		assert.False(w.t, ran && !met, "%s: it ran, and %v did not complete", id, w.records[id].Spec.After)
		assert.False(w.t, failed[id] && met, "%s: it was failed, and all that it needs completed", id)
		require.False(w.t, w.d.HasDependents(id), id)
	}
}

var _ dispatch.Actions = (*world)(nil)
