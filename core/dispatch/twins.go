package dispatch

import (
	"cmp"
	"slices"
	"time"

	"thresher/core/job"
)

// twins are jobs with one cache key that could all run now. The first of them is
// the leader: it waits for a slot and runs. The others follow: they get its
// outcome, or one of them leads if it does not complete.
type twins struct {
	leader    map[string]string                // cache key → leader
	followers map[string]map[string]job.Record // leader → those that follow it
	follows   map[string]string                // follower → leader
}

func newTwins() twins {
	return twins{leader: map[string]string{}, followers: map[string]map[string]job.Record{}, follows: map[string]string{}}
}

// follow reports whether the job follows another. If there is none to follow, it
// leads from now on.
func (t twins) follow(r job.Record) bool {
	key := r.Spec.CacheKey
	if key == "" {
		return false
	}
	leader, led := t.leader[key]
	if !led || leader == r.ID {
		t.leader[key] = r.ID
		return false
	}
	if t.followers[leader] == nil {
		t.followers[leader] = map[string]job.Record{}
	}
	t.followers[leader][r.ID] = r
	t.follows[r.ID] = leader
	return true
}

func (t twins) leaderOf(follower string) string { return t.follows[follower] }

// leave takes a job out, and returns those that followed it in order of submit.
func (t twins) leave(r job.Record) (orphans []job.Record) {
	if leader, ok := t.follows[r.ID]; ok {
		delete(t.follows, r.ID)
		delete(t.followers[leader], r.ID)
		return nil
	}
	for _, f := range t.followers[r.ID] {
		orphans = append(orphans, f)
		delete(t.follows, f.ID)
	}
	delete(t.followers, r.ID)
	if t.leader[r.Spec.CacheKey] == r.ID {
		delete(t.leader, r.Spec.CacheKey)
	}
	slices.SortFunc(orphans, func(a, b job.Record) int { return cmp.Compare(a.ID, b.ID) })
	return orphans
}

// twinLeft lets the others go on without a job that has ended or does not want to
// run.
func (s *state) twinLeft(r job.Record, deleted bool, parents Parents, now time.Time) {
	if s.twins.leaderOf(r.ID) != "" {
		s.aside.remove(r.ID)
	}
	for _, f := range s.twins.leave(r) {
		s.aside.remove(f.ID)
		if !deleted && r.Phase == job.Completed {
			s.endings[f.ID] = Ending{Twin: r.ID}
			continue
		}
		s.queue(f, parents, now)
	}
}
