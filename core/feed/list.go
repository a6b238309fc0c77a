package feed

import "sync/atomic"

// list is the events that some subscribers see, as a chain that grows at its end. Each
// subscriber has a place of its own in it and reads on from there without a lock, so
// that an event is published once, however many they are. The hub's lock guards what
// is not atomic.
type list struct {
	job     string
	subs    int
	newest  *link
	oldest  *link // the place furthest back that a subscriber may have
	length  int   // links after oldest
	bytes   int   // of their data
	bell    atomic.Pointer[chan struct{}]
	ringing atomic.Bool
}

// link is a place in the chain: that of those who have read its event, or have come
// right after it.
type link struct {
	event Event
	end   error // if not nil, there is no event and nothing follows: why
	next  atomic.Pointer[link]
}

// tooSlow follows the places that are too far back.
var tooSlow = &link{end: ErrSlow}

func newList(job string) *list {
	start := &link{}
	l := &list{job: job, newest: start, oldest: start}
	bell := make(chan struct{})
	l.bell.Store(&bell)
	return l
}

// append adds a link. Who is further back than the buffer is cut off, and what he has
// not read is let go.
func (l *list) append(n *link) {
	l.newest.next.Store(n)
	l.newest = n
	l.length++
	l.bytes += len(n.event.Data)
	for l.length > bufferSize || l.bytes > bufferBytes && l.length > 1 {
		past := l.oldest
		l.oldest = past.next.Load()
		past.next.Store(tooSlow)
		l.length--
		l.bytes -= len(l.oldest.event.Data)
	}
}

// ring wakes those who wait for more. What is appended while it is about to is seen
// by all that it wakes, and by those who look at the next bell first.
func (l *list) ring() {
	l.ringing.Store(false)
	next := make(chan struct{})
	close(*l.bell.Swap(&next))
}
