package linear

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"thresher/core/job"
)

// step is what is recorded at a time: steps follow each other.
type step func(r *recorded, call, ret int64)

func ask(what string, status int, p job.Phase, d job.Desired) step {
	return func(r *recorded, call, ret int64) {
		if what == "submit" {
			r.submitted(0, "J", status, call, ret)
			return
		}
		r.add(0, asked{key: "J", what: what}, told{status: status, phase: p, desired: d}, call, ret)
	}
}

func get(p job.Phase, d job.Desired) step { return ask("get", 200, p, d) }

// unanswered is asked, and stays without an answer.
func unanswered(what string) step {
	return func(r *recorded, call, _ int64) {
		r.add(0, asked{key: "J", what: what}, told{cut: true}, call, math.MaxInt64)
	}
}

func restart(r *recorded, call, ret int64) { r.downs = append(r.downs, down{call, ret}) }

func lists(phase job.Phase, jobs ...listed) step {
	return func(r *recorded, call, ret int64) {
		r.lists = append(r.lists, list{call: call, ret: ret, phase: phase, jobs: jobs})
	}
}

func slots(what string, n int) step {
	return func(r *recorded, call, ret int64) {
		r.add(0, asked{key: limitsKey, what: what, n: n}, told{status: 200, n: n}, call, ret)
	}
}

func history(steps []step) *History {
	h := New(3)
	h.recorded.Must(func(r *recorded) {
		for i, s := range steps {
			s(r, int64(2*i), int64(2*i+1))
		}
	})
	return h
}

var submit = ask("submit", 202, job.Pending, job.WantRun)

// Each of these histories has a fault in its last step.
func TestTheCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	running := listed{ID: "J", Phase: job.Running, Desired: job.WantRun}
	for name, steps := range map[string][]step{
		"a final job comes back":                 {submit, get(job.Completed, job.WantRun), get(job.Pending, job.WantRun)},
		"a completion undoes a stop":             {submit, ask("stop", 200, job.Stopped, job.WantStop), get(job.Completed, job.WantRun)},
		"an acknowledged job is lost":            {submit, ask("get", 404, "", "")},
		"an acknowledged job is lost by a crash": {submit, restart, ask("get", 404, "", "")},
		"a deleted job is still there":           {submit, get(job.Completed, job.WantRun), ask("delete", 204, "", ""), get(job.Completed, job.WantRun)},
		"a deleted job comes back with a crash":  {submit, get(job.Completed, job.WantRun), ask("delete", 204, "", ""), restart, get(job.Completed, job.WantRun)},
		"a final job comes back with a crash":    {submit, get(job.Completed, job.WantRun), restart, get(job.Running, job.WantRun)},
		"a pause is forgotten":                   {submit, ask("pause", 200, job.Paused, job.WantPause), get(job.Running, job.WantRun)},
		"a pause is forgotten by a crash":        {submit, ask("pause", 200, job.Paused, job.WantPause), restart, get(job.Pending, job.WantRun)},
		"a stop that may be is refused":          {submit, get(job.Pending, job.WantRun), ask("stop", 409, job.Failed, ""), get(job.Running, job.WantRun)},
		"a limit that was set is lost":           {slots("set", 5), slots("get", 3)},
		"a list shows an old phase":              {submit, get(job.Completed, job.WantRun), lists("", running)},
		"a list leaves a job out":                {submit, get(job.Completed, job.WantRun), lists("")},
		"a list by phase leaves a job out":       {submit, get(job.Completed, job.WantRun), lists(job.Completed)},
		"a list shows what was deleted":          {submit, get(job.Completed, job.WantRun), ask("delete", 204, "", ""), lists("", running)},
		"more run than may":                      {submit, lists(job.Running, running, running, running, running)},
		"a list shows nobody's job":              {lists("", running)},
		"a running job is retried":               {submit, ask("pause", 200, job.Paused, job.WantPause), ask("retry", 202, "", "")},
		"a job that has ended is not retried":    {submit, get(job.Completed, job.WantRun), ask("retry", 409, job.Running, "")},
		"an unanswered stop is half done":        {submit, unanswered("stop"), restart, get(job.Stopped, job.WantStop), get(job.Running, job.WantRun)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := len(steps) - 1
			assert.NoError(t, history(steps[:last]).Check(), "it is right until then")
			assert.Error(t, history(steps).Check())
		})
	}
}

// What a crash may do is no fault.
func TestTheCheckAllowsWhatACrashMayDo(t *testing.T) {
	t.Parallel()
	unknown := func(r *recorded, call, _ int64) { r.cuts = append(r.cuts, cut{call: call, label: "7"}) }
	found := listed{ID: "J", Phase: job.Pending, Desired: job.WantRun}
	found.Spec.Labels = map[string]string{opLabel: "7"}
	lost := []step{submit}
	for range job.MaxLosses {
		lost = append(lost, get(job.Running, job.WantRun), restart)
	}
	lost = slices.Clip(lost)
	for name, steps := range map[string][]step{
		"an unanswered stop was written":         {submit, unanswered("stop"), restart, get(job.Stopped, job.WantStop)},
		"an unanswered stop was not":             {submit, unanswered("stop"), restart, get(job.Completed, job.WantRun)},
		"a running job is pending again":         {submit, get(job.Running, job.WantRun), restart, get(job.Pending, job.WantRun)},
		"a job that lost too many workers fails": append(lost, get(job.Failed, job.WantRun)),
		"an unanswered submit was written":       {unknown, restart, lists("", found), get(job.Running, job.WantRun)},
		"an unanswered submit was not":           {unknown, restart, lists("")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.NoError(t, history(steps).Check())
		})
	}
	assert.Error(t, history(append(lost, get(job.Running, job.WantRun))).Check(), "it has lost too many")
}
