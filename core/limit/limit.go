// Package limit decides which waiting job may run next, and how many may run.
//
// A [State] is a pure structure: no lock, no clock, no goroutine, no I/O. The
// dispatcher owns it and calls it with its own lock held, with the time where it
// matters. What is in use is what the jobs that are known to run hold, never a
// counter beside them: putting a job in twice, or taking one out that was never
// there, cannot make a slot, a lock or a byte of memory leak or appear.
//
// Jobs are ordered by priority, which rises while they wait; then by the share of
// their tenant, in slot-seconds by weight, so that a tenant with short jobs and
// one with long jobs get the same; then by submit time. A job that cannot start
// does not hold up those that can, until it has waited too long: then what it
// waits for is kept for it.
package limit

import (
	"cmp"
	"iter"
	"math"
	"time"

	"github.com/tidwall/btree"
)

// Any is the key of a limit that holds where there is none by name.
const Any = "*"

// Limits bound what runs at once. A map has limits by name; [Any] is for the names
// that it does not have; where neither is there, there is no limit of that kind.
type Limits struct {
	Slots       int            // jobs running in all
	TenantSlots map[string]int // of one tenant
	PluginSlots map[string]int // of one plugin
	NodeSlots   map[string]int // on one node
	Locks       map[string]int // jobs that hold a lock; a job's own limit counts too
	MemoryBytes int64          // held by all jobs together; 0: no limit

	Weights  map[string]float64 // of a tenant's share; default 1
	Ageing   time.Duration      // waiting that raises a priority by one class; 0: never
	Patience time.Duration      // waiting after which a job's locks and memory are kept for it; 0: never
}

// Of returns the limit of a name.
func Of(limits map[string]int, name string) int {
	if n, ok := limits[name]; ok {
		return n
	}
	if n, ok := limits[Any]; ok {
		return n
	}
	return math.MaxInt
}

// The classes of priority.
const (
	Low    = -1
	Normal = 0
	High   = 1
)

// Job is what the order of jobs, and what they hold, depends on.
type Job struct {
	ID       string // ULID: earlier submits sort first
	Tenant   string
	Plugin   string
	Priority int8      // a class; others count as the nearest
	Since    time.Time // when it began to wait
	Memory   int64     // bytes that it holds while its guest is there
	Locks    []Lock    // that it holds from its start on, also while it is paused; sorted by name, no name twice
	// Lent is the priority that jobs which wait for this one lend it, in classes above
	// [Low]; 0 lends nothing.
	Lent int8
	// Resident says that its guest is there, paused: it holds its memory and its
	// locks already, and waits for a slot only.
	Resident bool
	// HoldsLocks says that its guest is gone, and that it holds its locks all the same,
	// because it was paused.
	HoldsLocks bool
}

// Lock is a named lock that a job holds.
type Lock struct {
	Name  string
	Limit int // most jobs that may hold it; 1 makes it a mutex
}

// where a job is.
type where uint8

const (
	waiting where = iota
	running
	parked // its guest is there but wants no slot
)

// entry is a job and where it is. While it waits, its group and class say in which
// order.
type entry struct {
	Job
	where  where
	group  *group
	aged   int       // index of its priority, as it has risen
	class  int       // likewise, or that of a job which waits for a lock that it holds
	rises  time.Time // when it rises next
	tenant *tenant
}

// hasLocks reports whether the job holds its locks.
func (e *entry) hasLocks() bool { return e.where != waiting || e.Resident || e.HoldsLocks }

// hasMemory reports whether the job holds its memory: whether its guest is there.
func (e *entry) hasMemory() bool {
	return e.where == running || e.Resident || e.where == parked && !e.HoldsLocks
}

// State knows every job that waits, runs, or is paused with its guest there.
type State struct {
	limits Limits
	node   string
	jobs   map[string]*entry

	needs   map[kind]*need        // of waiting jobs
	queues  map[want]*queue       // waiting jobs by what they lacked when they were last looked at
	open    map[*queue]struct{}   // those whose jobs may be able to start; never one too few
	sized   *btree.BTreeG[*queue] // those that lack memory, by how much they need
	rising  *btree.BTreeG[*entry] // waiting jobs that can rise, by when
	tenants tenants
	accrued time.Time // shares are up to date as of then

	running map[string]*entry // hold a slot
	parked  map[string]*entry
	plugins map[string]map[string]*entry // those of a plugin
	waiting map[string]int               // how many jobs of a plugin are in a queue
	locks   map[string]*lock
	owed    map[*entry]struct{} // waiting jobs that hold locks
	memory  int64               // sum of what holders hold
	kept    kept                // for whom locks or memory were kept at the last decision
	looks   int                 // how often it was asked what a job lacks: what a decision costs
}

// lock is who holds a named lock and who wants it.
type lock struct {
	holders map[string]*entry
	wanted  *btree.BTreeG[*entry] // by jobs that wait for it or for something else
	limits  map[int]int           // the limits that its jobs name → how many name it
	classes [High - Low + 1]int   // how many of wanted are in each class
}

// New returns an empty state. Jobs run on the node of that name.
func New(l Limits, node string) *State {
	return &State{
		limits:  l,
		node:    node,
		jobs:    map[string]*entry{},
		needs:   map[kind]*need{},
		queues:  map[want]*queue{},
		open:    map[*queue]struct{}{},
		sized:   newTree(bySize),
		rising:  newTree(func(a, b *entry) bool { return cmp.Or(a.rises.Compare(b.rises), cmp.Compare(a.ID, b.ID)) < 0 }),
		tenants: newTenants(),
		running: map[string]*entry{},
		parked:  map[string]*entry{},
		plugins: map[string]map[string]*entry{},
		waiting: map[string]int{},
		locks:   map[string]*lock{},
		owed:    map[*entry]struct{}{},
	}
}

