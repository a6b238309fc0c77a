package clock

import (
	"math"
	"slices"
	"time"
)

// state is what a clock knows. Steady times count from when the data folder was first
// used; what is dated before that has a negative one.
type state struct {
	Steady time.Duration `json:"steady"` // at the last reading
	Wall   time.Time     `json:"wall"`   // likewise
	Mono   time.Duration `json:"mono"`
	Boot   string        `json:"boot"`

	Spans   []span `json:"spans"`   // oldest first; never empty
	Noticed uint64 `json:"noticed"` // jumps
}

// span is a time in which the wall clock moved as the monotonic one did.
type span struct {
	// After and Seen enclose its beginning: the last reading before it and the first in
	// it. What is dated in between can be of either span.
	After time.Duration `json:"after"`
	Seen  time.Duration `json:"seen"`
	// Epoch is the wall clock's time at steady time 0, as it counts in this span.
	Epoch time.Time `json:"epoch"`
	Jump  Jump      `json:"jump"` // that it began with; of the first span zero
}

// maxSpans bounds what a clock that is never right leaves behind.
const maxSpans = 64

const always = time.Duration(math.MinInt64)

// begin starts a state for a folder that has none. What its records are dated with
// before now was some clock that nobody watched.
func begin(r Reading, newest time.Time) *state {
	if newest.IsZero() {
		newest = r.Wall
	}
	newest = newest.Round(0)
	return &state{Wall: newest, Spans: []span{{After: always, Epoch: newest}}}
}

// last is the span that goes on.
func (s *state) last() span { return s.Spans[len(s.Spans)-1] }

// resume takes in the first reading of a process. On the same boot the monotonic clock
// says how long ago the last one was. On another nobody can say: unless it was a
// moment, it counts as none.
func (s *state) resume(r Reading) *Jump {
	elapsed := r.Mono - s.Mono
	if r.Boot == "" || r.Boot != s.Boot || elapsed < 0 {
		elapsed = r.Wall.Sub(s.last().Epoch.Add(s.Steady))
		if elapsed < 0 || elapsed > Bound {
			elapsed = 0
		}
	}
	return s.pass(r, elapsed, false)
}

// advance takes in a later reading of the same process, and returns the jump that it
// shows, if any.
func (s *state) advance(r Reading) *Jump {
	if r.Mono < s.Mono {
		return nil // another goroutine has read later and come first
	}
	return s.pass(r, r.Mono-s.Mono, true)
}

func (s *state) pass(r Reading, elapsed time.Duration, running bool) *Jump {
	before := s.Steady
	s.Steady += elapsed
	s.Wall, s.Mono, s.Boot = r.Wall.UTC().Round(0), r.Mono, r.Boot
	expected := s.last().Epoch.Add(s.Steady)
	moved := s.Wall.Sub(expected)
	if moved.Abs() <= Bound {
		return nil
	}
	j := Jump{From: expected.UTC(), To: s.Wall, Seconds: moved.Seconds(), Running: running}
	s.Spans = append(s.Spans, span{After: before, Seen: s.Steady, Epoch: s.Wall.Add(-s.Steady), Jump: j})
	s.Noticed++
	if len(s.Spans) > maxSpans {
		s.merge()
	}
	return &j
}

// merge makes one of the two oldest spans. Dates of either may come out younger by
// that, never older.
func (s *state) merge() {
	if next := s.Spans[1].Epoch; next.Before(s.Spans[0].Epoch) {
		s.Spans[0].Epoch = next
	}
	s.Spans = slices.Delete(s.Spans, 1, 2)
}

func (s *state) accept(r Reading) {
	s.Spans = []span{{After: always, Epoch: r.Wall.UTC().Round(0).Add(-s.Steady)}}
}

// age is how long ago a date was: the least that fits any span. What no span has shown
// was skipped by a jump, or is dated later than any clock here has ever been.
func (s *state) age(of time.Time) time.Duration {
	shown, skipped := always, always
	for i, sp := range s.Spans {
		at, end, final := of.Sub(sp.Epoch), s.Steady, i == len(s.Spans)-1
		if !final {
			end = s.Spans[i+1].Seen
		}
		switch {
		case i > 0 && at < sp.After-Bound:
		case at <= end:
			shown = max(shown, at, sp.After) // a little before it: the clock has drifted
		case final && at <= end+Bound: // likewise
			shown = end
		case !final && of.Before(s.Spans[i+1].Epoch.Add(s.Spans[i+1].After)):
			skipped = max(skipped, end)
		}
	}
	switch {
	case shown != always:
		return s.Steady - shown
	case skipped != always:
		return s.Steady - skipped
	}
	return 0
}

// jumps lists those that ages leave out.
func (s *state) jumps() []Jump {
	list := []Jump{}
	for _, sp := range s.Spans {
		if j := sp.Jump; j.Seconds != 0 {
			j.Ago = (s.Steady - sp.Seen).Seconds()
			list = append(list, j)
		}
	}
	return list
}
