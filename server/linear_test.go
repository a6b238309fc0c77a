package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/server/servertest"
)

// What a client asked of one job, or of the limits, and what it was told.
type (
	asked struct {
		key  string // job, or "limits"
		what string // submit, get, pause, resume, stop, delete; set or get for limits
		n    int    // slots that were set
	}
	told struct {
		status  int
		phase   job.Phase
		desired job.Desired
		n       int // slots
	}
)

// seen is what matters of a job's record to those who look from outside.
type seen struct {
	there   bool
	phase   job.Phase
	desired job.Desired
	leased  bool
	slots   int // of the limits; 0 for a job
}

func (s seen) record() job.Record {
	r := job.Record{Phase: s.phase, Desired: s.desired}
	if s.leased {
		r.Lease = &job.Lease{}
	}
	return r
}

func seenOf(r job.Record) seen {
	return seen{there: true, phase: r.Phase, desired: r.Desired, leased: r.Lease != nil}
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
			next, err := job.Apply(states[i].record(), e)
			if err != nil {
				continue
			}
			next.Epoch = 0
			if s := seenOf(next); !slices.Contains(states, s) {
				states = append(states, s)
			}
		}
	}
	return states
}

// follows is what a job may be after an answer, or nothing if the answer cannot be.
func follows(s seen, in asked, out told) []seen {
	if in.key == "limits" {
		if in.what == "set" {
			return []seen{{there: true, slots: out.n}}
		}
		if out.n == s.slots {
			return []seen{s}
		}
		return nil
	}
	var after []seen
	for _, now := range onItsOwn(s) {
		if next, ok := answerFits(now, in, out); ok && !slices.Contains(after, next) {
			after = append(after, next)
		}
	}
	return after
}

func answerFits(now seen, in asked, out told) (seen, bool) {
	switch {
	case in.what == "submit":
		return seen{there: true, phase: job.Pending, desired: job.WantRun}, !now.there
	case out.status == 404:
		return now, !now.there
	case out.status == 429: // too many paused guests hold memory
		return now, in.what == "pause" && now.leased
	case !now.there:
		return now, false
	case in.what == "get":
		return now, now.phase == out.phase && now.desired == out.desired
	case in.what == "delete" && out.status == 204:
		return seen{}, now.phase.Final()
	case in.what == "delete":
		return now, !now.phase.Final() && now.phase == out.phase
	}
	event := map[string]job.Event{"pause": job.Pause{}, "resume": job.Resume{}, "stop": job.Stop{}}[in.what]
	next, err := job.Apply(now.record(), event)
	if out.status == 409 {
		return now, err != nil && now.phase == out.phase
	}
	return seenOf(next), err == nil && next.Phase == out.phase && next.Desired == out.desired
}

var jobModel = porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(asked).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{seen{}, seen{there: true, slots: initialSlots}} },
	Step: func(state, input, output any) (next []any) {
		for _, s := range follows(state.(seen), input.(asked), output.(told)) {
			next = append(next, s)
		}
		return next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
}

const initialSlots = 3

// history records what clients ask and are told.
type history struct {
	url   string
	start time.Time
	mu    sync.Mutex // guards ops and jobs
	ops   []porcupine.Operation
	jobs  []string
}

func (h *history) call(t *testing.T, client int, in asked, method, path, body string) told {
	called := time.Since(h.start).Nanoseconds()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if !assert.NoError(t, err) {
		return told{}
	}
	defer resp.Body.Close()
	var answer struct {
		ID      string
		Phase   job.Phase
		Desired job.Desired
		Slots   int
	}
	if resp.StatusCode != 204 {
		assert.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	}
	assert.Less(t, resp.StatusCode, 500)
	returned := time.Since(h.start).Nanoseconds()
	if in.what == "submit" {
		in.key = answer.ID
	}
	out := told{resp.StatusCode, answer.Phase, answer.Desired, answer.Slots}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: called, Output: out, Return: returned})
	if in.what == "submit" {
		h.jobs = append(h.jobs, answer.ID)
	}
	return out
}

// recent picks one of the newest jobs, so that clients meet on them.
func (h *history) recent() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.jobs) == 0 {
		return ""
	}
	newest := h.jobs[max(len(h.jobs)-8, 0):]
	return newest[rand.N(len(newest))]
}

