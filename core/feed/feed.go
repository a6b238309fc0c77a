// Package feed tells subscribers what happens to jobs.
//
// A [Hub] hands every event to every subscriber that asked for it, in order. It
// never waits for one: a subscriber that is too far behind is dropped and told why,
// and can come back with the id of the last event it saw. Publishing costs the same
// however many there are: they read from one chain, each at its own place. Events of committed
// changes carry the revision of the change as their id and are kept in a ring for
// such a return; progress and log events are passing news and have no id.
package feed

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"thresher/core/guard"
)

// The types of event.
const (
	TypeJob      = "job"      // a job changed; data is the job, without its result
	TypeDeleted  = "deleted"  // a job was deleted
	TypeProgress = "progress" // data is {"job", "fraction", "message"}
	TypeLog      = "log"      // data is {"job", "text"}; only for those who watch that job
	TypeModule   = "module"   // an upload got on; data is it, without its manifest
	TypePlugin   = "plugin"   // a plugin changed; data is {"tenant", "plugin", "active"}
	TypeReset    = "reset"    // events were missed that are no longer kept: read the state anew
)

// Why a subscription ended.
var (
	ErrSlow   = errors.New("the subscriber was too slow and was dropped")
	ErrClosed = errors.New("the server is shutting down")
)

// Event is one piece of news.
type Event struct {
	ID   uint64 // revision; 0 for passing news
	Type string
	Job  string
	Data json.RawMessage
}

const (
	ringSize  = 8192    // committed changes kept for subscribers that come back
	ringBytes = 8 << 20 // likewise: a job's params can be large

	bufferSize  = 4096    // events a subscriber may be behind
	bufferBytes = 8 << 20 // likewise: of their data
)

// Hub fans events out. Its methods may be called concurrently.
type Hub struct {
	state   *guard.Value[hub]
	ringers sync.WaitGroup // those who wake many; none is started once the hub is closed
}

type hub struct {
	ring    []Event // the newest committed changes, oldest first, from first on
	first   int
	bytes   int              // of their data
	floor   uint64           // every committed change after this revision is in the ring
	lists   map[string]*list // by job; that of all jobs under ""; only those with subscribers
	count   int
	dropped uint64
	closed  bool
}

// New returns a hub. No change at or before revision will be published to it.
func New(revision uint64) *Hub {
	return &Hub{state: guard.New("feed", guard.RankFeed, hub{floor: revision, lists: map[string]*list{}})}
}

// Subscription is one subscriber's view of the hub, for one goroutine at a time.
type Subscription struct {
	hub   *Hub
	list  *list
	first []Event // what it missed: comes before what is at its place
	at    *link
	ended bool
	err   error
}

// Next returns the next event, if there is one now: see More. After the last there
// is none, and Err says why.
func (s *Subscription) Next() (e Event, ok bool) {
	if len(s.first) > 0 {
		e, s.first = s.first[0], s.first[1:]
		return e, true
	}
	if s.ended {
		return e, false
	}
	next := s.at.next.Load()
	switch {
	case next == nil:
		return e, false
	case next.end != nil:
		s.end(next.end)
		return e, false
	}
	s.at = next
	return next.event, true
}

// always is ready.
var always = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// More returns a channel that is closed once Next has an event, or the subscription
// has ended.
func (s *Subscription) More() <-chan struct{} {
	if s.ended || len(s.first) > 0 {
		return always
	}
	bell := *s.list.bell.Load() // before the look: what comes after it rings
	if s.at.next.Load() != nil {
		return always
	}
	return bell
}

// Err says why the subscription has ended: ErrSlow or ErrClosed. It is nil while it
// lives, and after Close.
func (s *Subscription) Err() error { return s.err }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() { s.end(nil) }

// Drop ends the subscription of one that was found to be slow: it takes events, and
// does nothing with them.
func (s *Subscription) Drop() { s.end(ErrSlow) }

func (s *Subscription) end(why error) {
	if s.ended {
		return
	}
	s.ended, s.err, s.first, s.at = true, why, nil, nil
	s.hub.state.Must(func(h *hub) {
		if why == ErrSlow {
			h.dropped++
		}
		h.count--
		if s.list.subs--; s.list.subs == 0 {
			delete(h.lists, s.list.job)
		}
	})
}

