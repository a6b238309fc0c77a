package dispatch

import (
	"errors"
	"strings"
	"time"

	"thresher/core/job"
	"thresher/core/limit"
)

// state is what the dispatcher knows. It is pure: the dispatcher's lock guards it.
type state struct {
	limits Limits
	slots  *limit.State
	drain  drainRate

	elsewhere owners                // jobs that wait for something else than a slot: they count as waiting
	bulk      owners                // waiting jobs that bulk actions made
	room      chan struct{}         // closed when a job leaves the queue; nil if nobody waits for that
	held      held                  // those whose batch is on hold
	blocked   map[string]job.Record // those that wait for another's end or table
	parents   parents               // jobs that others need
	loans     loans                 // the priority that jobs lend those that they wait for
	paused    map[string]struct{}   // jobs that have not ended and are not to run
	coalesced coalesced             // jobs with one cache key
	modules   modules               // that jobs run on
	parked    parked                // jobs that lack something that they need
	granting  map[string]*grant     // grants on their way
	endings   map[string]Ending     // to be carried out
	ending    map[string]Ending     // being carried out
}

// grant is one that is not settled.
type grant struct {
	claimed bool       // a worker has taken it up
	looked  bool       // it was looked at since it was given
	record  job.Record // the newest change seen since; without an id if there is none
	deleted bool
}

func newState(l Limits, node string, loads bool) state {
	return state{
		limits:    l,
		slots:     limit.New(l.Limits, node),
		elsewhere: newOwners(),
		bulk:      newOwners(),
		held:      newHeld(),
		blocked:   map[string]job.Record{},
		parents:   newParents(),
		loans:     loans{},
		paused:    map[string]struct{}{},
		coalesced: newCoalesced(),
		modules:   newModules(loads),
		parked:    parked{},
		granting:  map[string]*grant{},
		endings:   map[string]Ending{},
		ending:    map[string]Ending{},
	}
}

// place puts a job where its record says it belongs.
func (s *state) place(r job.Record, deleted bool, now time.Time) {
	s.unblock(r.ID, now)
	delete(s.paused, r.ID)
	if s.held.remove(r.ID) || s.modules.remove(r.ID) || s.isParked(r.ID) {
		s.elsewhere.remove(r.ID) // it is added again if it still wants to run
	}
	delete(s.endings, r.ID)
	delete(s.ending, r.ID)
	s.countBulk(r, deleted)
	if deleted || r.Phase.Final() {
		s.slots.Forget(r.ID, now)
		s.gone(r, deleted, now)
		return
	}
	if r.Desired == job.WantPause {
		s.paused[r.ID] = struct{}{}
	}
	s.parents.add(r)
	s.parked.update(r)
	switch {
	case r.Phase == job.Running:
		s.slots.Run(entry(r), now)
		return
	case r.Lease != nil && r.Desired != job.WantRun:
		s.slots.Park(entry(r), now)
	case r.Lease != nil:
		s.wait(r, now) // its guest is parked here and wants its slot back
	case r.Desired != job.WantRun:
		s.setAside(r, now)
	default:
		s.queue(r, now)
		return
	}
	s.leaveCoalesced(r, deleted, now)
}

// wait lets a job wait for a slot.
func (s *state) wait(r job.Record, now time.Time) {
	j := entry(r)
	j.Lent = int8(s.loans.lent(r.ID))
	s.slots.Wait(j, now)
}

// setAside keeps a job from waiting for a slot. It keeps the locks that it holds.
func (s *state) setAside(r job.Record, now time.Time) {
	if r.HoldsLocks() {
		s.slots.Park(entry(r), now)
		return
	}
	s.slots.Forget(r.ID, now)
}

// gone lets the others go on once a job has ended, also while its grant is not
// settled. A second time does nothing.
func (s *state) gone(r job.Record, deleted bool, now time.Time) {
	s.parents.remove(r.ID)
	s.unparkEnded(r.ID)
	s.parentEnded(r.ID, r, deleted, now)
	s.leaveCoalesced(r, deleted, now)
}