func newTree[T any](less func(a, b T) bool) *btree.BTreeG[T] {
	return btree.NewBTreeGOptions(less, btree.Options{NoLocks: true, Degree: 16})
}

func bySubmit(a, b *entry) bool { return a.ID < b.ID }

// SetLimits changes the limits. Jobs that run keep running; where there are more
// than the new limits allow, nothing starts until enough have ended.
func (s *State) SetLimits(l Limits) {
	again := l.Ageing != s.limits.Ageing
	s.limits = l
	for _, t := range s.tenants.byName {
		s.restand(t)
	}
	s.reopenAll()
	if !again {
		return
	}
	for _, e := range s.jobs {
		if e.where == waiting {
			s.rising.Delete(e)
			e.aged = classOf(e.Job) // it rises anew, by the new time, at the next decision
			s.reclass(e, e.aged)
			s.scheduleRise(e)
		}
	}
}

// Wait puts a job in the queue, taking it from wherever it is.
func (s *State) Wait(j Job, now time.Time) { s.put(j, waiting, now) }

// Run gives a job its slot, taking it from wherever it is. It does not ask whether
// the limits allow it: that is what [State.Next] is for.
func (s *State) Run(j Job, now time.Time) { s.put(j, running, now) }

// Park keeps a job that is paused: it holds its locks, and its memory if its guest is
// there, and no slot.
func (s *State) Park(j Job, now time.Time) { s.put(j, parked, now) }

// Forget takes a job out, wherever it is. It is harmless for an unknown id.
func (s *State) Forget(id string, now time.Time) {
	e, ok := s.jobs[id]
	if !ok {
		return
	}
	s.accrue(now)
	delete(s.jobs, id)
	delete(s.parked, id)
	switch e.where {
	case waiting:
		s.dequeue(e)
	case running:
		s.release(e)
	}
	if e.hasMemory() {
		s.memory -= e.Memory
		s.memoryFreed()
	}
	for _, l := range e.Locks {
		s.unwant(l, e)
	}
	s.leave(e)
}

func (s *State) put(j Job, w where, now time.Time) {
	s.Forget(j.ID, now)
	s.accrue(now)
	e := &entry{Job: j, where: w}
	s.jobs[j.ID] = e
	s.join(e)
	for _, l := range e.Locks {
		s.want(l, e)
	}
	if e.hasMemory() {
		s.memory += e.Memory
	}
	switch w {
	case waiting:
		s.enqueue(e)
	case running:
		s.occupy(e)
	case parked:
		s.parked[e.ID] = e
	}
}

// occupy takes a slot.
func (s *State) occupy(e *entry) {
	s.running[e.ID] = e
	set, ok := s.plugins[e.Plugin]
	if !ok {
		set = map[string]*entry{}
		s.plugins[e.Plugin] = set
	}
	set[e.ID] = e
	e.tenant.running++
	s.restand(e.tenant)
}

// release gives a slot back.
func (s *State) release(e *entry) {
	delete(s.running, e.ID)
	set := s.plugins[e.Plugin]
	delete(set, e.ID)
	if len(set) == 0 {
		delete(s.plugins, e.Plugin)
	}
	e.tenant.running--
	s.restand(e.tenant)
	s.reopen(want{what: pluginSlot, name: e.Plugin})
}

// want notes that a job holds a lock or is going to.
func (s *State) want(named Lock, e *entry) {
	l, ok := s.locks[named.Name]
	if !ok {
		l = &lock{holders: map[string]*entry{}, wanted: newTree(bySubmit), limits: map[int]int{}}
		s.locks[named.Name] = l
	}
	l.limits[named.Limit]++
	if e.hasLocks() {
		l.holders[e.ID] = e
	} else {
		l.wanted.Set(e)
	}
}

func (s *State) unwant(named Lock, e *entry) {
	l := s.locks[named.Name]
	delete(l.holders, e.ID)
	l.wanted.Delete(e)
	if l.limits[named.Limit]--; l.limits[named.Limit] == 0 {
		delete(l.limits, named.Limit)
	}
	if len(l.limits) == 0 {
		delete(s.locks, named.Name)
	}
	s.reopen(want{what: namedLock, name: named.Name})
}

// lockLimit is the most jobs that may hold a lock: the least that anyone names,
// the operator included, so that it does not depend on who comes first.
func (s *State) lockLimit(name string) int {
	most := Of(s.limits.Locks, name)
	if l, ok := s.locks[name]; ok {
		for n := range l.limits {
			most = min(most, n)
		}
	}
	return most
}

// Running returns how many jobs hold a slot.
func (s *State) Running() int { return len(s.running) }

// Waiting returns how many jobs are in the queue.
func (s *State) Waiting() int { return len(s.jobs) - len(s.running) - len(s.parked) }

// TenantWaiting returns how many jobs of a tenant are in the queue.
func (s *State) TenantWaiting(name string) int {
	if t, ok := s.tenants.byName[name]; ok {
		return t.waiting
	}
	return 0
}

// PluginWaiting returns how many jobs of a plugin are in the queue.
func (s *State) PluginWaiting(name string) int { return s.waiting[name] }

// IsRunning reports whether the job holds a slot.
func (s *State) IsRunning(id string) bool {
	_, ok := s.running[id]
	return ok
}

// RunningIDs yields the jobs that hold a slot, in no order.
func (s *State) RunningIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range s.running {
			if !yield(id) {
				return
			}
		}
	}
}

// Memory returns the bytes that jobs hold.
func (s *State) Memory() int64 { return s.memory }
