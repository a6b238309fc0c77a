package dispatch

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core/job"
	"thresher/core/limit"
)

// shop is a dispatcher's state and the records that it was told of.
type shop struct {
	state
	records map[string]job.Record
	now     time.Time
}

func newShop(slots int) *shop {
	l := Limits{Limits: limit.Limits{Slots: slots}, QueueCap: 1000}
	return &shop{newState(l, "here", false), map[string]job.Record{}, time.Unix(1e9, 0)}
}

// put tells of a record, and of those that it needs what a look-up finds.
func (s *shop) put(r job.Record) {
	s.records[r.ID] = r
	s.place(r, false, s.now)
	for id, asked := range s.parents.takeSought(true) {
		found, ok := s.records[id]
		s.learn(lookedUp{id: id, asked: asked, record: found, found: ok}, s.now)
	}
}

func (s *shop) change(id string, change func(*job.Record)) {
	r := s.records[id]
	change(&r)
	s.put(r)
}

func (s *shop) submit(id string, p job.Priority, change ...func(*job.Record)) {
	r := job.Record{ID: id, Tenant: "t", Phase: job.Pending, Desired: job.WantRun, Created: s.now, Spec: job.Spec{Routine: "p/r", Priority: p}}
	for _, c := range change {
		c(&r)
	}
	s.put(r)
}

func (s *shop) end(id string, p job.Phase) {
	s.change(id, func(r *job.Record) {
		r.Phase, r.Lease, r.LocksSince, r.Ended, r.Outcome = p, nil, nil, &s.now, &job.Outcome{}
	})
}

// start lets the next job run, and returns its id.
func (s *shop) start() string {
	id, ok := s.grantNext(s.now)
	if !ok {
		return ""
	}
	s.claim(id)
	r := s.records[id]
	r.Phase, r.Lease = job.Running, &job.Lease{}
	s.granting[id].record = r
	s.records[id] = r
	s.settle(id, r, true, s.now)
	return id
}

func needing(ids ...string) func(*job.Record) {
	return func(r *job.Record) { r.Spec.After = ids }
}

func locking(name string) func(*job.Record) {
	return func(r *job.Record) { r.Spec.Locks = []job.Lock{{Name: name, Limit: 1}} }
}

func keyed(key string) func(*job.Record) {
	return func(r *job.Record) { r.Spec.CacheKey = key }
}

func paused(r *job.Record) { r.Desired, r.Phase = job.WantPause, job.Paused }

func resumed(r *job.Record) { r.Desired, r.Phase = job.WantRun, job.Pending }

// A low job that a high one waits for, directly or not, runs before the normal ones. Once
// nobody waits for it, it runs in its own turn.
func TestWhatAHighJobWaitsForIsLentItsPriority(t *testing.T) {
	for name, c := range map[string]struct {
		low  []func(*job.Record) // of the low job
		high func(s *shop)       // submits high
		on   string              // what the low one is shown to be lent by
	}{
		"after": {nil, func(s *shop) { s.submit("high", job.High, needing("low")) }, "high"},
		"input": {nil, func(s *shop) {
			s.submit("high", job.High, func(r *job.Record) { r.Spec.Inputs = map[string]job.Input{"x": {Job: "low", Table: "t"}} })
		}, "high"},
		"transitive": {nil, func(s *shop) { s.submit("mid", job.Low, needing("low")); s.submit("high", job.High, needing("mid")) }, "mid"},
		"coalesced":  {[]func(*job.Record){keyed("k")}, func(s *shop) { s.submit("high", job.High, keyed("k")) }, "high"},
		"after_one_of_several": {nil, func(s *shop) {
			s.submit("other", job.Low)
			s.submit("high", job.High, needing("low", "other"))
		}, "high"},
		"after_a_coalesced_one": {[]func(*job.Record){keyed("k")}, func(s *shop) {
			s.submit("mid", job.Low, keyed("k"))
			s.submit("high", job.High, needing("mid"))
		}, "mid"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(1)
			s.submit("busy", job.Normal)
			require.Equal(t, "busy", s.start())
			s.submit("a", job.Normal)
			s.submit("b", job.Normal)
			s.submit("low", job.Low, c.low...)
			assert.Empty(t, s.waits("low").Lent)
			c.high(s)
			w := s.waits("low")
			assert.Equal(t, []string{"high", c.on}, []string{w.Lent, w.LentBy})
			s.end("busy", job.Completed)
			assert.Equal(t, "low", s.start())
			assert.Empty(t, s.waits("low"), "it runs")
		})
		t.Run(name+"_taken_back", func(t *testing.T) {
			for _, p := range []job.Phase{job.Stopped, job.Paused, job.Failed} {
				s := newShop(1)
				s.submit("busy", job.Normal)
				require.Equal(t, "busy", s.start())
				s.submit("a", job.Normal)
				s.submit("low", job.Low, c.low...)
				c.high(s)
				if p == job.Paused {
					s.change("high", paused)
				} else {
					s.end("high", p)
				}
				assert.Empty(t, s.waits("low").Lent, p)
				s.end("busy", job.Completed)
				assert.Equal(t, "a", s.start(), p)
			}
		})
	}
}

