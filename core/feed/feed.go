// Package feed tells subscribers what happens to jobs.
//
// A [Hub] hands every event to every subscriber that asked for it, in order. It
// never waits for one: a subscriber whose buffer is full is dropped and told why,
// and can come back with the id of the last event it saw. Events of committed
// changes carry the revision of the change as their id and are kept in a ring for
// such a return; progress and log events are passing news and have no id.
package feed

import (
	"encoding/json"
	"errors"
	"slices"

	"thresher/core/guard"
)

// The types of event.
const (
	TypeJob      = "job"      // a job changed; data is the job, without its result
	TypeDeleted  = "deleted"  // a job was deleted
	TypeProgress = "progress" // data is {"job", "fraction", "message"}
	TypeLog      = "log"      // data is {"job", "text"}; only for those who watch that job
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
	ringSize   = 8192    // committed changes kept for subscribers that come back
	ringBytes  = 8 << 20 // likewise: a job's params can be large
	bufferSize = 256     // events a subscriber may be behind
)

// Hub fans events out. Its methods may be called concurrently.
type Hub struct {
	state *guard.Value[hub]
}

type hub struct {
	ring    []Event // the newest committed changes, oldest first, from first on
	first   int
	bytes   int    // of their data
	floor   uint64 // every committed change after this revision is in the ring
	subs    map[string]map[*Subscription]struct{}
	count   int
	dropped uint64
	closed  bool
}

// New returns a hub. No change at or before revision will be published to it.
func New(revision uint64) *Hub {
	return &Hub{state: guard.New("feed", guard.RankFeed, hub{
		floor: revision,
		subs:  map[string]map[*Subscription]struct{}{},
	})}
}

// Subscription is one subscriber's view of the hub.
type Subscription struct {
	events chan Event
	hub    *Hub
	job    string
	err    error // why it ended; written before events is closed
}

// Events yields what happens until the subscription ends.
func (s *Subscription) Events() <-chan Event { return s.events }

// Err says why Events was closed: ErrSlow, ErrClosed, or nil after Close. Call it
// only then.
func (s *Subscription) Err() error { return s.err }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.hub.state.Must(func(h *hub) { h.end(s, nil) })
}

// Drop ends the subscription of one that was found to be slow: it takes events, and
// does nothing with them.
func (s *Subscription) Drop() {
	s.hub.state.Must(func(h *hub) {
		if _, live := h.subs[s.job][s]; live {
			h.dropped++
			h.end(s, ErrSlow)
		}
	})
}

// Subscribe returns the events of one job, or of all jobs if job is empty. If
// after is not 0, the committed changes after that revision come first; where they
// are no longer kept, a reset event does.
func (h *Hub) Subscribe(after uint64, job string) *Subscription {
	s := &Subscription{events: make(chan Event, bufferSize), hub: h, job: job}
	h.state.Must(func(h *hub) {
		if h.closed {
			s.err = ErrClosed
			close(s.events)
			return
		}
		h.add(s)
		if after != 0 {
			h.replay(s, after)
		}
	})
	return s
}

// Publish hands an event to its subscribers. Events with an id must come in the
// order of their ids.
func (h *Hub) Publish(e Event) {
	h.state.Must(func(h *hub) {
		if h.closed {
			return
		}
		if e.ID != 0 {
			h.keep(e)
		}
		h.deliver(h.subs[e.Job], e)
		if e.Type != TypeLog {
			h.deliver(h.subs[""], e)
		}
	})
}

// Watched reports whether anyone subscribes to that one job: log events of other
// jobs need not be made.
func (h *Hub) Watched(job string) (yes bool) {
	h.state.Must(func(h *hub) { yes = len(h.subs[job]) > 0 })
	return yes
}

// Counts returns how many subscribers there are, and how many were dropped for
// being slow since the start.
func (h *Hub) Counts() (subscribers int, dropped uint64) {
	h.state.Must(func(h *hub) { subscribers, dropped = h.count, h.dropped })
	return subscribers, dropped
}

// Close ends every subscription with ErrClosed.
func (h *Hub) Close() {
	h.state.Must(func(h *hub) {
		h.closed = true
		for _, set := range h.subs {
			for s := range set {
				h.end(s, ErrClosed)
			}
		}
	})
}

func (h *hub) add(s *Subscription) {
	set, ok := h.subs[s.job]
	if !ok {
		set = map[*Subscription]struct{}{}
		h.subs[s.job] = set
	}
	set[s] = struct{}{}
	h.count++
}

// end closes s unless that has been done.
func (h *hub) end(s *Subscription, why error) {
	set := h.subs[s.job]
	if _, live := set[s]; !live {
		return
	}
	delete(set, s)
	if len(set) == 0 {
		delete(h.subs, s.job)
	}
	h.count--
	s.err = why
	close(s.events)
}

func (h *hub) deliver(to map[*Subscription]struct{}, e Event) {
	for s := range to {
		select {
		case s.events <- e:
		default:
			h.dropped++
			h.end(s, ErrSlow)
		}
	}
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

// replay sends s what it missed after a revision. More than its buffer holds is
// answered by a reset too: reading the state anew is then the shorter way.
func (h *hub) replay(s *Subscription, after uint64) {
	missed := h.missed(s.job, after)
	if after < h.floor || after > h.newest() || len(missed) > bufferSize/2 {
		s.events <- Event{ID: h.newest(), Type: TypeReset, Data: json.RawMessage("{}")}
		return
	}
	for _, e := range missed {
		s.events <- e
	}
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
