package limit

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newState(l Limits, jobs ...Job) *State {
	s := New(l, "here")
	for _, j := range jobs {
		s.Wait(j, epoch)
	}
	return s
}

func start(t *testing.T, s *State) string {
	t.Helper()
	j, ok := s.Next(epoch)
	require.True(t, ok, "nothing may start")
	s.Run(j, epoch)
	return j.ID
}

func nothing(t *testing.T, s *State) {
	t.Helper()
	j, ok := s.Next(epoch)
	assert.False(t, ok, "%v may start", j)
}

func TestOrderIsPriorityThenSubmitTime(t *testing.T) {
	s := newState(Limits{Slots: 10}, Job{ID: "3", Plugin: "a"}, Job{ID: "1", Plugin: "b"},
		Job{ID: "4", Plugin: "a", Priority: High}, Job{ID: "2", Plugin: "a", Priority: Low})
	assert.Equal(t, []string{"4", "1", "3", "2"}, []string{start(t, s), start(t, s), start(t, s), start(t, s)})
}

func TestAFullPluginDoesNotHoldUpTheOthers(t *testing.T) {
	s := newState(Limits{Slots: 3, PluginSlots: map[string]int{"a": 1}},
		Job{ID: "1", Plugin: "a"}, Job{ID: "2", Plugin: "a"}, Job{ID: "3", Plugin: "b"})
	assert.Equal(t, "1", start(t, s))
	assert.Equal(t, "3", start(t, s))
	nothing(t, s)
	assert.Equal(t, "plugin slots", s.WaitsOn("2"))
	s.Forget("1", epoch)
	assert.Equal(t, "2", start(t, s))
}

func TestShrinkingLetsRunningJobsRun(t *testing.T) {
	s := newState(Limits{Slots: 2}, Job{ID: "0"}, Job{ID: "1"}, Job{ID: "2"})
	start(t, s)
	start(t, s)
	s.SetLimits(Limits{Slots: 1})
	assert.Equal(t, 2, s.Running())
	s.Forget("0", epoch)
	nothing(t, s)
	s.Forget("1", epoch)
	assert.Equal(t, "2", start(t, s))
}

func TestALockLetsInAsManyAsItsLimit(t *testing.T) {
	licence := []Lock{{"licence", 2}}
	s := newState(Limits{Slots: 9}, Job{ID: "1", Locks: licence}, Job{ID: "2", Locks: licence},
		Job{ID: "3", Locks: licence}, Job{ID: "4"})
	assert.Equal(t, []string{"1", "2", "4"}, []string{start(t, s), start(t, s), start(t, s)})
	nothing(t, s)
	assert.Equal(t, "lock licence", s.WaitsOn("3"))
	assert.Equal(t, []Held{{Name: "licence", Limit: 2, Holders: []string{"1", "2"}, Waiters: []string{"3"}, Waiting: 1}}, s.Locks())
	s.Forget("2", epoch)
	assert.Equal(t, "3", start(t, s))
}

// Whoever comes first, the strictest limit that anyone names holds.
func TestALocksLimitIsTheLeastThatIsNamed(t *testing.T) {
	s := newState(Limits{Slots: 9, Locks: map[string]int{"gpu": 2}},
		Job{ID: "1", Locks: []Lock{{"gpu", 5}}}, Job{ID: "2", Locks: []Lock{{"gpu", 5}}},
		Job{ID: "3", Locks: []Lock{{"gpu", 5}}}, Job{ID: "4", Locks: []Lock{{"db", 3}}}, Job{ID: "5", Locks: []Lock{{"db", 1}}})
	assert.Equal(t, []string{"1", "2", "4"}, []string{start(t, s), start(t, s), start(t, s)})
	nothing(t, s)
	s.SetLimits(Limits{Slots: 9})
	assert.Equal(t, "3", start(t, s))
}

