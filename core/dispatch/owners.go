package dispatch

import "thresher/core/job"

// owners is a set of jobs, counted by tenant and by plugin.
type owners struct {
	jobs     map[string]owner
	ofTenant map[string]int // how many are a tenant's
	ofPlugin map[string]int
}

// owner is whose queues a job is counted in.
type owner struct{ tenant, plugin string }

func ownerOf(r job.Record) owner { return owner{r.Tenant, r.Spec.Plugin()} }

func newOwners() owners {
	return owners{jobs: map[string]owner{}, ofTenant: map[string]int{}, ofPlugin: map[string]int{}}
}

func (s owners) add(id string, o owner) {
	s.remove(id)
	s.jobs[id] = o
	s.ofTenant[o.tenant]++
	s.ofPlugin[o.plugin]++
}

func (s owners) remove(id string) {
	o, ok := s.jobs[id]
	if !ok {
		return
	}
	delete(s.jobs, id)
	subtract(s.ofTenant, o.tenant)
	subtract(s.ofPlugin, o.plugin)
}

// subtract takes one from a count, and the count away with the last.
func subtract(counts map[string]int, name string) {
	if counts[name]--; counts[name] == 0 {
		delete(counts, name)
	}
}

func (s owners) has(id string) bool {
	_, ok := s.jobs[id]
	return ok
}

func (s owners) len() int { return len(s.jobs) }
