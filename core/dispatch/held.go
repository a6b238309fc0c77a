package dispatch

import (
	"time"

	"github.com/tidwall/btree"

	"thresher/core/job"
)

// held is the batches that are on hold, and their jobs that would wait for a slot
// otherwise. A job that already waits for a slot when its batch is put on hold is found
// when it is granted: see [Dispatcher.Holds].
type held struct {
	batches map[string]struct{}                       // on hold
	jobs    map[string]*btree.Map[string, job.Record] // by batch, in order of submit
	batchOf map[string]string                         // by job
	freed   []string                                  // batches that were released, with jobs still to be queued
}

func newHeld() held {
	return held{
		batches: map[string]struct{}{},
		jobs:    map[string]*btree.Map[string, job.Record]{},
		batchOf: map[string]string{},
	}
}

// add lets a job wait for its batch. It reports whether it has to.
func (h *held) add(r job.Record) bool {
	batch := r.Spec.Batch
	if _, on := h.batches[batch]; !on {
		return false
	}
	if h.jobs[batch] == nil {
		h.jobs[batch] = &btree.Map[string, job.Record]{}
	}
	h.jobs[batch].Set(r.ID, r)
	h.batchOf[r.ID] = batch
	return true
}

// remove takes a job out. It reports whether it waited.
func (h *held) remove(id string) bool {
	batch, ok := h.batchOf[id]
	if !ok {
		return false
	}
	delete(h.batchOf, id)
	jobs := h.jobs[batch]
	if jobs.Delete(id); jobs.Len() == 0 {
		delete(h.jobs, batch)
	}
	return true
}

func (h *held) waits(id string) bool {
	_, ok := h.batchOf[id]
	return ok
}

// set puts a batch on hold, or releases it.
func (h *held) set(batch string, on bool) {
	if on {
		h.batches[batch] = struct{}{}
		return
	}
	delete(h.batches, batch)
	if h.jobs[batch] != nil {
		h.freed = append(h.freed, batch)
	}
}

// next takes out the first job of a batch that was released.
func (h *held) next() (r job.Record, ok bool) {
	for len(h.freed) > 0 {
		batch := h.freed[0]
		_, on := h.batches[batch] // it may be on hold again
		if jobs := h.jobs[batch]; jobs != nil && !on {
			_, r, _ = jobs.GetAt(0)
			h.remove(r.ID)
			return r, true
		}
		h.freed = h.freed[1:]
	}
	return r, false
}

// freeAtOnce is how many jobs are queued while the lock is held: a batch can have very
// many.
const freeAtOnce = 64

// free queues some of the jobs of released batches. It reports whether there were any.
func (s *state) free(now time.Time) (any bool) {
	for range freeAtOnce {
		r, ok := s.held.next()
		if !ok {
			return any
		}
		s.elsewhere.remove(r.ID)
		s.queue(r, now)
		any = true
	}
	return any
}

// Hold puts a batch on hold, or releases it. While it is on hold, no job of it starts
// that has not been granted yet.
func (d *Dispatcher) Hold(batch string, on bool) {
	d.state.Must(func(s *state) { s.held.set(batch, on) })
	d.signal()
}

// Holds reports whether the batch is on hold. A worker whose claimed grant is of a job
// of such a batch must not start it, and settles the grant.
func (d *Dispatcher) Holds(batch string) (on bool) {
	d.state.Must(func(s *state) { _, on = s.held.batches[batch] })
	return on
}
