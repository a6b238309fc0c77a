package core

import (
	"fmt"
	"time"

	"thresher/core/clock"
	"thresher/core/job"
)

// ClockStatus is what is known of the server's clock.
type ClockStatus struct {
	clock.Status
	// Holds says that a jump keeps jobs from being deleted for their age: those that
	// ended before it, and would be past a bound if it were time that has passed.
	Holds bool `json:"holds"`
}

// Clock reports the jumps of the wall clock that ages leave out.
func (e *Engine) Clock() ClockStatus {
	status := ClockStatus{Status: e.clock.Status()}
	status.Holds = holds(status.Jumps, e.Limits().longestAge()) != nil
	return status
}

// holds returns the newest jump that makes a difference: since before it, the wall clock
// has gone further than time has passed, and less time has passed than a bound allows.
func holds(jumps []clock.Jump, longest time.Duration) *clock.Jump {
	ahead := 0.0
	for i := len(jumps) - 1; i >= 0; i-- {
		ahead += jumps[i].Seconds
		if ahead > clock.Bound.Seconds() && jumps[i].Ago < longest.Seconds() {
			return &jumps[i]
		}
	}
	return nil
}

// AcceptClock takes the wall clock as right: ages follow it, over all jumps.
func (e *Engine) AcceptClock() ClockStatus {
	e.clock.Accept()
	return e.Clock()
}

// steady is a job as the dispatcher sees it: submitted at a date that no jump of the
// clock moves, so that it has waited as long as time has passed.
func (e *Engine) steady(r job.Record) job.Record {
	if !r.Phase.Final() {
		r.Created = e.clock.Steady(r.Created)
	}
	return r
}

// longestAge is the longest bound of an age.
func (l Limits) longestAge() time.Duration {
	longest := max(keepBulks, duration(l.CacheSeconds))
	for _, r := range l.Retention {
		for _, rule := range r.rules() {
			longest = max(longest, duration(rule.AgeSeconds))
		}
	}
	return longest
}

// clockWarning says what an operator should know of the clock; empty if there is nothing.
func (e *Engine) clockWarning() string {
	j := holds(e.clock.Status().Jumps, e.Limits().longestAge())
	if j == nil {
		return ""
	}
	return fmt.Sprintf("the wall clock moved by %v, from %s to %s: jobs that ended before are not deleted for an age that includes it; `thresher clock accept` says that the time has really passed",
		time.Duration(j.Seconds*float64(time.Second)).Round(time.Second), j.From.Format(time.RFC3339), j.To.Format(time.RFC3339))
}