func TestAPausedGuestKeepsItsLocksAndMemoryAndNoSlot(t *testing.T) {
	j := Job{ID: "1", Plugin: "p", Memory: 60, Locks: []Lock{{"l", 1}}}
	s := newState(Limits{Slots: 1, MemoryBytes: 100}, j,
		Job{ID: "2", Locks: []Lock{{"l", 1}}}, Job{ID: "3", Memory: 60}, Job{ID: "4", Memory: 40})
	start(t, s)
	assert.Equal(t, "slots", s.WaitsOn("4"))
	s.Park(j, epoch)
	assert.Equal(t, "4", start(t, s), "it gave back its slot")
	s.Forget("4", epoch)
	nothing(t, s)
	assert.Equal(t, "lock l", s.WaitsOn("2"))
	assert.Equal(t, "memory", s.WaitsOn("3"))
	j.Resident = true
	s.Wait(j, epoch)
	assert.Equal(t, "slots", s.WaitsOn("1"))
	assert.Equal(t, "1", start(t, s), "it has what it needs")
	s.Forget("1", epoch)
	assert.Equal(t, "2", start(t, s))
	assert.Zero(t, s.Memory())
}

func TestATenantAtItsLimitWaitsAlone(t *testing.T) {
	s := newState(Limits{Slots: 9, TenantSlots: map[string]int{Any: 1, "b": 2}})
	for i, tenant := range []string{"a", "a", "b", "b", "b"} {
		s.Wait(Job{ID: fmt.Sprint(i), Tenant: tenant}, epoch)
	}
	assert.ElementsMatch(t, []string{"0", "2", "3"}, []string{start(t, s), start(t, s), start(t, s)})
	nothing(t, s)
	assert.Equal(t, "tenant slots", s.WaitsOn("1"))
	s.SetLimits(Limits{Slots: 9})
	assert.ElementsMatch(t, []string{"1", "4"}, []string{start(t, s), start(t, s)})
}

func TestANodesSlotsAreALimitToo(t *testing.T) {
	s := newState(Limits{Slots: 9, NodeSlots: map[string]int{"here": 1, "there": 5}}, Job{ID: "1"}, Job{ID: "2"})
	start(t, s)
	nothing(t, s)
	assert.Equal(t, "node slots", s.WaitsOn("2"))
}

// A tenant that floods the queue does not hold up one that submits a single job.
func TestANewcomerGetsTheNextFreeSlot(t *testing.T) {
	s := New(Limits{Slots: 4}, "here")
	for i := range 1000 {
		s.Wait(Job{ID: fmt.Sprintf("a%04d", i), Tenant: "a"}, epoch)
	}
	var running []Job
	for range 4 {
		j, _ := s.Next(epoch)
		s.Run(j, epoch)
		running = append(running, j)
	}
	now := epoch.Add(30 * time.Second)
	s.Wait(Job{ID: "b", Tenant: "b", Since: now}, now)
	s.Forget(running[0].ID, now)
	j, ok := s.Next(now)
	require.True(t, ok)
	assert.Equal(t, "b", j.ID)
}

// simulation runs tenants that always have jobs waiting, each with jobs of its own
// length, and returns the slot-seconds that each got.
func simulation(l Limits, lengths map[string]time.Duration, span time.Duration) map[string]float64 {
	s := New(l, "here")
	type run struct {
		Job
		end time.Time
	}
	var running []run
	n, now := 0, epoch
	used := map[string]float64{}
	for now.Before(epoch.Add(span)) {
		for tenant := range lengths {
			for s.TenantWaiting(tenant) < 3 {
				n++
				s.Wait(Job{ID: fmt.Sprintf("%08d", n), Tenant: tenant, Since: now}, now)
			}
		}
		for {
			j, ok := s.Next(now)
			if !ok {
				break
			}
			s.Run(j, now)
			running = append(running, run{j, now.Add(lengths[j.Tenant])})
		}
		next := slices.MinFunc(running, func(a, b run) int { return a.end.Compare(b.end) }).end
		for _, r := range running {
			used[r.Tenant] += next.Sub(now).Seconds()
		}
		now = next
		running = slices.DeleteFunc(running, func(r run) bool {
			if r.end.After(now) {
				return false
			}
			s.Forget(r.ID, now)
			return true
		})
	}
	return used
}

