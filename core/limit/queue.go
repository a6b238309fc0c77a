package limit

import (
	"cmp"
	"strings"
	"time"

	"github.com/tidwall/btree"
)

// kind is what a waiting job needs beside a slot.
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
	if j.HoldsLocks {
		return kind{plugin: j.Plugin, memory: j.Memory}
	}
	names := make([]string, len(j.Locks))
	for i, l := range j.Locks {
		names[i] = l.Name
	}
	return kind{plugin: j.Plugin, memory: j.Memory, locks: strings.Join(names, "\x00")}
}

// light reports whether the jobs take no memory when they start.
func (k kind) light() bool { return k.resident || k.memory == 0 }

// need is a kind that jobs wait with. All of its jobs can have it, or none can.
type need struct {
	kind
	locks  []Lock
	groups map[rank]*group
}

// rank is what jobs of one need differ in, beside the time of their submit.
type rank struct {
	tenant *tenant
	class  int
}

// group is the waiting jobs of one need, tenant and class. It moves between queues as
// one.
type group struct {
	need *need
	rank
	jobs  *btree.BTreeG[*entry]
	first *entry // of jobs; by it the group is found in its queue
	queue *queue
}

// queue is the groups that lacked the same when they were last looked at.
type queue struct {
	wants   want
	classes [High - Low + 1]class
	n       int // groups
}

// class is those of one priority, as it has risen: the tenants in order, and the
// groups of each by their first job.
type class struct {
	groups map[*tenant]*btree.BTreeG[*group]
	order  *btree.BTreeG[standing]
}

func (q *queue) add(g *group) {
	g.queue = q
	q.n++
	c := &q.classes[g.class]
	if c.groups == nil {
		c.groups = map[*tenant]*btree.BTreeG[*group]{}
		c.order = newTree(func(a, b standing) bool { return a.compare(b) < 0 })
	}
	groups, ok := c.groups[g.tenant]
	if !ok {
		groups = newTree(byFirst)
		c.groups[g.tenant] = groups
		c.order.Set(g.tenant.stands)
		g.tenant.classes[c] = struct{}{}
	}
	groups.Set(g)
}

func byFirst(a, b *group) bool { return bySubmit(a.first, b.first) }

func (q *queue) remove(g *group) {
	q.n--
	c := &q.classes[g.class]
	groups := c.groups[g.tenant]
	groups.Delete(g)
	if groups.Len() == 0 {
		delete(c.groups, g.tenant)
		c.order.Delete(g.tenant.stands)
		delete(g.tenant.classes, c)
	}
}

// head returns the first group of a class, or nil if no tenant may start any.
func (c *class) head() *group {
	if c.order == nil {
		return nil
	}
	first, ok := c.order.Min()
	if !ok || first.full {
		return nil
	}
	g, _ := c.groups[first.tenant].Min()
	return g
}

// head returns the first group in order, or nil if no tenant may start any.
func (q *queue) head() *group {
	for i := len(q.classes) - 1; i >= 0; i-- {
		if g := q.classes[i].head(); g != nil {
			return g
		}
	}
	return nil
}

// before orders waiting jobs.
func (e *entry) before(o *entry) bool {
	return cmp.Or(cmp.Compare(o.class, e.class), e.tenant.stands.compare(o.tenant.stands), cmp.Compare(e.ID, o.ID)) < 0
}

func (s *State) enqueue(e *entry) {
	e.aged = classOf(e.Job)
	e.class = e.aged
	e.tenant.waiting++
	s.waiting[e.Plugin]++
	s.lineUp(e)
	s.scheduleRise(e)
	if e.hasLocks() && len(e.Locks) > 0 {
		s.owed[e] = struct{}{}
	}
}

// AboveLow counts the classes from [Low] to that of a priority.
func AboveLow(priority int8) int { return int(min(max(priority, Low), High)) - Low }

// classOf is the index of the class that a job begins in.
func classOf(j Job) int { return max(AboveLow(j.Priority), min(int(j.Lent), High-Low)) }

func (s *State) dequeue(e *entry) {
	delete(s.owed, e)
	s.rising.Delete(e)
	e.tenant.waiting--
	if s.waiting[e.Plugin]--; s.waiting[e.Plugin] == 0 {
		delete(s.waiting, e.Plugin)
	}
	s.stepOut(e)
}

// lineUp puts a job in its group, and a new group in the queue of what it lacks.
func (s *State) lineUp(e *entry) {
	s.countWant(e, 1)
	k := kindOf(e.Job)
	n, ok := s.needs[k]
	if !ok {
		n = &need{kind: k, groups: map[rank]*group{}}
		if !e.hasLocks() {
			n.locks = e.Locks
		}
		s.needs[k] = n
	}
	r := rank{e.tenant, e.class}
	g, ok := n.groups[r]
	if !ok {
		g = &group{need: n, rank: r, jobs: newTree(bySubmit), first: e}
		n.groups[r] = g
		s.queue(s.lacksNow(n)).add(g)
	}
	e.group = g
	g.jobs.Set(e)
	if bySubmit(e, g.first) {
		g.queue.remove(g)
		g.first = e
		g.queue.add(g)
	}
}

// stepOut takes a job out of its group.
func (s *State) stepOut(e *entry) {
	s.countWant(e, -1)
	g := e.group
	g.jobs.Delete(e)
	if g.first != e {
		return
	}
	q := g.queue
	q.remove(g)
	first, ok := g.jobs.Min()
	if ok {
		g.first = first
		q.add(g)
		return
	}
	s.tidy(q)
	delete(g.need.groups, g.rank)
	if len(g.need.groups) == 0 {
		delete(s.needs, g.need.kind)
	}
}

// scheduleRise notes when the job's priority rises next.
func (s *State) scheduleRise(e *entry) {
	risen := e.aged - classOf(e.Job)
	if s.limits.Ageing <= 0 || e.aged == High-Low {
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
		e.aged++
		s.reclass(e, max(e.class, e.aged))
		s.scheduleRise(e)
	}
}
