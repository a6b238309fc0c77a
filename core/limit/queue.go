package limit

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/btree"
)

// kind is what a waiting job needs beside a slot: all jobs of a kind can start, or
// none of a tenant can.
type kind struct {
	plugin   string
	resident bool
	memory   int64
	locks    string // names, joined by a byte that is in none
}

func kindOf(j Job) kind {
	if j.Resident {
		return kind{plugin: j.Plugin, resident: true}
	}
	names := make([]string, len(j.Locks))
	for i, l := range j.Locks {
		names[i] = l.Name
	}
	return kind{plugin: j.Plugin, memory: j.Memory, locks: strings.Join(names, "\x00")}
}

// queue is the waiting jobs of one kind.
type queue struct {
	kind    kind
	locks   []Lock
	classes [High - Low + 1]class
	n       int
}

// class is those of one priority, as it has risen: the tenants in order, and the
// jobs of each in order.
type class struct {
	jobs  map[*tenant]*btree.BTreeG[*entry]
	order *btree.BTreeG[standing]
}

func (s *State) enqueue(e *entry) {
	k := kindOf(e.Job)
	q, ok := s.queues[k]
	if !ok {
		q = &queue{kind: k, locks: e.Locks}
		for i := range q.classes {
			q.classes[i] = class{
				jobs:  map[*tenant]*btree.BTreeG[*entry]{},
				order: newTree(func(a, b standing) bool { return a.compare(b) < 0 }),
			}
		}
		s.queues[k] = q
	}
	e.queue = q
	e.class = int(min(max(e.Priority, Low), High)) - Low
	q.n++
	e.tenant.waiting++
	s.waiting[e.Plugin]++
	q.classes[e.class].add(e)
	s.scheduleRise(e)
}

func (s *State) dequeue(e *entry) {
	q := e.queue
	q.classes[e.class].remove(e)
	s.rising.Delete(e)
	e.tenant.waiting--
	if s.waiting[e.Plugin]--; s.waiting[e.Plugin] == 0 {
		delete(s.waiting, e.Plugin)
	}
	if q.n--; q.n == 0 {
		delete(s.queues, q.kind)
	}
}

func (c *class) add(e *entry) {
	jobs, ok := c.jobs[e.tenant]
	if !ok {
		jobs = newTree(bySubmit)
		c.jobs[e.tenant] = jobs
		c.order.Set(e.tenant.stands)
		e.tenant.classes[c] = struct{}{}
	}
	jobs.Set(e)
}

func (c *class) remove(e *entry) {
	jobs := c.jobs[e.tenant]
	jobs.Delete(e)
	if jobs.Len() == 0 {
		delete(c.jobs, e.tenant)
		c.order.Delete(e.tenant.stands)
		delete(e.tenant.classes, c)
	}
}

// head returns the first in order, or nil if no tenant may start any.
func (q *queue) head() *entry {
	for i := len(q.classes) - 1; i >= 0; i-- {
		c := &q.classes[i]
		if first, ok := c.order.Min(); ok && !first.full {
			e, _ := c.jobs[first.tenant].Min()
			return e
		}
	}
	return nil
}

// before orders jobs of different kinds.
func (e *entry) before(o *entry) bool {
	return cmp.Or(cmp.Compare(o.class, e.class), e.tenant.stands.compare(o.tenant.stands), cmp.Compare(e.ID, o.ID)) < 0
}

// scheduleRise notes when the job's priority rises next.
func (s *State) scheduleRise(e *entry) {
	risen := e.class - (int(min(max(e.Priority, Low), High)) - Low)
	if s.limits.Ageing <= 0 || e.class == len(e.queue.classes)-1 {
		return
	}
	e.rises = e.Since.Add(time.Duration(risen+1) * s.limits.Ageing)
	s.rising.Set(e)
}

// rise raises the priority of the jobs that have waited long enough.
func (s *State) rise(now time.Time) {
	for {
		e, ok := s.rising.Min()
		if !ok || e.rises.After(now) {
			return
		}
		s.rising.Delete(e)
		e.queue.classes[e.class].remove(e)
		e.class++
		e.queue.classes[e.class].add(e)
		s.scheduleRise(e)
	}
}