// A job that was paused and holds a lock is lent the priority of those that wait for it,
// once it wants to go on: its guest there or gone.
func TestAResumedHolderIsLentThePriorityOfThoseThatWaitForItsLock(t *testing.T) {
	for _, gone := range []bool{true, false} {
		s := newShop(1)
		s.submit("low", job.Low, locking("l"))
		require.Equal(t, "low", s.start())
		s.change("low", func(r *job.Record) {
			paused(r)
			if gone {
				r.Lease, r.LocksSince = nil, &s.now
			}
		})
		s.submit("busy", job.Normal)
		require.Equal(t, "busy", s.start())
		s.submit("a", job.Normal)
		s.submit("mid", job.Low, locking("l"))
		s.submit("high", job.High, needing("mid"))
		w := s.waits("mid")
		assert.Equal(t, Wait{On: "lock l", Lock: "l", Jobs: []string{"low"}, Paused: []string{"low"}, Lent: "high", LentBy: "high"}, w)
		s.change("low", func(r *job.Record) {
			if r.Desired = job.WantRun; gone {
				r.Phase = job.Pending
			}
		})
		assert.Equal(t, Wait{On: "slots", Lent: "high", LentBy: "mid"}, s.waits("low"))
		assert.Empty(t, s.waits("mid").Paused)
		s.end("busy", job.Completed)
		assert.Equal(t, "low", s.start())
		s.end("low", job.Completed)
		assert.Equal(t, "mid", s.start())
		s.end("mid", job.Completed)
		assert.Equal(t, "high", s.start())
	}
}

// A job that was paused and holds its locks does not follow one that waits for these.
func TestAResumedHolderDoesNotFollowOneThatWaitsForItsLock(t *testing.T) {
	s := newShop(1)
	s.submit("a", job.Normal, keyed("k"), locking("l"))
	require.Equal(t, "a", s.start())
	s.change("a", func(r *job.Record) { paused(r); r.Lease, r.LocksSince = nil, &s.now })
	s.submit("b", job.Normal, keyed("k"), locking("l"))
	assert.Empty(t, s.start(), "the lock is held")
	s.change("a", resumed)
	assert.Equal(t, "a", s.start())
	s.end("a", job.Completed)
	assert.Equal(t, "b", s.start())
}

// waiters lists the jobs that wait for one, by the rules in their plainest form.
func (s *shop) waiters(id string) (list []job.Record) {
	for _, r := range s.records {
		if r.Phase != job.Pending || r.Desired != job.WantRun {
			continue
		}
		if slices.Contains(r.Spec.After, id) && !s.records[id].Phase.Final() || s.coalesced.leaderOf(r.ID) == id {
			list = append(list, r)
		}
	}
	return list
}

// want is the class that a job should have: the highest of its own and of those that wait
// for it.
func (s *shop) want(id string) int {
	class := classOf(s.records[id])
	for _, w := range s.waiters(id) {
		class = max(class, s.want(w.ID))
	}
	return class
}