func TestBackloggedTenantsShareSlotSecondsNotJobs(t *testing.T) {
	for _, slots := range []int{1, 2, 4} {
		used := simulation(Limits{Slots: slots}, map[string]time.Duration{"short": 300 * time.Millisecond, "long": 17 * time.Second}, time.Hour)
		assert.InDelta(t, 0.5, used["short"]/(used["short"]+used["long"]), 0.05, "%d slots: %v", slots, used)
	}
}

func TestWeightsScaleTheShare(t *testing.T) {
	l := Limits{Slots: 4, Weights: map[string]float64{"big": 3}}
	used := simulation(l, map[string]time.Duration{"big": 5 * time.Second, "small": 2 * time.Second}, time.Hour)
	assert.InDelta(t, 0.75, used["big"]/(used["big"]+used["small"]), 0.05, used)
}

func TestWhatATenantDidNotUseIsNotSavedUp(t *testing.T) {
	s := newState(Limits{Slots: 1}, Job{ID: "z1", Tenant: "z"})
	start(t, s)
	now := epoch.Add(time.Hour)
	s.Wait(Job{ID: "b1", Tenant: "b"}, now)
	s.Wait(Job{ID: "b2", Tenant: "b"}, now)
	s.Wait(Job{ID: "z2", Tenant: "z"}, now)
	s.Forget("z1", now)
	j, _ := s.Next(now)
	assert.Equal(t, "b1", j.ID)
	s.Run(j, now)
	now = now.Add(time.Second)
	s.Forget("b1", now)
	j, _ = s.Next(now)
	assert.Equal(t, "z2", j.ID, "b was away for an hour and has no hour's worth to come")
}

func TestWaitingRaisesThePriority(t *testing.T) {
	s := New(Limits{Slots: 1, Ageing: time.Minute}, "here")
	s.Wait(Job{ID: "1", Priority: Low, Since: epoch}, epoch)
	now := epoch.Add(2*time.Minute + time.Second)
	s.Wait(Job{ID: "2", Priority: High, Since: now}, now)
	j, _ := s.Next(epoch.Add(30 * time.Second))
	assert.Equal(t, "2", j.ID)
	j, _ = s.Next(now)
	assert.Equal(t, "1", j.ID, "two classes up, and submitted earlier")
}

// Small jobs that always fit must not keep out a large one for ever, nor jobs with
// one lock a job that needs two.
func TestWhatAJobLacksIsKeptForItInTheEnd(t *testing.T) {
	l := Limits{Slots: 9, MemoryBytes: 100, Patience: time.Minute}
	s := newState(l, Job{ID: "0", Memory: 60})
	start(t, s)
	s.Wait(Job{ID: "1", Memory: 100, Since: epoch}, epoch)
	s.Wait(Job{ID: "2", Memory: 40, Since: epoch}, epoch)
	assert.Equal(t, "2", start(t, s), "it fits, and the large one has not waited long")
	s.Forget("2", epoch)
	now := epoch.Add(2 * time.Minute)
	s.Wait(Job{ID: "3", Memory: 40, Since: now}, now)
	_, ok := s.Next(now)
	assert.False(t, ok, "memory is kept for the large one")
	s.Forget("0", now)
	j, _ := s.Next(now)
	assert.Equal(t, "1", j.ID)

	s = newState(l, Job{ID: "0", Locks: []Lock{{"b", 1}}})
	start(t, s)
	s.Wait(Job{ID: "1", Locks: []Lock{{"a", 1}, {"b", 1}}, Since: epoch}, epoch)
	s.Wait(Job{ID: "2", Locks: []Lock{{"a", 1}}, Since: now}, now)
	s.Wait(Job{ID: "3", Memory: 5, Since: now}, now)
	j, _ = s.Next(now)
	assert.Equal(t, "3", j.ID, "lock a is kept; the memory is not")
}

// A job that can never have what it needs must not hold up the others.
func TestNothingIsKeptForTheImpossible(t *testing.T) {
	l := Limits{Slots: 9, MemoryBytes: 100, Patience: time.Minute, Locks: map[string]int{"closed": 0}}
	s := newState(l, Job{ID: "1", Memory: 101, Since: epoch}, Job{ID: "2", Locks: []Lock{{"closed", 1}}, Since: epoch},
		Job{ID: "3", Memory: 100, Since: epoch})
	j, ok := s.Next(epoch.Add(time.Hour))
	assert.True(t, ok)
	assert.Equal(t, "3", j.ID)
}

