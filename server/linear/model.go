package linear

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"thresher/core/job"
)

// What a client asked of one job, or of the limits, and what it was told.
type (
	asked struct {
		key   string    // job, or limitsKey
		what  string    // submit, get, absent, pause, resume, stop, delete, retry, restart; set or get for the limits
		n     int       // slots that were set
		phase job.Phase // absent: from the list of jobs in that phase; empty: of all
	}
	told struct {
		cut     bool // no answer came: it may have happened or not
		status  int
		phase   job.Phase
		desired job.Desired
		n       int // slots
	}
)

const limitsKey = "limits"

// seen is what matters of a job's record to those who look from outside.
type seen struct {
	there   bool
	phase   job.Phase
	desired job.Desired
	leased  bool
	losses  int
	slots   int // of the limits; 0 for a job
}

func (s seen) record() job.Record {
	r := job.Record{Phase: s.phase, Desired: s.desired, Losses: s.losses}
	if s.leased {
		r.Lease = &job.Lease{}
	}
	return r
}

func seenOf(r job.Record) seen {
	return seen{there: true, phase: r.Phase, desired: r.Desired, leased: r.Lease != nil, losses: r.Losses}
}

// with returns what the job is after an event, if that is legal.
func (s seen) with(e job.Event) (seen, error) {
	next, err := job.Apply(s.record(), e)
	return seenOf(next), err
}

// onItsOwn is every state that a job may get to without being asked: it is granted,
// confirms what is desired, or ends.
func onItsOwn(s seen) []seen {
	states := []seen{s}
	for i := 0; i < len(states); i++ {
		if !states[i].there || states[i].slots != 0 {
			continue
		}
		for _, e := range []job.Event{job.Grant{}, job.Parked{}, job.Finish{}, job.Finish{Outcome: job.Outcome{Error: &job.Error{}}}, job.Halted{}} {
			r := states[i].record()
			next, err := job.Apply(r, e)
			if err != nil {
				continue
			}
			states = add(states, seenOf(next))
		}
	}
	return states
}

func add(states []seen, s seen) []seen {
	if slices.Contains(states, s) {
		return states
	}
	return append(states, s)
}

// follows is what a job may be after an answer, or nothing if the answer cannot be.
func follows(s seen, in asked, out told) (after []seen) {
	if in.key == limitsKey {
		return limitsFollow(s, in, out)
	}
	for _, now := range onItsOwn(s) {
		switch {
		case in.what == "restart":
			after = add(after, restarted(now))
		case out.cut:
			after = add(after, now)
			if next, happened := effect(now, in.what); happened {
				after = add(after, next)
			}
		default:
			if next, ok := answerFits(now, in, out); ok {
				after = add(after, next)
			}
		}
	}
	return after
}

func limitsFollow(s seen, in asked, out told) []seen {
	set := seen{there: true, slots: in.n}
	switch {
	case in.what == "restart":
		return []seen{s}
	case in.what == "set" && out.cut:
		return []seen{s, set}
	case in.what == "set" && out.n == in.n:
		return []seen{set}
	case in.what == "get" && (out.cut || out.n == s.slots):
		return []seen{s}
	}
	return nil
}

// restarted is what a job is once the process that ran it is gone and another has
// recovered: its lease is lost, and nothing else changes.
func restarted(now seen) seen {
	if !now.there || !now.leased {
		return now
	}
	next, err := now.with(job.Lost{})
	if err != nil {
		panic(fmt.Sprintf("a leased job cannot lose its lease: %+v: %v", now, err))
	}
	return next
}

var events = map[string]job.Event{"pause": job.Pause{}, "resume": job.Resume{}, "stop": job.Stop{}}

// effect is what a request makes of a job, if it does anything.
func effect(now seen, what string) (next seen, happened bool) {
	switch {
	case what == "submit":
		return seen{there: true, phase: job.Pending, desired: job.WantRun}, !now.there
	case !now.there:
		return now, false
	case what == "delete":
		return seen{}, now.phase.Final()
	case events[what] == nil:
		return now, false
	}
	next, err := now.with(events[what])
	return next, err == nil
}

func answerFits(now seen, in asked, out told) (seen, bool) {
	next, happens := effect(now, in.what)
	switch {
	case in.what == "submit":
		return next, happens
	case in.what == "absent": // from a list
		return now, !now.there || in.phase != "" && now.phase != in.phase
	case out.status == 404:
		return now, !now.there
	case out.status == 429: // too many paused guests hold memory
		return now, in.what == "pause" && now.leased
	case !now.there:
		return now, false
	case in.what == "get":
		return now, now.phase == out.phase && now.desired == out.desired
	case in.what == "retry" && out.status == 409:
		return now, !now.phase.Final() && now.phase == out.phase
	case in.what == "retry":
		return now, now.phase.Final()
	case in.what == "delete" && out.status == 204:
		return next, happens
	case out.status == 409:
		return now, !happens && now.phase == out.phase
	}
	return next, happens && next.phase == out.phase && next.desired == out.desired
}

// model returns what porcupine holds a history against. The limits begin with that
// many slots.
func model(slots int) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{seen{}, seen{there: true, slots: slots}} },
		Step: func(state, input, output any) (next []any) {
			for _, s := range follows(state.(seen), input.(asked), output.(told)) {
				next = append(next, s)
			}
			return next
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
	}
	return m.ToModel()
}
