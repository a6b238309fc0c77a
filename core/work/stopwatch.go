package work

import (
	"time"

	"thresher/core/guard"
)

// stopwatch measures running time and calls back once when a limit is reached.
// It stands still while stopped.
type stopwatch struct {
	now   func() time.Time
	limit time.Duration
	state *guard.Value[elapsed]
}

type elapsed struct {
	fire  func()
	timer *time.Timer
	turn  int           // how often it went on: a timer of an earlier turn says nothing
	since time.Time     // when it last went on; zero while it stands still
	spent time.Duration // before that
}

func newStopwatch(now func() time.Time, limit time.Duration) *stopwatch {
	return &stopwatch{now: now, limit: limit, state: guard.New("stopwatch", guard.RankAttempt, elapsed{})}
}

// start lets it run. fire is called in a goroutine of its own at the limit, never
// while it stands still: a pause that has begun is not ended by the limit. fire
// must take no lock.
func (s *stopwatch) start(fire func()) {
	s.state.Must(func(e *elapsed) { e.fire = fire })
	s.resume()
}

// resume lets it go on. It is harmless while it runs.
func (s *stopwatch) resume() {
	s.state.Must(func(e *elapsed) {
		if e.since.IsZero() {
			e.since = s.now()
			e.turn++
			turn := e.turn
			e.timer = time.AfterFunc(max(s.limit-e.spent, 0), func() { s.ring(turn) })
		}
	})
}

// ring fires with the lock held, so that stop comes wholly before it or after.
func (s *stopwatch) ring(turn int) {
	s.state.Must(func(e *elapsed) {
		if e.turn == turn && !e.since.IsZero() {
			e.fire()
		}
	})
}

// stop makes it stand still. It is harmless while it does.
func (s *stopwatch) stop() {
	s.state.Must(func(e *elapsed) {
		if !e.since.IsZero() {
			e.timer.Stop()
			e.spent += s.now().Sub(e.since)
			e.since = time.Time{}
		}
	})
}

// read returns the running time so far.
func (s *stopwatch) read() (spent time.Duration) {
	s.state.Must(func(e *elapsed) {
		spent = e.spent
		if !e.since.IsZero() {
			spent += s.now().Sub(e.since)
		}
	})
	return spent
}