// model is the rules in their plainest form, over every job.
type model struct {
	limits  Limits
	waiting map[string]Job
	running map[string]Job
	parked  map[string]Job
}

// holders returns the jobs that hold their locks, and those of them that hold memory.
func (m *model) holders() (locks, memory []Job) {
	for _, j := range m.running {
		locks, memory = append(locks, j), append(memory, j)
	}
	for _, j := range m.parked {
		if locks = append(locks, j); !j.HoldsLocks {
			memory = append(memory, j)
		}
	}
	for _, j := range m.waiting {
		if j.Resident {
			memory = append(memory, j)
		}
		if j.Resident || j.HoldsLocks {
			locks = append(locks, j)
		}
	}
	return locks, memory
}

func names(j Job, lock string) bool {
	return slices.ContainsFunc(j.Locks, func(l Lock) bool { return l.Name == lock })
}

// held counts the holders of a lock.
func (m *model) held(lock string) (n int) {
	locks, _ := m.holders()
	for _, h := range locks {
		if names(h, lock) {
			n++
		}
	}
	return n
}

// aged is the class of a waiting job by what it has waited and what jobs that need its end
// lend it.
func (m *model) aged(j Job, now time.Time) int {
	class := max(int(j.Priority)-Low, int(j.Lent))
	if m.limits.Ageing > 0 {
		class += int(now.Sub(j.Since) / m.limits.Ageing)
	}
	return min(class, High-Low)
}

// class is aged, or, if higher, the class of a job that waits for a lock which this one
// holds and which is full.
func (m *model) class(j Job, now time.Time) int {
	class := m.aged(j, now)
	if !j.Resident && !j.HoldsLocks {
		return class
	}
	for _, w := range m.waiting {
		for _, l := range w.Locks {
			if !w.Resident && !w.HoldsLocks && names(j, l.Name) && m.held(l.Name) >= m.lockLimit(l.Name) {
				class = max(class, m.aged(w, now))
			}
		}
	}
	return class
}

func (m *model) mayStart(j Job) bool {
	tenant, plugin := 0, 0
	for _, r := range m.running {
		if r.Tenant == j.Tenant {
			tenant++
		}
		if r.Plugin == j.Plugin {
			plugin++
		}
	}
	if len(m.running) >= m.limits.Slots || tenant >= Of(m.limits.TenantSlots, j.Tenant) || plugin >= Of(m.limits.PluginSlots, j.Plugin) {
		return false
	}
	if j.Resident {
		return true
	}
	memory := j.Memory
	_, holders := m.holders()
	for _, h := range holders {
		memory += h.Memory
	}
	if m.limits.MemoryBytes > 0 && j.Memory > 0 && memory > m.limits.MemoryBytes {
		return false
	}
	for _, l := range j.Locks {
		if !j.HoldsLocks && m.held(l.Name) >= m.lockLimit(l.Name) {
			return false
		}
	}
	return true
}

func (m *model) lockLimit(name string) int {
	most := Of(m.limits.Locks, name)
	for _, set := range []map[string]Job{m.waiting, m.running, m.parked} {
		for _, j := range set {
			for _, l := range j.Locks {
				if l.Name == name {
					most = min(most, l.Limit)
				}
			}
		}
	}
	return most
}

