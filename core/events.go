package core

import (
	"context"
	"encoding/json"

	"thresher/core/feed"
	"thresher/core/job"
	"thresher/core/ledger"
)

// Subscribe returns what happens from now on: to all jobs, or to one. If after is
// not 0 it is the id of the last event seen, and what came since is sent first.
// The caller must Close the subscription.
func (e *Engine) Subscribe(_ context.Context, after uint64, id string) (*feed.Subscription, error) {
	if err := e.closed(); err != nil {
		return nil, err
	}
	return e.hub.Subscribe(after, id), nil
}

// Subscribers returns how many subscribers there are, and how many were dropped
// for being slow since the start.
func (e *Engine) Subscribers() (now int, dropped uint64) { return e.hub.Counts() }

// publish tells subscribers of a committed change. The job goes without its
// result, which can be large: those who want it ask for it.
func (e *Engine) publish(c ledger.Change[job.Record]) {
	event := feed.Event{ID: c.Revision, Type: feed.TypeJob, Job: c.Key}
	if c.Deleted {
		event.Type = feed.TypeDeleted
		event.Data = encode(map[string]string{"job": c.Key})
	} else {
		j := e.view(c.Entry)
		if j.Outcome != nil {
			o := *j.Outcome
			o.Result = nil
			j.Outcome = &o
		}
		event.Data = encode(j)
	}
	e.hub.Publish(event)
}

// news passes on what running jobs say.
type news struct{ e *Engine }

func (n news) Progress(id string, p job.Progress) {
	n.e.hub.Publish(feed.Event{Type: feed.TypeProgress, Job: id, Data: encode(struct {
		Job string `json:"job"`
		job.Progress
	}{id, p})})
}

func (n news) Log(id string, text []byte) {
	if n.e.hub.Watched(id) {
		n.e.hub.Publish(feed.Event{Type: feed.TypeLog, Job: id, Data: encode(map[string]string{
			"job": id, "text": string(text),
		})})
	}
}

// encode is for values that always encode: structs and maps of plain data.
func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic("core: event does not encode: " + err.Error())
	}
	return data
}