// queue lets a pending job wait for its batch, for its parents, for the job that it is
// coalesced with, for its module, for a slot, or for its end.
func (s *state) queue(r job.Record, now time.Time) {
	if s.held.add(r) {
		s.setAside(r, now)
		s.leaveCoalesced(r, false, now)
		s.elsewhere.add(r.ID, ownerOf(r))
		return
	}
	waits, failure := s.await(r, now)
	switch {
	case failure != nil:
		s.setAside(r, now)
		s.endings[r.ID] = Ending{Failure: failure}
	case waits:
		s.setAside(r, now)
	case s.follow(r, now), s.modules.await(r), s.isParked(r.ID):
		s.setAside(r, now)
		s.elsewhere.add(r.ID, ownerOf(r))
	default:
		s.wait(r, now)
	}
}

// ended takes in what came of an ending that was carried out, unless the job has moved
// on meanwhile.
func (s *state) ended(id string, how Ending, err error, now time.Time) {
	if _, still := s.ending[id]; !still {
		return
	}
	delete(s.ending, id)
	switch {
	case errors.Is(err, ErrOutcomeGone):
		s.queue(how.record, now)
	case err != nil:
		s.endings[id] = how // asked for again with the next look
	}
}

// grantNext reserves a slot for the next job. Until the grant is settled the job
// keeps that slot, whatever happens to its record.
func (s *state) grantNext(now time.Time) (id string, ok bool) {
	next, ok := s.slots.Next(now)
	if !ok {
		return "", false
	}
	s.slots.Run(next, now)
	s.granting[next.ID] = &grant{}
	s.leftQueue(next.ID)
	return next.ID, true
}

func (s *state) claim(id string) bool {
	g := s.granting[id]
	if g == nil || g.claimed {
		return false
	}
	g.claimed = true
	return true
}

// lost returns the grants that were looked at before and are still not taken up.
func (s *state) lost() (ids []string) {
	for id, g := range s.granting {
		if g.looked && !g.claimed {
			ids = append(ids, id)
		}
		g.looked = true
	}
	return ids
}

// unwritten reports whether nothing was written of a grant: then its record is still to
// be looked up before the grant is settled.
func (s *state) unwritten(id string) bool {
	g := s.granting[id]
	return g != nil && g.record.ID == ""
}

// settle ends a grant. looked is the job's record, looked up after the last change to it
// that was observed, if any.
func (s *state) settle(id string, looked job.Record, found bool, now time.Time) {
	seen := s.granting[id]
	delete(s.granting, id)
	switch {
	case seen == nil:
	case seen.record.ID != "":
		s.place(seen.record, seen.deleted, now)
	case found:
		s.place(looked, false, now)
	default: // it was deleted: that is observed in a moment
		s.slots.Forget(id, now)
	}
}

// admitted reports whether the job's record is on its way.
func (s *state) admitted(id string) bool {
	_, blocked := s.blocked[id]
	return !blocked && !s.held.waits(id) && !s.isParked(id) && s.coalesced.leaderOf(id) == "" && s.modules.waitsOn(id) == "" && s.elsewhere.has(id)
}

func (s *state) waitsOn(id string) string {
	if batch, ok := s.held.batchOf[id]; ok {
		return "batch " + batch
	}
	if r, ok := s.blocked[id]; ok {
		return "job " + strings.Join(s.awaited(r), ", ")
	}
	if leader := s.coalesced.leaderOf(id); leader != "" {
		return "twin " + leader
	}
	if on := s.modules.waitsOn(id); on != "" {
		return on
	}
	_, due := s.endings[id]
	if _, ending := s.ending[id]; due || ending {
		return "end"
	}
	if s.granting[id] != nil {
		return "start"
	}
	if r, ok := s.parked[id]; ok && s.elsewhere.has(id) {
		return r.Why
	}
	return s.slots.WaitsOn(id)
}

func entry(r job.Record) limit.Job {
	j := limit.Job{
		ID:       r.ID,
		Tenant:   r.Tenant,
		Plugin:   r.Spec.Plugin(),
		Priority: int8(r.Spec.Priority),
		Since:    r.Created,
		Memory:   r.Spec.Limits.MemoryBytes,
		Resident: r.Lease != nil,

		HoldsLocks: r.Lease == nil && r.HoldsLocks(),
	}
	for _, l := range r.Spec.Locks {
		j.Locks = append(j.Locks, limit.Lock{Name: l.Name, Limit: max(l.Limit, 1)})
	}
	return j
}