// Whatever jobs are submitted, paused, resumed, stopped, lost and end, in any graph: each
// waiting job has the highest priority of its own and of those that wait for it, directly
// or not; what is noted of loans goes with the last of them.
func TestLoansFollowFromWhoWaitsForWhom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShop(2)
		pick := func(t *rapid.T, ok func(job.Record) bool) (string, bool) {
			var ids []string
			for _, id := range slices.Sorted(maps.Keys(s.records)) {
				if ok(s.records[id]) {
					ids = append(ids, id)
				}
			}
			if len(ids) == 0 {
				return "", false
			}
			return rapid.SampledFrom(ids).Draw(t, "id"), true
		}
		in := func(phases ...job.Phase) func(job.Record) bool {
			return func(r job.Record) bool { return slices.Contains(phases, r.Phase) }
		}
		t.Repeat(map[string]func(*rapid.T){
			"submit": func(t *rapid.T) {
				id := fmt.Sprintf("%04d", len(s.records))
				var after []string
				for range rapid.IntRange(0, 3).Draw(t, "after") {
					if parent, ok := pick(t, func(r job.Record) bool { return !r.Phase.Final() || r.Phase == job.Completed }); ok && !slices.Contains(after, parent) {
						after = append(after, parent)
					}
				}
				p := job.Priority(rapid.IntRange(-1, 1).Draw(t, "priority"))
				key := rapid.SampledFrom([]string{"", "k", "l"}).Draw(t, "key")
				s.submit(id, p, needing(after...), keyed(key))
			},
			"start": func(*rapid.T) { s.start() },
			"pause": func(t *rapid.T) {
				if id, ok := pick(t, in(job.Pending)); ok {
					s.change(id, paused)
				}
			},
			"resume": func(t *rapid.T) {
				if id, ok := pick(t, in(job.Paused)); ok {
					s.change(id, resumed)
				}
			},
			"lost": func(t *rapid.T) {
				if id, ok := pick(t, in(job.Running)); ok {
					s.change(id, func(r *job.Record) { r.Phase, r.Lease = job.Pending, nil })
				}
			},
			"end": func(t *rapid.T) {
				if id, ok := pick(t, in(job.Pending, job.Paused, job.Running)); ok {
					s.end(id, rapid.SampledFrom([]job.Phase{job.Completed, job.Failed, job.Stopped}).Draw(t, "phase"))
				}
			},
			"": func(t *rapid.T) {
				for len(s.endings) > 0 { // those that follow from others
					for id, how := range s.endings {
						delete(s.endings, id)
						if how.Failure != nil {
							s.end(id, job.Failed)
						} else {
							s.end(id, job.Completed)
						}
					}
				}
				for id, r := range s.records {
					class, waits := s.slots.Class(id)
					if want := s.want(id); waits && class != want {
						t.Fatalf("%s is in class %d, want %d", id, class, want)
					}
					if w := s.waits(id); !r.Phase.Final() && (w.Lent != "") != (w.On != "" && s.want(id) > classOf(r)) {
						t.Fatalf("%s, class %d, is shown as %+v, want class %d", id, classOf(r), w, s.want(id))
					}
				}
				for id := range s.loans {
					if len(s.waiters(id)) == 0 && len(s.loans[id].to) == 0 {
						t.Fatalf("%s: %+v is noted of it, and nobody lends", id, s.loans[id])
					}
				}
			},
		})
	})
}

// Low jobs that high ones need, among normal ones without end, start within a bound; and
// so do the low ones that nobody needs.
func TestLoansLetNobodyStarve(t *testing.T) {
	s := newShop(1)
	l := s.limits
	l.Ageing = time.Minute
	s.slots.SetLimits(l.Limits)
	waits := map[string]time.Time{}
	running := ""
	for n := range 2000 {
		s.now = s.now.Add(10 * time.Second)
		id := fmt.Sprintf("%05d", n)
		switch n % 7 {
		case 0:
			s.submit(id, job.Low)
		case 3: // needs the low one before it
			s.submit(id, job.High, needing(fmt.Sprintf("%05d", n-3)))
		default:
			s.submit(id, job.Normal)
		}
		if waits[id] = s.now; len(waits) > 30 { // so that the queue does not grow for ever
			s.end(id, job.Stopped)
			delete(waits, id)
		}
		if running != "" {
			s.end(running, job.Completed)
		}
		for len(s.endings) > 0 {
			for id := range s.endings {
				delete(s.endings, id)
				s.end(id, job.Failed)
				delete(waits, id)
			}
		}
		running = s.start()
		delete(waits, running)
		for id, since := range waits {
			require.Less(t, s.now.Sub(since), 10*time.Minute, "%s of priority %v waits on %+v", id, s.records[id].Spec.Priority, s.waits(id))
		}
	}
}
