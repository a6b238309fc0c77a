package limit

// want is what a waiting job lacks beside a slot.
type want struct {
	what  resource
	name  string // of the plugin or the lock
	bytes int64  // of memory that it needs
	never bool   // the limits, as they are, do not let it have that at all
	light bool   // it takes no memory: so that it is found where memory is kept for another
}

// resource is a kind of thing that can be lacking.
type resource uint8

const (
	none resource = iota
	pluginSlot
	namedLock
	memoryBytes
)

// String names it as [State.WaitsOn] does. It is empty for nothing.
func (w want) String() string {
	switch w.what {
	case pluginSlot:
		return "plugin slots"
	case namedLock:
		return "lock " + w.name
	case memoryBytes:
		return "memory"
	}
	return ""
}

// lacks says what jobs of a need cannot have now.
func (s *State) lacks(n *need) want {
	s.looks++
	if w := s.cannotHave(n); w.what != none {
		return w
	}
	light := n.light()
	if s.pluginFull(n.plugin) {
		return want{what: pluginSlot, name: n.plugin, light: light}
	}
	for _, l := range n.locks {
		if s.lockFull(l.Name) {
			return want{what: namedLock, name: l.Name, light: light}
		}
	}
	if !light && !s.fits(n.memory) {
		return want{what: memoryBytes, bytes: n.memory}
	}
	return want{light: light}
}

// cannotHave says what the limits would not let a job have that runs alone.
func (s *State) cannotHave(n *need) want {
	for _, l := range n.locks {
		if s.lockLimit(l.Name) < 1 {
			return want{what: namedLock, name: l.Name, never: true, light: n.light()}
		}
	}
	if !n.light() && s.limits.MemoryBytes > 0 && n.memory > s.limits.MemoryBytes {
		return want{what: memoryBytes, bytes: n.memory, never: true}
	}
	return want{}
}

func (s *State) pluginFull(name string) bool {
	return len(s.plugins[name]) >= Of(s.limits.PluginSlots, name)
}

func (s *State) lockFull(name string) bool {
	l, ok := s.locks[name]
	return ok && len(l.holders) >= s.lockLimit(name)
}

func (s *State) fits(bytes int64) bool {
	return s.limits.MemoryBytes <= 0 || s.memory+bytes <= s.limits.MemoryBytes
}

// lacksNow is lacks, and a lock that is kept for another is lacked too.
func (s *State) lacksNow(n *need) want {
	w := s.lacks(n)
	if w.what != none {
		return w
	}
	for _, l := range n.locks {
		if s.kept.lock(l.Name) {
			return want{what: namedLock, name: l.Name, light: w.light}
		}
	}
	return w
}

// has reports whether there is any of what a queue wants, for whoever is first in it.
func (s *State) has(w want) bool {
	switch {
	case w.never:
		return false
	case w.what == pluginSlot:
		return !s.pluginFull(w.name)
	case w.what == namedLock:
		return !s.lockFull(w.name) && !s.kept.lock(w.name)
	case w.what == memoryBytes:
		return s.fits(w.bytes)
	}
	return true
}

// queue returns the queue of those that lack the same.
func (s *State) queue(w want) *queue {
	q, ok := s.queues[w]
	if ok {
		return q
	}
	q = &queue{wants: w}
	s.queues[w] = q
	switch {
	case w.what == none:
		s.open[q] = struct{}{}
	case w.what == memoryBytes && !w.never:
		s.sized.Set(q)
	}
	return q
}

func bySize(a, b *queue) bool { return a.wants.bytes < b.wants.bytes }

// tidy lets go of a queue that is empty.
func (s *State) tidy(q *queue) {
	if q.n > 0 {
		return
	}
	delete(s.queues, q.wants)
	delete(s.open, q)
	if q.wants.what == memoryBytes && !q.wants.never {
		s.sized.Delete(q)
	}
}

func (s *State) move(g *group, w want) {
	from := g.queue
	from.remove(g)
	s.tidy(from)
	s.queue(w).add(g)
}

// reopen looks again at those that lacked something of which there may be more now.
func (s *State) reopen(w want) {
	for _, light := range []bool{false, true} {
		w.light = light
		if q, ok := s.queues[w]; ok {
			s.openIfFree(q)
		}
	}
}

// few is as many groups as are moved at once where there is again what they lacked.
const few = 8

// openIfFree lets the jobs of a queue start, if there is what they lacked. A few are
// put with those that lack nothing; of more, the first is compared with the first of
// those at each decision. So there are never many queues to compare: each is longer
// than they are many.
func (s *State) openIfFree(q *queue) {
	if _, open := s.open[q]; open || !s.has(q.wants) {
		return
	}
	if q.n > max(few, len(s.open)) {
		s.open[q] = struct{}{}
		return
	}
	s.letGo(q)
}

// letGo puts those of a queue with those that lack nothing: each is looked at again
// when it is first.
func (s *State) letGo(q *queue) {
	var all []*group
	for i := range q.classes {
		for _, groups := range q.classes[i].groups {
			all = append(all, groups.Items()...)
		}
	}
	for _, g := range all {
		s.move(g, want{light: q.wants.light})
	}
}

// memoryFreed looks again at those that lacked memory and would now fit.
func (s *State) memoryFreed() {
	var fit []*queue
	s.sized.Scan(func(q *queue) bool {
		if !s.fits(q.wants.bytes) {
			return false
		}
		fit = append(fit, q)
		return true
	})
	for _, q := range fit {
		s.openIfFree(q)
	}
}

// reopenAll looks again at all, because the limits have changed.
func (s *State) reopenAll() {
	var all []*queue
	for _, q := range s.queues {
		all = append(all, q)
	}
	for _, q := range all {
		if q.wants.never {
			s.letGo(q)
		} else {
			s.openIfFree(q)
		}
	}
}
