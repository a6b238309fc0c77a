package dispatch

// aside is the jobs that wait elsewhere than for a slot: for a parent, for a twin,
// or for their record to be written. They count as waiting.
type aside struct {
	tenant map[string]string              // job → tenant
	jobs   map[string]map[string]struct{} // tenant → jobs
}

func newAside() aside {
	return aside{tenant: map[string]string{}, jobs: map[string]map[string]struct{}{}}
}

func (a aside) add(id, tenant string) {
	a.remove(id)
	a.tenant[id] = tenant
	if a.jobs[tenant] == nil {
		a.jobs[tenant] = map[string]struct{}{}
	}
	a.jobs[tenant][id] = struct{}{}
}

func (a aside) remove(id string) {
	tenant, ok := a.tenant[id]
	if !ok {
		return
	}
	delete(a.tenant, id)
	delete(a.jobs[tenant], id)
	if len(a.jobs[tenant]) == 0 {
		delete(a.jobs, tenant)
	}
}

func (a aside) has(id string) bool {
	_, ok := a.tenant[id]
	return ok
}

func (a aside) len() int { return len(a.tenant) }

func (a aside) count(tenant string) int { return len(a.jobs[tenant]) }
