// Package clock tells a jump of the wall clock from time that has passed.
//
// A [Clock] keeps a steady time beside the wall clock's: the time that has passed
// since the data folder was first used, as far as this machine measured it. The wall
// clock dates records; the steady time measures ages, because a wall clock can be set
// to anything at any moment, and what is deleted for its age does not come back.
//
// Whatever cannot be measured counts as no time: a machine that was off for a week
// looks exactly like one whose clock was set forward by a week. Until someone who
// knows accepts the clock, ages leave such a jump out.
//
// The package knows nothing of records. A Clock may be used concurrently.
package clock

import (
	"cmp"
	"log/slog"
	"time"

	"thresher/core/guard"
)

// Bound is how far the wall clock may move against the monotonic one without it being
// a jump: what time synchronisation corrects in passing, and the time of a quick
// restart of the machine.
const Bound = time.Minute

// Reading is one look at a machine's clocks.
type Reading struct {
	Wall time.Time
	Mono time.Duration // since the boot, sleep included
	Boot string        // which boot; empty if that is not known
}

// Config says what a clock reads and where it keeps what it knows.
type Config struct {
	Read   func() Reading // default Machine
	File   string         // where its state is kept over a restart; empty: nowhere
	Newest time.Time      // date of the newest record; zero if there is none
	Log    *slog.Logger   // default slog.Default()
}

// Clock measures ages.
type Clock struct {
	read   func() Reading
	file   string
	log    *slog.Logger
	saving chan struct{} // capacity 1: held by who writes the file
	state  *guard.Value[state]
}

// Open goes on from where the clock of the last process stopped. It always succeeds:
// a state that is missing or damaged only means that less is known, and what is not
// known counts as no time.
func Open(cfg Config) *Clock {
	c := &Clock{read: cfg.Read, file: cfg.File, log: cfg.Log, saving: make(chan struct{}, 1)}
	if c.read == nil {
		c.read = Machine
	}
	c.log = cmp.Or(c.log, slog.Default())
	r := c.read()
	s, err := load(cfg.File)
	if err != nil {
		c.log.Warn("clock state ignored: ages count from the newest record", "error", err)
	}
	if s == nil {
		s = begin(r, cfg.Newest)
	}
	s.Noticed = 0
	jump := s.resume(r)
	c.state = guard.New("clock", guard.RankClock, *s)
	c.report(jump)
	c.save()
	return c
}

// Now is the wall clock's time, which records are dated with.
func (c *Clock) Now() time.Time { return c.read().Wall }

// Age is how long ago a date of the wall clock was, in measured time. Where the date
// can mean several moments, because the clock was set back, it means the latest.
func (c *Clock) Age(of time.Time) (age time.Duration) {
	r := c.read()
	var jump *Jump
	c.state.Must(func(s *state) {
		jump = s.advance(r)
		age = s.age(of)
	})
	c.report(jump)
	return age
}

// Steady is a date on a scale that no jump moves: the distance of two of them is
// measured time. It is not for people to see.
func (c *Clock) Steady(of time.Time) time.Time { return c.SteadyNow().Add(-c.Age(of)) }

// SteadyNow is now on that scale.
func (c *Clock) SteadyNow() time.Time {
	r := c.read()
	var jump *Jump
	var steady time.Duration
	c.state.Must(func(s *state) {
		jump = s.advance(r)
		steady = s.Steady
	})
	c.report(jump)
	return time.Unix(0, 0).UTC().Add(steady)
}

// Check looks whether the wall clock has jumped, and notes the time for the next
// start. Call it every few seconds.
func (c *Clock) Check() {
	r := c.read()
	var jump *Jump
	c.state.Must(func(s *state) { jump = s.advance(r) })
	c.report(jump)
	c.save()
}

// Accept takes the wall clock as right: from now on ages follow it, over all jumps.
func (c *Clock) Accept() {
	r := c.read()
	c.state.Must(func(s *state) {
		s.advance(r)
		s.accept(r)
	})
	c.log.Warn("clock accepted: ages follow the wall clock", "now", r.Wall.UTC().Round(time.Second))
	c.save()
}

// Status is what is known of the clock.
type Status struct {
	Now     time.Time `json:"now"`
	Jumps   []Jump    `json:"jumps"`   // that ages leave out, oldest first
	Noticed uint64    `json:"noticed"` // jumps since the start
}

// Jump is a move of the wall clock that no passing of time explains.
type Jump struct {
	From    time.Time `json:"from"`    // what the wall clock should have said
	To      time.Time `json:"to"`      // what it said
	Seconds float64   `json:"seconds"` // by which it moved; less than 0: back
	Running bool      `json:"running"` // seen by a running server; else between a stop and a start
	Ago     float64   `json:"seconds_ago"`
}

// Status reports the jumps that ages leave out.
func (c *Clock) Status() (status Status) {
	r := c.read()
	var jump *Jump
	c.state.Must(func(s *state) {
		jump = s.advance(r)
		status = Status{Now: r.Wall.UTC().Round(0), Jumps: s.jumps(), Noticed: s.Noticed}
	})
	c.report(jump)
	return status
}

// report logs a jump, once: it is noticed once.
func (c *Clock) report(j *Jump) {
	if j == nil {
		return
	}
	c.log.Warn("the wall clock jumped: ages leave the jump out until it is accepted with `thresher clock accept`",
		"from", j.From, "to", j.To, "seconds", j.Seconds, "running", j.Running)
}