// Next returns the job that should start now: the first in order among those that
// the limits let run. The caller then calls Run with it. It takes time logarithmic
// in the jobs and tenants, for each kind of need (plugin, memory, locks) that
// waiting jobs have.
func (s *State) Next(now time.Time) (Job, bool) {
	s.accrue(now)
	s.rise(now)
	if s.slotsFull() != "" {
		return Job{}, false
	}
	s.kept = s.keepFor(now)
	var best *entry
	for _, q := range s.queues {
		if s.lacks(q.kind, q.locks) != "" {
			continue
		}
		if e := q.head(); e != nil && (best == nil || e.before(best)) && !s.kept.from(e) {
			best = e
		}
	}
	if best == nil {
		return Job{}, false
	}
	return best.Job, true
}

// slotsFull names the slots that are all taken, whoever asks.
func (s *State) slotsFull() string {
	switch {
	case len(s.running) >= s.limits.Slots:
		return "slots"
	case len(s.running) >= Of(s.limits.NodeSlots, s.node):
		return "node slots"
	}
	return ""
}

// lacks names what jobs of a kind cannot have now.
func (s *State) lacks(k kind, locks []Lock) string {
	if len(s.plugins[k.plugin]) >= Of(s.limits.PluginSlots, k.plugin) {
		return "plugin slots"
	}
	if k.resident {
		return ""
	}
	for _, l := range locks {
		if len(s.locks[l.Name].holders) >= s.lockLimit(l.Name) {
			return "lock " + l.Name
		}
	}
	if s.limits.MemoryBytes > 0 && s.memory+k.memory > s.limits.MemoryBytes {
		return "memory"
	}
	return ""
}

// kept is what is kept for a job that has waited too long for locks or memory:
// its locks, and all memory if that is what it lacks.
type kept struct {
	job    *entry
	memory bool
}

// from reports whether another job may not start for its sake.
func (k kept) from(e *entry) bool { return k.what(e) != "" }

// what names what is kept from another job.
func (k kept) what(e *entry) string {
	if k.job == nil || k.job == e || e.Resident {
		return ""
	}
	if k.memory && e.Memory > 0 {
		return "memory"
	}
	for _, l := range e.Locks {
		if slices.ContainsFunc(k.job.Locks, func(wanted Lock) bool { return l.Name == wanted.Name }) {
			return "lock " + l.Name
		}
	}
	return ""
}

// keepFor finds the job that has waited longest past the patience for locks or
// memory that others hold, and that can have them once those let go.
func (s *State) keepFor(now time.Time) (longest kept) {
	if s.limits.Patience <= 0 {
		return longest
	}
	for _, q := range s.queues {
		lacks := s.lacks(q.kind, q.locks)
		if lacks == "" || lacks == "plugin slots" || !s.couldHave(q) {
			continue
		}
		e := q.head()
		if e != nil && now.Sub(e.Since) >= s.limits.Patience && (longest.job == nil || e.ID < longest.job.ID) {
			longest = kept{job: e, memory: lacks == "memory"}
		}
	}
	return longest
}

// couldHave reports whether the limits would let a job of this kind run alone.
func (s *State) couldHave(q *queue) bool {
	for _, l := range q.locks {
		if s.lockLimit(l.Name) < 1 {
			return false
		}
	}
	return s.limits.MemoryBytes <= 0 || q.kind.memory <= s.limits.MemoryBytes
}

// WaitsOn says what a waiting job waits for: "tenant slots", "plugin slots",
// "lock NAME", "memory", "node slots", or "slots", which also stands for its turn.
// It is empty for a job that is not in the queue.
func (s *State) WaitsOn(id string) string {
	e, ok := s.jobs[id]
	if !ok || e.where != waiting {
		return ""
	}
	if e.tenant.stands.full {
		return "tenant slots"
	}
	return cmp.Or(s.lacks(e.queue.kind, e.Locks), s.slotsFull(), s.kept.what(e), "slots")
}

// Held is a named lock, who holds it and who waits for it.
type Held struct {
	Name    string
	Limit   int      // most holders
	Holders []string // jobs, in order of submit
	Waiters []string // likewise; the first of them
	Waiting int      // how many wait
}

// MaxWaiters is how many waiters of a lock are named.
const MaxWaiters = 100

// Locks lists the named locks that jobs hold or wait for, by name.
func (s *State) Locks() []Held {
	list := make([]Held, 0, len(s.locks))
	for name, l := range s.locks {
		h := Held{Name: name, Limit: s.lockLimit(name), Waiting: l.wanted.Len()}
		for id := range l.holders {
			h.Holders = append(h.Holders, id)
		}
		slices.Sort(h.Holders)
		l.wanted.Scan(func(e *entry) bool {
			h.Waiters = append(h.Waiters, e.ID)
			return len(h.Waiters) < MaxWaiters
		})
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b Held) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