// In any sequence of submits, starts, ends, pauses, resumes, restarts, loans and changes of
// the limits: nothing starts over a limit, nothing that may start is held back, what is in
// use is exactly what the jobs that are there hold, and each job has the highest priority
// of its own and of those that wait for it, for as long as they do.
func TestLimitsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := model{limits: Limits{Slots: 2}, waiting: map[string]Job{}, running: map[string]Job{}, parked: map[string]Job{}}
		s := New(m.limits, "here")
		now, next := epoch, 0
		pick := func(set map[string]Job) (Job, bool) {
			ids := make([]string, 0, len(set))
			for id := range set {
				ids = append(ids, id)
			}
			if len(ids) == 0 {
				return Job{}, false
			}
			slices.Sort(ids)
			return set[rapid.SampledFrom(ids).Draw(t, "id")], true
		}
		t.Repeat(map[string]func(*rapid.T){
			"submit": func(t *rapid.T) {
				next++
				j := Job{
					ID:       fmt.Sprintf("%06d", next),
					Tenant:   rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "tenant"),
					Plugin:   rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "plugin"),
					Priority: int8(rapid.IntRange(-1, 1).Draw(t, "priority")),
					Memory:   int64(rapid.IntRange(0, 3).Draw(t, "memory") * 10),
					Since:    now,
				}
				for _, name := range []string{"k", "l"} {
					if rapid.Bool().Draw(t, name) {
						j.Locks = append(j.Locks, Lock{name, rapid.IntRange(1, 3).Draw(t, "limit")})
					}
				}
				m.waiting[j.ID] = j
				s.Wait(j, now)
			},
			"start": func(t *rapid.T) {
				j, ok := s.Next(now)
				may := false
				for _, w := range m.waiting {
					may = may || m.mayStart(w)
				}
				kept := m.limits.Patience > 0 // something may be kept for a job that has waited long
				if ok && !m.mayStart(m.waiting[j.ID]) || ok != may && !kept {
					t.Fatalf("Next says %v %v in %+v", j, ok, m)
				}
				for id, w := range m.waiting {
					if ok && !kept && m.mayStart(w) && s.jobs[id].before(s.jobs[j.ID]) {
						t.Fatalf("Next says %v, but %v is before it in %+v", j, w, m)
					}
				}
				if ok {
					s.Run(j, now)
					delete(m.waiting, j.ID)
					j.Resident, j.HoldsLocks = false, false
					m.running[j.ID] = j
				}
			},
			"end": func(t *rapid.T) {
				for _, set := range []map[string]Job{m.running, m.waiting, m.parked} {
					if j, ok := pick(set); ok && rapid.Bool().Draw(t, "end") {
						s.Forget(j.ID, now)
						s.Forget(j.ID, now)
						delete(set, j.ID)
					}
				}
			},
			"pause": func(t *rapid.T) {
				if j, ok := pick(m.running); ok {
					s.Park(j, now)
					delete(m.running, j.ID)
					m.parked[j.ID] = j
				}
			},
			"resume": func(t *rapid.T) {
				if j, ok := pick(m.parked); ok {
					delete(m.parked, j.ID)
					j.Resident = !j.HoldsLocks
					s.Wait(j, now)
					m.waiting[j.ID] = j
				}
			},
			"restart": func(*rapid.T) { // what was paused stays so, and holds its locks
				for id, j := range m.running {
					s.Wait(j, now)
					m.waiting[id] = j
				}
				clear(m.running)
				for id, j := range m.parked {
					j.HoldsLocks = true
					s.Park(j, now)
					m.parked[id] = j
				}
				for id, j := range m.waiting {
					if j.Resident {
						j.Resident, j.HoldsLocks = false, true
						s.Wait(j, now)
						m.waiting[id] = j
					}
				}
			},
			"lend": func(t *rapid.T) {
				if j, ok := pick(m.waiting); ok {
					j.Lent = int8(rapid.IntRange(0, High-Low).Draw(t, "lent"))
					s.Lend(j.ID, j.Lent, now)
					m.waiting[j.ID] = j
				}
			},
			"lost": func(t *rapid.T) {
				if j, ok := pick(m.running); ok {
					s.Wait(j, now)
					delete(m.running, j.ID)
					m.waiting[j.ID] = j
				}
			},
			"time": func(*rapid.T) { now = now.Add(time.Second) },
			"limits": func(t *rapid.T) {
				m.limits = Limits{
					Slots:       rapid.IntRange(1, 5).Draw(t, "slots"),
					TenantSlots: map[string]int{"x": rapid.IntRange(0, 3).Draw(t, "x"), Any: 4},
					PluginSlots: map[string]int{"a": rapid.IntRange(0, 3).Draw(t, "a")},
					Locks:       map[string]int{"k": rapid.IntRange(0, 3).Draw(t, "k")},
					MemoryBytes: int64(rapid.IntRange(0, 6).Draw(t, "budget") * 10),
					Ageing:      time.Duration(rapid.IntRange(0, 2).Draw(t, "ageing")) * time.Second,
					Patience:    time.Duration(rapid.IntRange(0, 2).Draw(t, "patience")) * time.Second,
				}
				s.SetLimits(m.limits)
			},
			"": func(t *rapid.T) {
				if s.Running() != len(m.running) || s.Waiting() != len(m.waiting) {
					t.Fatalf("%d run and %d wait; want %d and %d", s.Running(), s.Waiting(), len(m.running), len(m.waiting))
				}
				memory := int64(0)
				_, holders := m.holders()
				for _, j := range holders {
					memory += j.Memory
				}
				if s.Memory() != memory || len(slices.Collect(s.RunningIDs())) != len(m.running) {
					t.Fatalf("%d bytes held, want %d", s.Memory(), memory)
				}
				s.Next(now) // priorities rise by time alone
				for _, j := range m.waiting {
					if s.WaitsOn(j.ID) == "" {
						t.Fatalf("%s waits on nothing", j.ID)
					}
					lockIsNamed(t, s, j)
					if class, _ := s.Class(j.ID); class != m.class(j, now) {
						t.Fatalf("%s is in class %d, want %d, in %+v", j.ID, class, m.class(j, now), m)
					}
				}
				queuesAreRight(t, s)
				for _, held := range s.Locks() {
					if n := m.held(held.Name); len(held.Holders) != n {
						t.Fatalf("lock %s: %v hold it, want %d", held.Name, held.Holders, n)
					}
				}
			},
		})
	})
}

