package core

import (
	"context"
	"time"
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
	Since      time.Time `json:"since"`
	AgeSeconds float64   `json:"age_seconds"`
}

// Locks lists the named locks that jobs hold or wait for. A holder lets go when
// its guest is gone: stop the job to release its locks.
func (e *Engine) Locks(ctx context.Context) []Lock {
	list := []Lock{}
	for _, held := range e.dispatch.Locks() {
		l := Lock{Name: held.Name, Limit: held.Limit, Holders: []Holder{}, Waiters: append([]string{}, held.Waiters...), Waiting: held.Waiting}
		for _, id := range held.Holders {
			h := Holder{Job: id, Since: e.cfg.Now().UTC()} // its grant is on its way
			if entry, err := e.jobs.Get(ctx, id); err == nil && entry.Value.Lease != nil {
				h.Since = entry.Value.Lease.Since
			}
			h.AgeSeconds = e.clock.Age(h.Since).Seconds()
			l.Holders = append(l.Holders, h)
		}
		list = append(list, l)
	}
	return list
}
