package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
)

// kept is what clients were told, and must find again after every crash. Its zero
// value is not usable: see newKept.
type kept struct {
	mu       sync.Mutex          // guards all below
	jobs     map[string]struct{} // acknowledged, and nobody asked to delete them
	finals   map[string]string   // id → its record, as it was seen
	tables   map[string]int64    // id → rows of its table, likewise
	gone     map[string]struct{} // whose deletion was acknowledged
	keys     map[string]string   // idempotency key → job
	lots     map[string]string   // idempotency key → batch
	batches  map[string]int      // id → jobs
	datasets map[string]string   // name → digest
	slots    []int               // the last that was acknowledged, and those asked for since
	pins     map[string]struct{}
	asked    map[string]int // what → how often it was done
	over     bool           // nothing counts that is told from now on
}

func newKept() *kept {
	return &kept{
		jobs: map[string]struct{}{}, finals: map[string]string{}, tables: map[string]int64{}, gone: map[string]struct{}{},
		keys: map[string]string{}, lots: map[string]string{}, batches: map[string]int{}, datasets: map[string]string{}, slots: []int{4},
		pins: map[string]struct{}{}, asked: map[string]int{},
	}
}

func (k *kept) do(fn func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fn()
}

// note is for what clients were told: it counts unless that came too late. A
// machine that has lost its power tells nothing, where ours goes on for a moment.
func (k *kept) note(fn func()) {
	k.do(func() {
		if !k.over {
			fn()
		}
	})
}

// setOver says whether what clients are told from now on is too late.
func (k *kept) setOver(over bool) { k.do(func() { k.over = over }) }

// some returns one of the newest jobs, or of all now and then.
func (k *kept) some() (id string) {
	k.do(func() {
		ids := slices.Sorted(maps.Keys(k.jobs)) // by time
		if n := len(ids); n > 0 {
			id = ids[n-1-rand.N(min(n, []int{8, n}[rand.N(2)]))]
		}
	})
	return id
}

// see takes in a job that was shown.
func (k *kept) see(j core.Job) {
	k.jobs[j.ID] = struct{}{}
	if !j.Phase.Final() {
		return
	}
	k.finals[j.ID] = recordText(j)
	for _, t := range j.Outcome.Tables {
		k.tables[j.ID] = t.Rows
	}
}

