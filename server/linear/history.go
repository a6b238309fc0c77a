// Package linear checks that what a server answers is linearisable: that there is
// one order of all that its clients asked, in which every answer is right.
//
// A [History] drives a server through its port with many clients at once, on few
// jobs, so that they meet, and records what each asked and was told, also across
// restarts of a server that was killed. [History.Check] holds it against a model of
// one job, which is [job.Apply], with porcupine. It is for tests.
package linear

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/anishathalye/porcupine"

	"thresher/core/guard"
	"thresher/core/job"
)

// History is what clients asked and were told. Its methods may be called
// concurrently.
type History struct {
	Slots     int  // of the server, before anyone sets them
	SlotsStay bool // nobody sets them: then no more may ever run

	start    time.Time
	recorded *guard.Value[recorded]
	http     *http.Client
}

// recorded is a history as it grows. Times are nanoseconds since its start.
type recorded struct {
	asked int // requests, answered or not
	ops   []porcupine.Operation
	lists []list
	jobs  []string         // ids, in the order in which they became known
	born  map[string]int64 // id → when its submit was called
	cuts  []cut            // submits and retries whose answer, and so whose job, is not known
	downs []down
	wrong []string // answers that are wrong whatever was asked
}

// most is the most jobs that may run at once, whatever the limits were set to and
// when: jobs that run are let run where the limits shrink.
func (r *recorded) most(slots int) int {
	for _, op := range r.ops {
		if in := op.Input.(asked); in.what == "set" {
			slots = max(slots, in.n)
		}
	}
	return slots
}

// list is the answer to a list: a part of all jobs, at one moment.
type list struct {
	call, ret int64
	client    int
	phase     job.Phase // the filter; empty: none
	jobs      []listed
	more      bool // it does not go down to the oldest job
}

type listed struct {
	ID      string
	Phase   job.Phase
	Desired job.Desired
	Spec    struct {
		Origin string
		Labels map[string]string
	}
}

// cut is a submit, or a retry of origin, without an answer.
type cut struct {
	call   int64
	client int
	label  string
	origin string
}

// down is a time in which there was no server.
type down struct{ call, ret int64 }

// New returns an empty history of a server with that many slots.
func New(slots int) *History {
	return &History{
		Slots:    slots,
		start:    time.Now(),
		recorded: guard.New("history", guard.RankEngine, recorded{born: map[string]int64{}}),
		http:     &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute},
	}
}

// Close gives back the connections.
func (h *History) Close() { h.http.CloseIdleConnections() }

func (h *History) now() int64 { return time.Since(h.start).Nanoseconds() }

// Asked returns how many requests were made.
func (h *History) Asked() (n int) {
	h.recorded.Must(func(r *recorded) { n = r.asked })
	return n
}

// Jobs returns the ids of the jobs that are known.
func (h *History) Jobs() (ids []string) {
	h.recorded.Must(func(r *recorded) { ids = append(ids, r.jobs...) })
	return ids
}

// Killed notes that the server is about to be killed. The function returned notes
// that another serves: between the two, every lease is lost and nothing else may
// change.
func (h *History) Killed() (serves func()) {
	call := h.now()
	return func() {
		h.recorded.Must(func(r *recorded) { r.downs = append(r.downs, down{call, h.now()}) })
	}
}

// Client asks that many times, or until a request gets no answer. Number tells
// clients apart. It reports whether every request was answered.
func (h *History) Client(ctx context.Context, url string, number, times int) bool {
	for range times {
		if !h.any(ctx, &caller{h, url, number}) {
			return false
		}
	}
	return true
}

// LookAtAll asks after every job that is known, and for a list.
func (h *History) LookAtAll(ctx context.Context, url string) {
	c := &caller{h, url, -1}
	for _, id := range h.Jobs() {
		c.job(ctx, asked{key: id, what: "get"}, "GET", id)
	}
	c.limits(ctx, asked{key: limitsKey, what: "get"}, "GET", nil)
	c.list(ctx, "", 1000)
}

// recent picks one of the newest jobs, so that clients meet on them.
func (h *History) recent() (id string) {
	h.recorded.Must(func(r *recorded) {
		if n := len(r.jobs); n > 0 {
			id = r.jobs[max(n-8, 0)+rand.N(min(n, 8))]
		}
	})
	return id
}

// any asks for something.
func (h *History) any(ctx context.Context, c *caller) (answered bool) {
	id := h.recent()
	switch dice := rand.N(100); {
	case id == "" || dice < 8:
		return c.submit(ctx)
	case dice < 10 && !h.SlotsStay:
		n := 1 + rand.N(6)
		return c.limits(ctx, asked{key: limitsKey, what: "set", n: n}, "PATCH", map[string]int{"slots": n})
	case dice < 13:
		return c.limits(ctx, asked{key: limitsKey, what: "get"}, "GET", nil)
	case dice < 20:
		return c.list(ctx, []job.Phase{"", "", job.Pending, job.Running, job.Paused, job.Stopped}[rand.N(6)], 20)
	case dice < 24:
		return c.retry(ctx, id)
	case dice < 52:
		return c.job(ctx, asked{key: id, what: "get"}, "GET", id)
	case dice < 60:
		return c.job(ctx, asked{key: id, what: "delete"}, "DELETE", id)
	}
	what := []string{"pause", "resume", "resume", "stop"}[rand.N(4)]
	return c.job(ctx, asked{key: id, what: what}, "POST", id+"/"+what)
}

