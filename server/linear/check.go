package linear

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"thresher/core/job"
)

// decide is how long the search for an order of one job's history may take.
const decide = 2 * time.Minute

// Check returns an error that tells a history which has no right order, or what
// else is wrong with the answers.
func (h *History) Check() error {
	var r recorded
	h.recorded.Must(func(now *recorded) { r = now.clone() })
	r.findCuts()
	r.countRunning(r.most(h.Slots))
	if len(r.wrong) > 0 {
		return fmt.Errorf("wrong answers: %s", strings.Join(r.wrong, "\n"))
	}
	r.readLists()
	m := model(h.Slots)
	for _, part := range r.parts() {
		if result := porcupine.CheckOperationsTimeout(m, part, decide); result != porcupine.Ok {
			return fmt.Errorf("no order found (%s) for %s", result, story(part))
		}
	}
	return nil
}

func (r recorded) clone() recorded {
	r.ops, r.lists, r.jobs, r.wrong = slices.Clone(r.ops), slices.Clone(r.lists), slices.Clone(r.jobs), slices.Clone(r.wrong)
	born := map[string]int64{}
	for id, at := range r.born {
		born[id] = at
	}
	r.born = born
	r.cuts = slices.Clone(r.cuts)
	return r
}

// findCuts finds the jobs of submits and retries that got no answer, among those
// that were listed: such a job may be there or not, but every job there is must be
// somebody's.
func (r *recorded) findCuts() {
	slices.SortFunc(r.cuts, func(a, b cut) int { return cmp.Compare(a.call, b.call) })
	for _, l := range r.lists {
		for _, j := range l.jobs {
			if _, known := r.born[j.ID]; known {
				continue
			}
			i := slices.IndexFunc(r.cuts, func(c cut) bool {
				return c.call < l.ret && c.origin == j.Spec.Origin && (c.origin != "" || c.label == j.Spec.Labels[opLabel])
			})
			if i < 0 {
				r.wrong = append(r.wrong, fmt.Sprintf("job %s is listed, and nobody submitted it: %+v", j.ID, j))
				return
			}
			c := r.cuts[i]
			r.cuts = slices.Delete(r.cuts, i, i+1)
			r.born[j.ID] = c.call
			r.add(c.client, asked{key: j.ID, what: "submit"}, told{cut: true}, c.call, math.MaxInt64)
		}
	}
}

// countRunning holds each list, which shows one moment, against the limits.
func (r *recorded) countRunning(most int) {
	for _, l := range r.lists {
		running := 0
		for _, j := range l.jobs {
			if j.Phase == job.Running {
				running++
			}
		}
		if running > most {
			r.wrong = append(r.wrong, fmt.Sprintf("%d jobs run at once: %d may", running, most))
		}
	}
}

// readLists makes of each list a look at every job that it shows, and at every one
// that it would have shown.
func (r *recorded) readLists() {
	there := r.answered()
	for _, l := range r.lists {
		shown := map[string]bool{}
		oldest := int64(math.MaxInt64) // when the last of the page, which is newest first, was there
		for _, j := range l.jobs {
			shown[j.ID] = true
			oldest = there[j.ID]
			r.add(l.client, asked{key: j.ID, what: "get"}, told{status: 200, phase: j.Phase, desired: j.Desired}, l.call, l.ret)
		}
		for id, born := range r.born {
			// A page that is not the last shows every job that was submitted after its last
			// one was there. Of jobs submitted at one moment either may come first.
			if !shown[id] && born < l.ret && (!l.more || born > oldest) {
				r.add(l.client, asked{key: id, what: "absent", phase: l.phase}, told{status: 200}, l.call, l.ret)
			}
		}
	}
}

// answered is when the submit of each job was answered; never, where it was cut off.
func (r *recorded) answered() map[string]int64 {
	at := map[string]int64{}
	for id := range r.born {
		at[id] = math.MaxInt64
	}
	for _, op := range r.ops {
		if in := op.Input.(asked); in.what == "submit" && !op.Output.(told).cut {
			at[in.key] = op.Return
		}
	}
	return at
}

// parts splits a history by job: what is asked of one says nothing of another.
// Every part has every restart. What was cut off had its effect before the next
// server served, or never.
func (r *recorded) parts() (parts [][]porcupine.Operation) {
	byKey := map[string][]porcupine.Operation{}
	for _, op := range r.ops {
		if op.Output.(told).cut {
			op.Return = r.cutOff(op.Call)
		}
		key := op.Input.(asked).key
		byKey[key] = append(byKey[key], op)
	}
	for key, part := range byKey {
		for _, d := range r.downs {
			part = append(part, porcupine.Operation{ClientId: -1, Input: asked{key: key, what: "restart"}, Output: told{}, Call: d.call, Return: d.ret})
		}
		parts = append(parts, part)
	}
	return parts
}

func (r *recorded) cutOff(call int64) int64 {
	for _, d := range r.downs {
		if d.ret > call {
			return d.ret
		}
	}
	return math.MaxInt64
}

// story tells a history in the order of its answers.
func story(part []porcupine.Operation) string {
	slices.SortFunc(part, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	var b strings.Builder
	for _, op := range part {
		fmt.Fprintf(&b, "\n%9d to %9d µs, client %2d: %+v → %+v", op.Call/1000, op.Return/1000, op.ClientId, op.Input, op.Output)
	}
	return b.String()
}