// Subscribe returns the events of one job, or of all jobs if job is empty. If
// after is not 0, the committed changes after that revision come first; where they
// are no longer kept, a reset event does.
func (h *Hub) Subscribe(after uint64, job string) *Subscription {
	s := &Subscription{hub: h}
	h.state.Must(func(h *hub) {
		if h.closed {
			s.ended, s.err = true, ErrClosed
			return
		}
		h.add(s, job)
		if after != 0 {
			s.first = h.replay(job, after)
		}
	})
	return s
}

// Publish hands an event to its subscribers. Events with an id must come in the
// order of their ids.
func (h *Hub) Publish(e Event) {
	h.state.Must(func(inner *hub) {
		if inner.closed {
			return
		}
		if e.ID != 0 {
			inner.keep(e)
		}
		h.deliver(inner.lists[e.Job], &link{event: e})
		if e.Type != TypeLog {
			h.deliver(inner.lists[""], &link{event: e})
		}
	})
}

// many is how many subscribers are not woken while the lock is held.
const many = 8

// deliver appends to a list, if there is one, and wakes those who wait.
func (h *Hub) deliver(l *list, n *link) {
	if l == nil {
		return
	}
	l.append(n)
	switch {
	case l.subs <= many:
		l.ring()
	case !l.ringing.Swap(true): // else it is going to ring anyway
		h.ringers.Go(l.ring)
	}
}

// Watched reports whether anyone subscribes to that one job: log events of other
// jobs need not be made.
func (h *Hub) Watched(job string) (yes bool) {
	h.state.Must(func(h *hub) { yes = h.lists[job] != nil })
	return yes
}

// Counts returns how many subscribers there are, and how many were dropped for
// being slow since the start. One that is cut off counts until it looks.
func (h *Hub) Counts() (subscribers int, dropped uint64) {
	h.state.Must(func(h *hub) { subscribers, dropped = h.count, h.dropped })
	return subscribers, dropped
}

// Close ends every subscription with ErrClosed.
func (h *Hub) Close() {
	h.state.Must(func(inner *hub) {
		if inner.closed {
			return
		}
		inner.closed = true
		for _, l := range inner.lists {
			h.deliver(l, &link{end: ErrClosed})
		}
	})
	h.ringers.Wait()
}

func (h *hub) add(s *Subscription, job string) {
	l, ok := h.lists[job]
	if !ok {
		l = newList(job)
		h.lists[job] = l
	}
	s.list, s.at = l, l.newest
	l.subs++
	h.count++
}

// keep puts a committed change in the ring, and lets go of the oldest.
func (h *hub) keep(e Event) {
	h.ring = append(h.ring, e)
	h.bytes += len(e.Data)
	for len(h.ring)-h.first > ringSize || h.bytes > ringBytes {
		h.floor = h.ring[h.first].ID
		h.bytes -= len(h.ring[h.first].Data)
		h.ring[h.first] = Event{}
		h.first++
	}
	if h.first > ringSize { // as much is free as is used: move it to the front
		h.ring = slices.Delete(h.ring, 0, h.first)
		h.first = 0
	}
}

// replay returns what was missed after a revision. More than a subscriber may be
// behind is answered by a reset too: reading the state anew is then the shorter way.
func (h *hub) replay(job string, after uint64) []Event {
	missed := h.missed(job, after)
	if after < h.floor || after > h.newest() || len(missed) > bufferSize/2 {
		return []Event{{ID: h.newest(), Type: TypeReset, Data: json.RawMessage("{}")}}
	}
	return missed
}

func (h *hub) missed(job string, after uint64) []Event {
	var missed []Event
	for _, e := range h.ring[h.first:] {
		if e.ID > after && (job == "" || e.Job == job) {
			missed = append(missed, e)
		}
	}
	return missed
}

func (h *hub) newest() uint64 {
	if h.first == len(h.ring) {
		return h.floor
	}
	return h.ring[len(h.ring)-1].ID
}