// queuesAreRight checks that every waiting job is in the group and the queue where it
// is looked for, and that nothing is set aside under what there is.
func queuesAreRight(t *rapid.T, s *State) {
	jobs, groups := 0, 0
	for k, n := range s.needs {
		for r, g := range n.groups {
			first, ok := g.jobs.Min()
			if k != n.kind || r != g.rank || !ok || g.first != first || s.queues[g.queue.wants] != g.queue {
				t.Fatalf("the group of %v, %v is not where it is looked for", k, r)
			}
			if found, ok := g.queue.classes[r.class].groups[r.tenant].Get(g); !ok || found != g {
				t.Fatalf("the group of %v, %v is not in its queue", k, r)
			}
			groups++
			jobs += g.jobs.Len()
		}
	}
	for w, q := range s.queues {
		if _, open := s.open[q]; !open && s.has(w) || q.n < 1 {
			t.Fatalf("%d groups are set aside under %v; there is some: %v", q.n, w, s.has(w))
		}
		groups -= q.n
	}
	if jobs != s.Waiting() || groups != 0 || s.sized.Len() > len(s.queues) || len(s.open) > len(s.queues) {
		t.Fatalf("%d jobs are in groups, %d wait; %d groups are in no queue, or in two", jobs, s.Waiting(), groups)
	}
}

// Whatever mix of priorities, tenants, sizes and locks keeps coming: every job
// starts within a bound.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{Slots: 2, MemoryBytes: 100, Ageing: time.Minute, Patience: time.Minute}
		s := New(l, "here")
		now := epoch
		since := map[string]time.Time{}
		var running []Job
		for n := range 600 {
			j := Job{
				ID:       fmt.Sprintf("%06d", n),
				Tenant:   rapid.SampledFrom([]string{"x", "y"}).Draw(t, "tenant"),
				Priority: int8(rapid.IntRange(-1, 1).Draw(t, "priority")),
				Memory:   int64(rapid.SampledFrom([]int{10, 50, 100}).Draw(t, "memory")),
				Since:    now,
			}
			if rapid.Bool().Draw(t, "locked") {
				j.Locks = []Lock{{"l", 1}}
			}
			since[j.ID] = now
			if len(since) < 20 { // what comes in is what can be done
				s.Wait(j, now)
			} else {
				delete(since, j.ID)
			}
			now = now.Add(10 * time.Second)
			if len(running) > 0 {
				s.Forget(running[0].ID, now)
				running = running[1:]
			}
			for {
				j, ok := s.Next(now)
				if !ok {
					break
				}
				s.Run(j, now)
				running = append(running, j)
				delete(since, j.ID)
			}
			for id, at := range since {
				if now.Sub(at) > 15*time.Minute {
					t.Fatalf("%s waits since %v: %s", id, now.Sub(at), s.WaitsOn(id))
				}
			}
		}
	})
}

