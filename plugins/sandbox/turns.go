package sandbox

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"

	"thresher/core/guard"
)

// turns lets no more guests go on at once than there are cores for them. If more did,
// each goroutine of the server that is ready to run would stand in line behind all of
// them, a slice each, whenever it waits for anything: requests would be late, and a
// collection of garbage, which has hundreds of such moments, later still. Guests take
// turns instead, from tick to tick. Who is paused, or is not in a guest at all, has none.
type turns struct{ state *guard.Value[line] }

func newTurns(n int) turns {
	return turns{guard.New("turns", guard.RankSandbox, line{free: n, tags: map[string]uint64{}})}
}

// begin waits for a turn, or returns the cause of ctx if that ends first: then there is
// no turn to end.
func (t turns) begin(ctx context.Context, s share) error {
	var w *waiter
	t.state.Must(func(l *line) { w = l.join(s) })
	return t.wait(ctx, w)
}

func (t turns) end() { t.state.Must((*line).next) }

// yield is end and begin at once: whoever gives up a turn is in line before the next one
// has it, however late its goroutine runs again.
func (t turns) yield(ctx context.Context, s share) error {
	var w *waiter
	t.state.Must(func(l *line) { w = l.rejoin(s) })
	if w == nil {
		runtime.Gosched()
	}
	return t.wait(ctx, w)
}

// wait waits until the turn of w comes. A nil has it.
func (t turns) wait(ctx context.Context, w *waiter) error {
	if w == nil {
		return nil
	}
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	left := false
	t.state.Must(func(l *line) { left = l.leave(w) })
	if !left { // it was granted in this moment
		t.end()
	}
	return context.Cause(ctx)
}

// share says in whose part of the turns a guest goes on.
type share struct {
	prepares bool   // its module is being verified or loaded; else it runs a job
	tenant   string // whose module is being prepared
}

type shareKey struct{}

// WithTenant returns a context in which modules are prepared in the turns of a tenant:
// tenants whose modules wait have the same number of them.
func WithTenant(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, shareKey{}, share{prepares: true, tenant: tenant})
}

// preparing returns a context whose guests prepare a module.
func preparing(ctx context.Context) context.Context {
	if shareOf(ctx).prepares {
		return ctx
	}
	return WithTenant(ctx, "")
}

func shareOf(ctx context.Context) share {
	s, _ := ctx.Value(shareKey{}).(share)
	return s
}

// line is who waits for a turn. Jobs take theirs in order. Every other turn goes to a
// module that is being prepared, if one waits, so that however many jobs run, an upload
// is verified; among those the tenant comes first that has had the fewest.
type line struct {
	free     int       // turns that nobody has; none while somebody waits
	jobs     []*waiter // in order
	prepares []*waiter // in order

	prepared bool              // the last turn that was waited for was for preparing
	tags     map[string]uint64 // by tenant: turns for preparing, as if all had begun together
	clock    uint64            // the tag of the tenant that had the last of those
}

type waiter struct {
	share
	granted chan struct{}
}

// join takes a turn, and returns nil, or gets in line.
func (l *line) join(s share) *waiter {
	if l.free > 0 {
		l.free--
		return nil
	}
	return l.enqueue(s)
}

// rejoin gives up a turn and gets in line again. It returns nil if nobody else waits.
func (l *line) rejoin(s share) *waiter {
	if len(l.jobs)+len(l.prepares) == 0 {
		return nil
	}
	w := l.enqueue(s)
	l.next()
	return w
}

func (l *line) enqueue(s share) *waiter {
	w := &waiter{s, make(chan struct{})}
	if !s.prepares {
		l.jobs = append(l.jobs, w)
		return w
	}
	l.prepares = append(l.prepares, w)
	l.tags[s.tenant] = max(l.tags[s.tenant], l.clock) // what a tenant did not use is not saved up
	return w
}

// leave takes a waiter out of the line. It reports false if that has its turn by now.
func (l *line) leave(w *waiter) bool {
	queue := &l.jobs
	if w.prepares {
		queue = &l.prepares
	}
	i := slices.Index(*queue, w)
	if i < 0 {
		return false
	}
	*queue = slices.Delete(*queue, i, i+1)
	return true
}

// next ends a turn and gives it to whoever comes next.
func (l *line) next() {
	switch {
	case len(l.prepares) > 0 && (!l.prepared || len(l.jobs) == 0):
		l.prepared = true
		close(l.nextPrepare().granted)
	case len(l.jobs) > 0:
		l.prepared = false
		close(l.jobs[0].granted)
		l.jobs = slices.Delete(l.jobs, 0, 1)
	default:
		l.free++
	}
}

// nextPrepare takes the first waiter of the tenant with the lowest tag.
func (l *line) nextPrepare() *waiter {
	w := slices.MinFunc(l.prepares, func(a, b *waiter) int { return cmp.Compare(l.tags[a.tenant], l.tags[b.tenant]) })
	l.leave(w)
	l.clock = l.tags[w.tenant]
	l.tags[w.tenant]++
	maps.DeleteFunc(l.tags, func(tenant string, tag uint64) bool {
		return tag <= l.clock && !slices.ContainsFunc(l.prepares, func(w *waiter) bool { return w.tenant == tenant })
	})
	return w
}