// recordText is all of a final record that may not change.
func recordText(j core.Job) string {
	j.Pinned = false
	data, err := json.Marshal(j.Record)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// trash labels jobs that may be deleted in bulk.
var trash = map[string]string{"trash": "yes"}

// requests are what clients ask of a server, every feature among it. Each returns
// what the client returned.
var requests = map[string]func(ctx context.Context, c *client.Client, k *kept) error{
	"submit": func(ctx context.Context, c *client.Client, k *kept) error { return k.submit(ctx, c, sir()) },
	"cached": func(ctx context.Context, c *client.Client, k *kept) error {
		req, seed := sir(), uint64(7)
		req.Cache, req.Seed = "on", &seed
		return k.submit(ctx, c, req)
	},
	"locks": func(ctx context.Context, c *client.Client, k *kept) error {
		req := sir()
		req.Locks = []job.Lock{{Name: "licence", Limit: 1 + rand.N(2)}}
		return k.submit(ctx, c, req)
	},
	"after": func(ctx context.Context, c *client.Client, k *kept) error {
		req := sir()
		req.After = []string{k.some()}
		return k.submit(ctx, c, req)
	},
	"input of a job": func(ctx context.Context, c *client.Client, k *kept) error {
		return k.submit(ctx, c, core.Request{Routine: "tabular/describe", Inputs: map[string]string{"data": "job:" + k.some() + "/steps"}})
	},
	"input of a dataset": func(ctx context.Context, c *client.Client, k *kept) error {
		var name string
		k.do(func() {
			for name = range k.datasets {
			}
		})
		return k.submit(ctx, c, core.Request{Routine: "tabular/describe", Inputs: map[string]string{"data": name}})
	},
	"key": func(ctx context.Context, c *client.Client, k *kept) error {
		req := keyed(fmt.Sprint("key", rand.Uint32()))
		j, err := c.Submit(ctx, req, 0)
		if err == nil {
			k.note(func() { k.see(j); k.keys[req.Key] = j.ID })
		}
		return err
	},
	"skip if queued": func(ctx context.Context, c *client.Client, k *kept) error {
		req := sir()
		req.SkipIfQueued = true
		return k.submit(ctx, c, req)
	},
	"long job": func(ctx context.Context, c *client.Client, k *kept) error {
		return k.submit(ctx, c, core.Request{Routine: "hostile/endless", Limits: &job.Limits{WallSeconds: 0.2}})
	},
	"failure": func(ctx context.Context, c *client.Client, k *kept) error {
		return k.submit(ctx, c, core.Request{Routine: "hostile/error", Cache: "off"})
	},
	"trash": func(ctx context.Context, c *client.Client, k *kept) error {
		_, err := c.Submit(ctx, core.Request{Routine: "hostile/nothing", Cache: "off", Labels: trash}, 0)
		return err
	},
	"batch": func(ctx context.Context, c *client.Client, k *kept) error {
		last := sir()
		last.After = []string{"@first"}
		_, err := k.batch(ctx, c, core.BatchRequest{Running: 1, Jobs: []core.BatchJob{{Name: "last", Request: last}, {Name: "first", Request: sir()}}})
		return err
	},
	"batch with a key": func(ctx context.Context, c *client.Client, k *kept) error {
		req := keyedBatch(fmt.Sprint("batch", rand.Uint32()))
		b, err := k.batch(ctx, c, req)
		if err == nil {
			k.note(func() { k.lots[req.Key] = b.ID })
		}
		return err
	},
	"grid": func(ctx context.Context, c *client.Client, k *kept) error {
		req := sir()
		req.Params = nil
		_, err := k.batch(ctx, c, core.BatchRequest{Template: &req, Grid: map[string][]json.RawMessage{
			"population": {json.RawMessage("100"), json.RawMessage("200")}, "seed": {json.RawMessage("1"), json.RawMessage("2")},
		}})
		return err
	},
	"pause":  demand("pause"),
	"resume": demand("resume"),
	"stop":   demand("stop"),
	"pin": func(ctx context.Context, c *client.Client, k *kept) error {
		id := k.some()
		_, err := c.Ask(ctx, id, "pin")
		if err == nil {
			k.note(func() { k.pins[id] = struct{}{} })
		}
		return err
	},
	"retry": demand("retry"),
	"delete": func(ctx context.Context, c *client.Client, k *kept) error {
		id := k.some()
		k.do(func() { delete(k.jobs, id) }) // it may be gone from now on
		err := c.Delete(ctx, id)
		var refused *client.Problem
		switch {
		case err == nil:
			k.note(func() { k.gone[id] = struct{}{} })
		case errors.As(err, &refused) && (refused.Status == 409):
			k.note(func() {
				if _, gone := k.gone[id]; !gone {
					k.jobs[id] = struct{}{}
				}
			})
		}
		return err
	},
	"bulk": func(ctx context.Context, c *client.Client, _ *kept) error {
		action, filter := "delete", core.Filter{Labels: trash}
		switch rand.N(3) {
		case 0:
			action, filter = "retry", core.Filter{Phase: job.Failed}
		case 1:
			action, filter = "resume", core.Filter{Phase: job.Paused}
		}
		return c.Post(ctx, "/api/v1/bulk", map[string]any{"action": action, "filter": filter}, nil)
	},
	"dataset": func(ctx context.Context, c *client.Client, k *kept) error {
		name := fmt.Sprint("d", rand.Uint32())
		d, err := c.PutDataset(ctx, name, "csv", strings.NewReader(fmt.Sprintf("a,b\n1,%s\n2,y\n", name)))
		if err == nil {
			k.note(func() { k.datasets[name] = d.Tables[0].Digest })
		}
		return err
	},
	"delete dataset": func(ctx context.Context, c *client.Client, k *kept) error {
		var name string
		k.do(func() {
			for name = range k.datasets {
				delete(k.datasets, name) // it may be gone from now on
				break
			}
		})
		return c.DeleteDataset(ctx, name)
	},
	"list": func(ctx context.Context, c *client.Client, k *kept) error {
		page, err := c.Jobs(ctx, url.Values{"limit": {"20"}})
		k.note(func() {
			for _, j := range page.Jobs {
				if _, known := k.jobs[j.ID]; known { // and so not to be deleted
					k.see(j)
				}
			}
		})
		return err
	},
}

func sir() core.Request {
	params := json.RawMessage(fmt.Sprintf(`{"population": %d, "steps": 20}`, 100+rand.N(10)))
	return core.Request{Routine: "models/sir", Cache: "off", Params: params}
}

func keyed(key string) core.Request {
	return core.Request{Routine: "hostile/nothing", Cache: "off", Key: key}
}

func keyedBatch(key string) core.BatchRequest {
	return core.BatchRequest{Key: key, Jobs: []core.BatchJob{{Request: keyed("")}, {Request: keyed("")}}}
}

func demand(what string) func(context.Context, *client.Client, *kept) error {
	return func(ctx context.Context, c *client.Client, k *kept) error {
		j, err := c.Ask(ctx, k.some(), what)
		if err == nil && what == "retry" {
			k.note(func() { k.see(j) })
		}
		return err
	}
}

func (k *kept) submit(ctx context.Context, c *client.Client, req core.Request) error {
	j, err := c.Submit(ctx, req, 0)
	if err == nil {
		k.note(func() { k.see(j) })
	}
	return err
}

func (k *kept) batch(ctx context.Context, c *client.Client, req core.BatchRequest) (b core.Batch, err error) {
	err = c.PostOnce(ctx, "/api/v1/batches", req.Key, req, &b)
	if err == nil {
		k.note(func() { k.batches[b.ID] = b.Jobs })
	}
	return b, err
}

// setSlots is asked by one client only, so that there is a last one.
func (k *kept) setSlots(ctx context.Context, c *client.Client) error {
	n := 2 + rand.N(4)
	k.do(func() { k.slots = append(k.slots, n) })
	err := c.Patch(ctx, "/api/v1/limits", map[string]int{"slots": n}, nil)
	if err == nil {
		k.note(func() { k.slots = []int{n} })
	}
	return err
}

// load lets clients ask for everything until the server no longer answers.
func (k *kept) load(t *testing.T, c *client.Client) (ended *sync.WaitGroup) {
	ended = &sync.WaitGroup{}
	names := slices.Sorted(maps.Keys(requests))
	for n := range 8 {
		ended.Go(func() {
			for i := 0; ; i++ {
				what := names[rand.N(len(names))]
				err := error(nil)
				if n == 0 && i%8 == 0 {
					what, err = "limits", k.setSlots(context.Background(), c)
				} else {
					err = requests[what](context.Background(), c, k)
				}
				var refused *client.Problem
				if err != nil && !errors.As(err, &refused) || refused != nil && refused.Status >= 500 {
					return // it was killed, or its disk has gone
				}
				if err == nil {
					k.do(func() { k.asked[what]++ })
				}
			}
		})
	}
	return ended
}

// losses lists what was acknowledged or seen and is not there, or not as it was.
func (k *kept) losses(ctx context.Context, c *client.Client) (lost []string, err error) {
	say := func(format string, args ...any) { lost = append(lost, fmt.Sprintf(format, args...)) }
	now, err := allJobs(ctx, c)
	if err != nil {
		return nil, err
	}
	k.mu.Lock() // nobody else is there
	defer k.mu.Unlock()
	for id := range k.jobs {
		if _, there := now[id]; !there {
			say("job %s was acknowledged and is gone", id)
		}
	}
	for id := range k.gone {
		if _, there := now[id]; there {
			say("job %s was deleted and is back", id)
		}
	}
	for id, j := range now {
		if before, seen := k.finals[id]; seen && before != recordText(j) {
			say("job %s was %s and is %s", id, before, recordText(j))
		}
		if _, pinned := k.pins[id]; pinned && !j.Pinned {
			say("job %s was pinned and is not", id)
		}
	}
	for id, jobs := range k.batches {
		var b core.Batch
		if err := c.Get(ctx, "/api/v1/batches/"+id, &b); err != nil || b.Jobs > jobs {
			say("batch %s of %d jobs has %d: %v", id, jobs, b.Jobs, err)
		}
	}
	for name, digest := range k.datasets {
		var d core.Dataset
		if err := c.Get(ctx, "/api/v1/datasets/"+name, &d); err != nil || d.Tables[0].Digest != digest {
			say("dataset %s is not what was put: %v", name, err)
		}
	}
	return append(lost, k.fewLosses(ctx, c)...), nil
}

// fewLosses looks at some of what takes long to look at.
func (k *kept) fewLosses(ctx context.Context, c *client.Client) (lost []string) {
	left := 10
	for id, rows := range k.tables {
		if _, there := k.jobs[id]; there && left > 0 {
			left--
			if n, err := countRows(ctx, c, id); err != nil || n != rows {
				lost = append(lost, fmt.Sprintf("job %s had a table of %d rows; now %d: %v", id, rows, n, err))
			}
		}
	}
	left = 10
	for key, id := range k.keys {
		if _, there := k.jobs[id]; there && left > 0 {
			left--
			if j, err := c.Submit(ctx, keyed(key), 0); err != nil || j.ID != id {
				lost = append(lost, fmt.Sprintf("key %s stood for job %s, and now for %s: %v", key, id, j.ID, err))
			}
		}
	}
	left = 10
	for key, id := range k.lots {
		if left--; left > 0 {
			var b core.Batch
			if err := c.PostOnce(ctx, "/api/v1/batches", key, keyedBatch(key), &b); err != nil || b.ID != id {
				lost = append(lost, fmt.Sprintf("key %s stood for batch %s, and now for %s: %v", key, id, b.ID, err))
			}
		}
	}
	var l core.Limits
	if err := c.Get(ctx, "/api/v1/limits", &l); err != nil || !slices.Contains(k.slots, l.Slots) {
		lost = append(lost, fmt.Sprintf("slots are %d, and were %v: %v", l.Slots, k.slots, err))
	}
	k.slots = []int{l.Slots}
	return lost
}

func countRows(ctx context.Context, c *client.Client, id string) (int64, error) {
	r, err := c.Open(ctx, "/api/v1/jobs/"+id+"/tables/steps", "text/csv")
	if err != nil {
		return 0, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return int64(strings.Count(string(data), "\n")) - 1, err
}

// allJobs returns every job that is listed.
func allJobs(ctx context.Context, c *client.Client) (map[string]core.Job, error) {
	all := map[string]core.Job{}
	for cursor := ""; ; {
		page, err := c.Jobs(ctx, url.Values{"limit": {"1000"}, "cursor": {cursor}})
		if err != nil {
			return nil, err
		}
		for _, j := range page.Jobs {
			all[j.ID] = j
		}
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}