// caller is one client of a server.
type caller struct {
	h      *History
	url    string
	number int
}

const (
	jobsPath   = "/api/v1/jobs"
	limitsPath = "/api/v1/limits"
	opLabel    = "op" // of a submit, so that its job is known even if its answer is not
)

// ask makes a request and decodes its answer. It reports whether one came.
func (c *caller) ask(ctx context.Context, method, path string, body, answer any) (call, ret int64, status int, answered bool) {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // the bodies are ours
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(data))
	if err != nil {
		panic(err) // so are the paths
	}
	req.Header.Set("Content-Type", "application/json")
	call = c.h.now()
	c.h.recorded.Must(func(r *recorded) { r.asked++ })
	resp, err := c.h.http.Do(req)
	if err != nil {
		return call, math.MaxInt64, 0, false
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
			return call, math.MaxInt64, 0, false // cut off within the answer
		}
	}
	if resp.StatusCode >= 500 {
		c.h.recorded.Must(func(r *recorded) {
			r.wrong = append(r.wrong, fmt.Sprintf("%s %s: status %d: %+v", method, path, resp.StatusCode, answer))
		})
	}
	return call, c.h.now(), resp.StatusCode, true
}

func (c *caller) record(in asked, out told, call, ret int64) {
	c.h.recorded.Must(func(r *recorded) { r.add(c.number, in, out, call, ret) })
}

func (r *recorded) add(client int, in asked, out told, call, ret int64) {
	r.ops = append(r.ops, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: ret})
}

type answer struct {
	ID      string
	Phase   job.Phase
	Desired job.Desired
	Slots   int
	Title   string // of a problem
	Detail  string
}

func (c *caller) limits(ctx context.Context, in asked, method string, body any) bool {
	var a answer
	call, ret, status, answered := c.ask(ctx, method, limitsPath, body, &a)
	c.record(in, told{cut: !answered, status: status, n: a.Slots}, call, ret)
	return answered
}

func (c *caller) job(ctx context.Context, in asked, method, path string) bool {
	var a answer
	call, ret, status, answered := c.ask(ctx, method, jobsPath+"/"+path, nil, &a)
	c.record(in, told{cut: !answered, status: status, phase: a.Phase, desired: a.Desired}, call, ret)
	return answered
}

func (c *caller) submit(ctx context.Context) bool {
	routine := []string{"hostile/nothing", "hostile/loop", "hostile/endless", "hostile/error"}[rand.N(4)]
	label := fmt.Sprintf("%d-%d", c.number, c.h.now())
	var a answer
	call, ret, status, answered := c.ask(ctx, "POST", jobsPath, map[string]any{
		"routine": routine, "cache": "off", "limits": map[string]any{"wall_seconds": 0.3},
		"labels": map[string]string{opLabel: label},
	}, &a)
	c.h.recorded.Must(func(r *recorded) {
		if answered {
			r.submitted(c.number, a.ID, status, call, ret)
		} else {
			r.cuts = append(r.cuts, cut{call: call, client: c.number, label: label})
		}
	})
	return answered
}

// retry is two operations: a look at the job that has ended, and the submit of
// another.
func (c *caller) retry(ctx context.Context, id string) bool {
	var a answer
	call, ret, status, answered := c.ask(ctx, "POST", jobsPath+"/"+id+"/retry", nil, &a)
	c.h.recorded.Must(func(r *recorded) {
		if !answered {
			r.cuts = append(r.cuts, cut{call: call, client: c.number, origin: id})
			return
		}
		r.add(c.number, asked{key: id, what: "retry"}, told{status: status, phase: a.Phase, desired: a.Desired}, call, ret)
		if status < 300 {
			r.submitted(c.number, a.ID, status, call, ret)
		}
	})
	return answered
}

// submitted notes a new job.
func (r *recorded) submitted(client int, id string, status int, call, ret int64) {
	if id == "" {
		r.wrong = append(r.wrong, fmt.Sprintf("a submit was answered %d, without a job", status))
		return
	}
	r.add(client, asked{key: id, what: "submit"}, told{status: status}, call, ret)
	r.jobs = append(r.jobs, id)
	r.born[id] = call
}

func (c *caller) list(ctx context.Context, phase job.Phase, most int) bool {
	var page struct {
		Jobs []listed
		Next string
	}
	path := fmt.Sprintf("%s?limit=%d", jobsPath, most)
	if phase != "" {
		path += "&phase=" + string(phase)
	}
	call, ret, status, answered := c.ask(ctx, "GET", path, nil, &page)
	if answered && status == http.StatusOK {
		c.h.recorded.Must(func(r *recorded) {
			r.lists = append(r.lists, list{call: call, ret: ret, client: c.number, phase: phase, jobs: page.Jobs, more: page.Next != ""})
		})
	}
	return answered
}
