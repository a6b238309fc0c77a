package dispatch

import "thresher/core/job"

// elsewhere is the jobs that wait for something else than a slot: for a parent, for the
// job that they are coalesced with, or for their record to be written. They count as waiting.
type elsewhere struct {
	jobs     map[string]owner
	ofTenant map[string]int // how many are a tenant's
	ofPlugin map[string]int
}

// owner is whose queues a job is counted in.
type owner struct{ tenant, plugin string }

func ownerOf(r job.Record) owner { return owner{r.Tenant, r.Spec.Plugin()} }

func newElsewhere() elsewhere {
	return elsewhere{jobs: map[string]owner{}, ofTenant: map[string]int{}, ofPlugin: map[string]int{}}
}

func (e elsewhere) add(id string, o owner) {
	e.remove(id)
	e.jobs[id] = o
	e.ofTenant[o.tenant]++
	e.ofPlugin[o.plugin]++
}

func (e elsewhere) remove(id string) {
	o, ok := e.jobs[id]
	if !ok {
		return
	}
	delete(e.jobs, id)
	subtract(e.ofTenant, o.tenant)
	subtract(e.ofPlugin, o.plugin)
}

// subtract takes one from a count, and the count away with the last.
func subtract(counts map[string]int, name string) {
	if counts[name]--; counts[name] == 0 {
		delete(counts, name)
	}
}

func (e elsewhere) has(id string) bool {
	_, ok := e.jobs[id]
	return ok
}

func (e elsewhere) len() int { return len(e.jobs) }
