package limit

import (
	"cmp"
	"time"

	"github.com/tidwall/btree"
)

// tenant is one tenant's part in the order of jobs.
type tenant struct {
	name    string
	share   float64             // slot-seconds by weight
	running int                 // of its jobs, those that hold a slot
	waiting int                 // those in a queue
	jobs    int                 // all of its jobs that are known
	classes map[*class]struct{} // where its jobs wait
	stands  standing            // as in the orders that it is in
}

// standing is where a tenant stands in the order. It is a copy, so that an order
// can be searched for it after the tenant has moved on.
type standing struct {
	full    bool // it has all the slots that it may have
	share   float64
	running int
	tenant  *tenant
}

func (a standing) compare(b standing) int {
	if a.full != b.full {
		if a.full {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(a.share, b.share), cmp.Compare(a.running, b.running), cmp.Compare(a.tenant.name, b.tenant.name))
}

func byShare(a, b standing) bool {
	return cmp.Or(cmp.Compare(a.share, b.share), cmp.Compare(a.tenant.name, b.tenant.name)) < 0
}

// tenants are the tenants with jobs, and those that have used more than their
// share lately.
type tenants struct {
	byName map[string]*tenant
	active *btree.BTreeG[standing] // with jobs
	idle   *btree.BTreeG[standing] // without, and ahead of floor
	floor  float64                 // the least share of an active tenant, as far as it has come
}

func newTenants() tenants {
	return tenants{byName: map[string]*tenant{}, active: newTree(byShare), idle: newTree(byShare)}
}

// join adds a job to its tenant.
func (s *State) join(e *entry) {
	t, ok := s.tenants.byName[e.Tenant]
	if !ok {
		t = &tenant{name: e.Tenant, classes: map[*class]struct{}{}}
		s.tenants.byName[e.Tenant] = t
	}
	if t.jobs == 0 {
		if ok {
			s.tenants.idle.Delete(t.stands)
		}
		t.share = max(t.share, s.tenants.floor) // what it did not use is not saved up for it
		t.stands = s.standing(t)
		s.tenants.active.Set(t.stands)
	}
	t.jobs++
	e.tenant = t
}

// leave takes a job from its tenant. A tenant without jobs is remembered for as
// long as it has used more than the others.
func (s *State) leave(e *entry) {
	t := e.tenant
	if t.jobs--; t.jobs > 0 {
		return
	}
	s.tenants.active.Delete(t.stands)
	if t.share > s.tenants.floor {
		s.tenants.idle.Set(t.stands)
		return
	}
	delete(s.tenants.byName, t.name)
}

func (s *State) standing(t *tenant) standing {
	return standing{
		full:    t.running >= Of(s.limits.TenantSlots, t.name),
		share:   t.share,
		running: t.running,
		tenant:  t,
	}
}

// restand moves a tenant with jobs to where it now belongs in the orders that it
// is in.
func (s *State) restand(t *tenant) {
	now := s.standing(t)
	if now == t.stands || t.jobs == 0 {
		return
	}
	for c := range t.classes {
		c.order.Delete(t.stands)
		c.order.Set(now)
	}
	s.tenants.active.Delete(t.stands)
	s.tenants.active.Set(now)
	t.stands = now
}

// accrual is how often running jobs are charged at most: finer would cost more
// than it tells.
const accrual = 10 * time.Millisecond

// accrue charges the tenants for the slots that their jobs have held.
func (s *State) accrue(now time.Time) {
	passed := now.Sub(s.accrued)
	if 0 <= passed && passed < accrual {
		return
	}
	if s.accrued.IsZero() || passed < 0 {
		passed = 0 // the first time, or the clock was set back
	}
	s.accrued = now
	charged := map[*tenant]struct{}{}
	for _, e := range s.running {
		charged[e.tenant] = struct{}{}
	}
	for t := range charged {
		t.share += float64(t.running) * passed.Seconds() / s.weight(t.name)
		s.restand(t)
	}
	s.tenants.raiseFloor()
}

func (t *tenants) raiseFloor() {
	if least, ok := t.active.Min(); ok {
		t.floor = max(t.floor, least.share)
	}
	for {
		least, ok := t.idle.Min()
		if !ok || least.share > t.floor {
			return
		}
		t.idle.Delete(least)
		delete(t.byName, least.tenant.name)
	}
}

func (s *State) weight(name string) float64 {
	for _, key := range []string{name, Any} {
		if w := s.limits.Weights[key]; w > 0 {
			return w
		}
	}
	return 1
}