// backlogs are jobs of ten thousand tenants: they need the same few things; or each a
// plugin, or a lock, of its own; or that and one of three locks that a third of them
// share.
var backlogs = []struct {
	name string
	job  func(i int) Job
}{
	{"few", func(i int) Job { return Job{Plugin: fmt.Sprint("p", i%4), Memory: 1 << 28} }},
	{"plugins", func(i int) Job { return Job{Plugin: fmt.Sprint("p", i)} }},
	{"locks", func(i int) Job { return Job{Plugin: "p1", Locks: []Lock{{fmt.Sprint("l", i), 1}}} }},
	{"pairs", func(i int) Job { // each needs a lock of its own, and one that a few share
		return Job{Plugin: "p1", Locks: []Lock{{fmt.Sprint("l", i), 1}, {fmt.Sprint("shared", i%3), 1}}}
	}},
}

// backlog returns a state in which so many jobs wait, and a step: the next is granted
// and starts, another ends, and one is submitted.
func backlog(t testing.TB, job func(i int) Job, n int) (s *State, step func()) {
	s = New(Limits{
		Slots: math.MaxInt, TenantSlots: map[string]int{Any: 100}, PluginSlots: map[string]int{"p0": 32},
		Ageing: 10 * time.Minute, Patience: time.Minute,
	}, "here")
	add := func(i int, now time.Time) {
		j := job(i)
		j.ID, j.Tenant, j.Since = fmt.Sprintf("%09d", i), fmt.Sprint("t", i%min(n, 10_000)), now
		s.Wait(j, now)
	}
	for i := range n {
		add(i, epoch)
	}
	var running []string
	now, next := epoch, n
	step = func() {
		now = now.Add(time.Millisecond)
		j, ok := s.Next(now)
		if ok {
			s.Run(j, now)
			running = append(running, j.ID)
			add(next, now)
			next++
		}
		if len(running) == 0 {
			t.Fatal("nothing may start")
		}
		if len(running) > 64 || !ok {
			s.Forget(running[0], now)
			running = running[1:]
		}
	}
	for range 100 { // the first set aside what lacks what the very first have taken
		step()
	}
	return s, step
}

// However many jobs wait, a decision looks at the needs of as few.
func TestADecisionLooksAtFewNeeds(t *testing.T) {
	t.Parallel()
	const steps = 300
	for _, b := range backlogs {
		looks := map[int]int{}
		for _, n := range []int{1_000, 30_000} {
			s, step := backlog(t, b.job, n)
			before := s.looks
			for range steps {
				step()
			}
			looks[n] = s.looks - before
		}
		t.Log(b.name, looks)
		assert.LessOrEqual(t, looks[30_000], 2*looks[1_000], b.name)
	}
}

// BenchmarkNext is a step with that many jobs.
func BenchmarkNext(b *testing.B) {
	for _, of := range backlogs {
		for _, n := range []int{1_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("needs=%s/jobs=%d", of.name, n), func(b *testing.B) {
				_, step := backlog(b, of.job, n)
				for b.Loop() {
					step()
				}
			})
		}
	}
}

// lockIsNamed holds what is said of the lock that a job waits for against all that is said
// of locks.
func lockIsNamed(t *rapid.T, s *State, j Job) {
	name, before := s.WaitsForLock(j.ID)
	if on := s.WaitsOn(j.ID); (name != "") != strings.HasPrefix(on, "lock ") || name != "" && on != "lock "+name {
		t.Fatalf("%s waits for %q, and for the lock %q", j.ID, on, name)
	}
	if name == "" {
		return
	}
	i := slices.IndexFunc(s.Locks(), func(h Held) bool { return h.Name == name })
	held := s.Locks()[i]
	full := len(held.Holders) >= held.Limit
	if full && !slices.Equal(before, held.Holders) || !full && (len(before) != 1 || slices.Contains(before, j.ID)) {
		t.Fatalf("%s waits for the lock %+v after %v", j.ID, held, before)
	}
}
