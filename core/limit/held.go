package limit

import (
	"cmp"
	"maps"
	"slices"
)

// Held is a named lock, who holds it and who waits for it.
type Held struct {
	Name    string
	Limit   int      // most holders
	Holders []string // jobs, in order of submit
	Waiters []string // likewise; the first of them
	Waiting int      // how many wait
}

// MaxWaiters is how many waiters of a lock are named.
const MaxWaiters = 100

// Locks lists the named locks that jobs hold or wait for, by name.
func (s *State) Locks() []Held {
	list := make([]Held, 0, len(s.locks))
	for name, l := range s.locks {
		h := Held{Name: name, Limit: s.lockLimit(name), Holders: l.held(), Waiting: l.wanted.Len()}
		l.wanted.Scan(func(e *entry) bool {
			h.Waiters = append(h.Waiters, e.ID)
			return len(h.Waiters) < MaxWaiters
		})
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b Held) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// held lists the jobs that hold the lock, in order of submit.
func (l *lock) held() []string { return slices.Sorted(maps.Keys(l.holders)) }
