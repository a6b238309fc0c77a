package dispatch

import (
	"cmp"
	"slices"
	"time"

	"thresher/core/job"
)

// coalesced is the jobs that share a run, because they have one cache key and could all
// run now. The first of them is the leader: it waits for a slot and runs. The others
// follow: they get its outcome, or one of them leads if it does not complete.
type coalesced struct {
	leader    map[string]string                // cache key → leader
	followers map[string]map[string]job.Record // leader → those that follow it
	follows   map[string]string                // follower → leader
}

func newCoalesced() coalesced {
	return coalesced{leader: map[string]string{}, followers: map[string]map[string]job.Record{}, follows: map[string]string{}}
}

// follow reports whether the job follows another. If there is none to follow, it
// leads from now on.
func (c coalesced) follow(r job.Record) bool {
	key := r.Spec.CacheKey
	if key == "" {
		return false
	}
	leader, led := c.leader[key]
	if !led || leader == r.ID {
		c.leader[key] = r.ID
		return false
	}
	if c.followers[leader] == nil {
		c.followers[leader] = map[string]job.Record{}
	}
	c.followers[leader][r.ID] = r
	c.follows[r.ID] = leader
	return true
}

func (c coalesced) leaderOf(follower string) string { return c.follows[follower] }

// leave takes a job out, and returns those that followed it in order of submit.
func (c coalesced) leave(r job.Record) (orphans []job.Record) {
	if leader, ok := c.follows[r.ID]; ok {
		delete(c.follows, r.ID)
		delete(c.followers[leader], r.ID)
		return nil
	}
	for _, f := range c.followers[r.ID] {
		orphans = append(orphans, f)
		delete(c.follows, f.ID)
	}
	delete(c.followers, r.ID)
	if c.leader[r.Spec.CacheKey] == r.ID {
		delete(c.leader, r.Spec.CacheKey)
	}
	slices.SortFunc(orphans, func(a, b job.Record) int { return cmp.Compare(a.ID, b.ID) })
	return orphans
}

// follow lets a job follow the one that it is coalesced with, if there is one. A job that
// was paused and holds its locks runs itself: the other could wait for these.
func (s *state) follow(r job.Record, now time.Time) bool {
	if r.HoldsLocks() || !s.coalesced.follow(r) {
		return false
	}
	s.lend(r, []string{s.coalesced.leaderOf(r.ID)}, now)
	return true
}

// leaveCoalesced lets the others go on without a job that has ended or does not want to
// run.
func (s *state) leaveCoalesced(r job.Record, deleted bool, now time.Time) {
	if s.coalesced.leaderOf(r.ID) != "" {
		s.elsewhere.remove(r.ID)
		s.lend(r, nil, now)
	}
	for _, f := range s.coalesced.leave(r) {
		s.elsewhere.remove(f.ID)
		s.lend(f, nil, now)
		if !deleted && r.Phase == job.Completed {
			s.endings[f.ID] = Ending{Leader: r.ID, record: f}
			continue
		}
		s.queue(f, now)
	}
}
