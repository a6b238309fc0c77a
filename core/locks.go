package core

import (
	"context"
	"time"

	"thresher/core/job"
)

// Lock is a named lock, who holds it and who waits for it.
type Lock struct {
	Name    string   `json:"name"`
	Limit   int      `json:"limit"` // most jobs that may hold it: the least that any of them or the operator names
	Holders []Holder `json:"holders"`
	Waiters []string `json:"waiters"` // jobs, oldest first: the first hundred
	Waiting int      `json:"waiting"` // how many there are
}

// Holder is a job that holds a lock.
type Holder struct {
	Job        string    `json:"job"`
	Phase      job.Phase `json:"phase"` // running; paused; or pending: it was paused and waits for a slot again
	Since      time.Time `json:"since"`
	AgeSeconds float64   `json:"age_seconds"`
}

// Locks lists the named locks that jobs hold or wait for. A holder lets go when it ends, or
// when its worker is lost; one that is paused holds on, over restarts too: stop the job to
// release its locks.
func (e *Engine) Locks(ctx context.Context) []Lock {
	list := []Lock{}
	for _, held := range e.dispatch.Locks() {
		l := Lock{Name: held.Name, Limit: held.Limit, Holders: []Holder{}, Waiters: append([]string{}, held.Waiters...), Waiting: held.Waiting}
		for _, id := range held.Holders {
			l.Holders = append(l.Holders, e.holder(ctx, id))
		}
		list = append(list, l)
	}
	return list
}

func (e *Engine) holder(ctx context.Context, id string) Holder {
	h := Holder{Job: id, Phase: job.Running, Since: e.cfg.Now().UTC()} // its grant may be on its way
	entry, err := e.jobs.Get(ctx, id)
	switch r := entry.Value; {
	case err != nil:
	case r.LocksSince != nil:
		h.Phase, h.Since = r.Phase, *r.LocksSince
	case r.Lease != nil:
		h.Phase, h.Since = r.Phase, r.Lease.Since
	}
	h.AgeSeconds = e.clock.Age(h.Since).Seconds()
	return h
}
