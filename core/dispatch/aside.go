package dispatch

import "thresher/core/job"

// aside is the jobs that wait elsewhere than for a slot: for a parent, for the
// job that they are coalesced with, or for their record to be written. They count as waiting.
type aside struct {
	jobs     map[string]owner
	ofTenant map[string]int // how many are a tenant's
	ofPlugin map[string]int
}

// owner is whose queues a job is counted in.
type owner struct{ tenant, plugin string }

func ownerOf(r job.Record) owner { return owner{r.Tenant, r.Spec.Plugin()} }

func newAside() aside {
	return aside{jobs: map[string]owner{}, ofTenant: map[string]int{}, ofPlugin: map[string]int{}}
}

func (a aside) add(id string, o owner) {
	a.remove(id)
	a.jobs[id] = o
	a.ofTenant[o.tenant]++
	a.ofPlugin[o.plugin]++
}

func (a aside) remove(id string) {
	o, ok := a.jobs[id]
	if !ok {
		return
	}
	delete(a.jobs, id)
	subtract(a.ofTenant, o.tenant)
	subtract(a.ofPlugin, o.plugin)
}

// subtract takes one from a count, and the count away with the last.
func subtract(counts map[string]int, name string) {
	if counts[name]--; counts[name] == 0 {
		delete(counts, name)
	}
}

func (a aside) has(id string) bool {
	_, ok := a.jobs[id]
	return ok
}

func (a aside) len() int { return len(a.jobs) }
