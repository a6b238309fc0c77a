package dispatch

import (
	"fmt"
	"time"

	"thresher/core/job"
)

// need is a job that another waits for: for its table, if one is named.
type need struct {
	job   string
	table string
	what  string // as the failure of the one that waits names it
}

func needs(r job.Record) []need {
	var list []need
	for name, in := range r.Spec.Inputs {
		if in.Job != "" && in.Digest == "" { // a pinned table stays, whatever becomes of the job
			list = append(list, need{job: in.Job, table: in.Table, what: "input " + name})
		}
	}
	for _, id := range r.Spec.After {
		list = append(list, need{job: id, what: "after"})
	}
	return list
}

// await blocks a job on those that it needs and that have not ended. It reports
// whether there are any, or why it can never start.
func (s *state) await(r job.Record, parents Parents) (waits bool, failure *job.Error) {
	for _, n := range needs(r) {
		parent, found := parents(n.job)
		if found && !parent.Phase.Final() {
			waits = true
			s.block(r, n.job)
			continue
		}
		if detail := n.unmet(parent, found); detail != "" {
			return false, &job.Error{Code: "dependency_failed", Title: "A job that this one needs did not complete", Detail: detail}
		}
	}
	return waits, nil
}

// unmet says why a job that has ended is not what was needed.
func (n need) unmet(parent job.Record, found bool) string {
	switch {
	case !found:
		return fmt.Sprintf("%s: job %s is gone", n.what, n.job)
	case parent.Phase != job.Completed:
		return fmt.Sprintf("%s: job %s is %s", n.what, n.job, parent.Phase)
	case n.table != "" && !hasTable(parent, n.table):
		return fmt.Sprintf("%s: job %s wrote no table %q", n.what, n.job, n.table)
	}
	return ""
}

func hasTable(r job.Record, table string) bool {
	if r.Outcome == nil {
		return false
	}
	for _, t := range r.Outcome.Tables {
		if t.Name == table {
			return true
		}
	}
	return false
}

func (s *state) block(r job.Record, parent string) {
	s.blocked[r.ID] = r
	s.aside.add(r.ID, ownerOf(r))
	if s.children[parent] == nil {
		s.children[parent] = map[string]struct{}{}
	}
	s.children[parent][r.ID] = struct{}{}
}

func (s *state) unblock(id string) {
	r, ok := s.blocked[id]
	if !ok {
		return
	}
	delete(s.blocked, id)
	s.aside.remove(id)
	for _, n := range needs(r) {
		delete(s.children[n.job], id)
		if len(s.children[n.job]) == 0 {
			delete(s.children, n.job)
		}
	}
}

// parentEnded looks again at the jobs that waited for id.
func (s *state) parentEnded(id string, parents Parents, now time.Time) {
	waiters := s.children[id]
	delete(s.children, id)
	for child := range waiters {
		r := s.blocked[child]
		s.unblock(child)
		s.queue(r, parents, now)
	}
}

// dependents is which jobs that have not ended need which others: those must not
// be deleted.
type dependents struct {
	needs map[string][]string            // job → those that it needs
	by    map[string]map[string]struct{} // job → those that need it
}

func newDependents() dependents {
	return dependents{needs: map[string][]string{}, by: map[string]map[string]struct{}{}}
}

func (d dependents) remove(id string) {
	for _, parent := range d.needs[id] {
		delete(d.by[parent], id)
		if len(d.by[parent]) == 0 {
			delete(d.by, parent)
		}
	}
	delete(d.needs, id)
}

func (d dependents) add(r job.Record) {
	d.remove(r.ID)
	for _, n := range needs(r) {
		d.needs[r.ID] = append(d.needs[r.ID], n.job)
		if d.by[n.job] == nil {
			d.by[n.job] = map[string]struct{}{}
		}
		d.by[n.job][r.ID] = struct{}{}
	}
}