func (h *history) client(t *testing.T, number, ops int) {
	const jobs = "/api/v1/jobs"
	for range ops {
		id := h.recent()
		switch dice := rand.N(100); {
		case id == "" || dice < 8:
			routine := []string{"hostile/nothing", "hostile/loop", "hostile/endless", "hostile/error"}[rand.N(4)]
			body := fmt.Sprintf(`{"routine":%q,"cache":"off","limits":{"wall_seconds":0.3}}`, routine)
			h.call(t, number, asked{what: "submit"}, "POST", jobs, body)
		case dice < 10:
			n := 1 + rand.N(6)
			h.call(t, number, asked{key: "limits", what: "set", n: n}, "PATCH", "/api/v1/limits", fmt.Sprintf(`{"slots":%d}`, n))
		case dice < 13:
			h.call(t, number, asked{key: "limits", what: "get"}, "GET", "/api/v1/limits", "")
		case dice < 50:
			h.call(t, number, asked{key: id, what: "get"}, "GET", jobs+"/"+id, "")
		case dice < 58:
			h.call(t, number, asked{key: id, what: "delete"}, "DELETE", jobs+"/"+id, "")
		default:
			what := []string{"pause", "resume", "resume", "stop"}[rand.N(4)]
			h.call(t, number, asked{key: id, what: what}, "POST", jobs+"/"+id+"/"+what, "")
		}
	}
}

// Many clients on the same jobs at once: there is one order of what they asked,
// in which every answer is right.
func TestAnswersAreLinearisable(t *testing.T) {
	s := servertest.Start(t, core.Limits{Slots: initialSlots}, hostile)
	h := &history{url: s.URL, start: time.Now()}
	var clients sync.WaitGroup
	const each, together = 650, 16
	for n := range together {
		clients.Go(func() { h.client(t, n, each) })
	}
	clients.Wait()
	require.GreaterOrEqual(t, len(h.ops), 10_000)
	for _, part := range jobModel.Partition(h.ops) {
		if result := porcupine.CheckOperationsTimeout(jobModel.ToModel(), part, time.Minute); result != porcupine.Ok {
			t.Errorf("%s: %s", result, story(part))
			return
		}
	}
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

// The check itself can fail: each of these histories has a fault in it.
func TestTheCheckFindsFaults(t *testing.T) {
	t.Parallel()
	get := func(p job.Phase, d job.Desired) [2]any {
		return [2]any{asked{key: "J", what: "get"}, told{status: 200, phase: p, desired: d}}
	}
	ask := func(what string, status int, p job.Phase, d job.Desired) [2]any {
		return [2]any{asked{key: "J", what: what}, told{status: status, phase: p, desired: d}}
	}
	submit := ask("submit", 202, job.Pending, job.WantRun)
	set := func(what string, n int) [2]any {
		return [2]any{asked{key: "limits", what: what}, told{status: 200, n: n}}
	}
	for name, calls := range map[string][][2]any{
		"a final job comes back":        {submit, get(job.Completed, job.WantRun), get(job.Pending, job.WantRun)},
		"a completion undoes a stop":    {submit, ask("stop", 200, job.Stopped, job.WantStop), get(job.Completed, job.WantRun)},
		"an acknowledged job is lost":   {submit, ask("get", 404, "", "")},
		"a deleted job is still there":  {submit, get(job.Completed, job.WantRun), ask("delete", 204, "", ""), get(job.Completed, job.WantRun)},
		"a pause is forgotten":          {submit, ask("pause", 200, job.Paused, job.WantPause), get(job.Running, job.WantRun)},
		"a stop that may be is refused": {submit, get(job.Pending, job.WantRun), ask("stop", 409, job.Failed, ""), get(job.Running, job.WantRun)},
		"a limit that was set is lost":  {set("set", 5), set("get", 3)},
	} {
		t.Run(name, func(t *testing.T) {
			var ops []porcupine.Operation
			for i, call := range calls {
				ops = append(ops, porcupine.Operation{Input: call[0], Output: call[1], Call: int64(2 * i), Return: int64(2*i + 1)})
			}
			assert.True(t, porcupine.CheckOperations(jobModel.ToModel(), ops[:1]), "the first is right")
			assert.False(t, porcupine.CheckOperations(jobModel.ToModel(), ops))
		})
	}
}
