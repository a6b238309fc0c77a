// Package client talks to a Thresher server over HTTP. Its types are the engine's
// own; an error answer is a *[Problem].
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"thresher/core"
	"thresher/core/job"
)

// Client talks to one server. It may be used concurrently.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the server at a URL, such as http://127.0.0.1:5000.
func New(server string) *Client {
	return &Client{base: strings.TrimSuffix(server, "/"), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// Problem is an error answer (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)", p.Title, p.Code)
	if p.Detail != "" {
		fmt.Fprintf(&b, ": %s", p.Detail)
	}
	for _, e := range p.Errors {
		if !strings.Contains(p.Detail, e.Message) {
			fmt.Fprintf(&b, "\n  %s: %s", e.Field, e.Message)
		}
	}
	return b.String()
}

// ErrUnreachable is wrapped by the error of a request that got no answer.
var ErrUnreachable = errors.New("no server answers")

// do sends a request and decodes the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, body, out any) error {
	return c.exchange(ctx, method, path, http.Header{}, body, out)
}

func (c *Client) exchange(ctx context.Context, method, path string, header http.Header, body, out any) error {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(data)
	}
	header.Set("Content-Type", "application/json")
	resp, err := c.send(ctx, method, path, payload, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, c.base, err)
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	p := &Problem{Status: resp.StatusCode, Title: resp.Status}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(p) // what is no problem is told by its status
	return nil, p
}

func jobPath(id string) string { return "/api/v1/jobs/" + url.PathEscape(id) }

// Submit makes a job. If wait is not 0 it waits for its end that long.
func (c *Client) Submit(ctx context.Context, req core.Request, wait time.Duration) (j core.Job, err error) {
	path := "/api/v1/jobs"
	if wait > 0 {
		path += "?wait=" + wait.String()
	}
	return j, c.exchange(ctx, http.MethodPost, path, keyed(req.Key), req, &j)
}

// Job returns a job.
func (c *Client) Job(ctx context.Context, id string) (j core.Job, err error) {
	return j, c.do(ctx, http.MethodGet, jobPath(id), nil, &j)
}

// Jobs returns a page of jobs. The query takes the parameters of the route.
func (c *Client) Jobs(ctx context.Context, query url.Values) (p core.Page, err error) {
	return p, c.do(ctx, http.MethodGet, "/api/v1/jobs?"+query.Encode(), nil, &p)
}

// Ask asks a job to pause, resume or stop, or pins or unpins it.
func (c *Client) Ask(ctx context.Context, id, what string) (j core.Job, err error) {
	return j, c.do(ctx, http.MethodPost, jobPath(id)+"/"+what, nil, &j)
}

// Delete deletes a job that has ended.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, jobPath(id), nil, nil)
}

// Artifacts lists a job's artifacts.
func (c *Client) Artifacts(ctx context.Context, id string) ([]job.Artifact, error) {
	var list struct{ Artifacts []job.Artifact }
	err := c.do(ctx, http.MethodGet, jobPath(id)+"/artifacts", nil, &list)
	return list.Artifacts, err
}

// Open opens what is at a path of the interface, in a media type. The caller
// closes it.
func (c *Client) Open(ctx context.Context, path, accept string) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodGet, path, nil, http.Header{"Accept": {accept}})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// OpenFrom opens what is at a path of the interface, without its first bytes. If there are
// no others, it is empty.
func (c *Client) OpenFrom(ctx context.Context, path, accept string, from int64) (io.ReadCloser, error) {
	if from == 0 {
		return c.Open(ctx, path, accept)
	}
	resp, err := c.send(ctx, http.MethodGet, path, nil, http.Header{"Accept": {accept}, "Range": {fmt.Sprintf("bytes=%d-", from)}})
	var p *Problem
	switch {
	case errors.As(err, &p) && p.Status == http.StatusRequestedRangeNotSatisfiable:
		return io.NopCloser(strings.NewReader("")), nil
	case err != nil:
		return nil, err
	}
	return resp.Body, nil
}

// Get decodes what is at a path of the interface.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, nil, out)
}

// Post sends a body to a path of the interface and decodes the answer.
func (c *Client) Post(ctx context.Context, path string, body, out any) error {
	return c.do(ctx, http.MethodPost, path, body, out)
}

// PostOnce is Post under an idempotency key, unless that is empty.
func (c *Client) PostOnce(ctx context.Context, path, key string, body, out any) error {
	return c.exchange(ctx, http.MethodPost, path, keyed(key), body, out)
}

func keyed(key string) http.Header {
	header := http.Header{}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	return header
}

// Patch changes what is at a path of the interface.
func (c *Client) Patch(ctx context.Context, path string, body, out any) error {
	return c.do(ctx, http.MethodPatch, path, body, out)
}

// Send sends a body as it is to a path of the interface and decodes the answer.
func (c *Client) Send(ctx context.Context, method, path, mediaType string, body io.Reader, out any) error {
	resp, err := c.send(ctx, method, path, body, http.Header{"Content-Type": {mediaType}})
	if err != nil || out == nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(out)
}

// Put replaces what is at a path of the interface.
func (c *Client) Put(ctx context.Context, path string, body, out any) error {
	return c.do(ctx, http.MethodPut, path, body, out)
}

// Remove deletes what is at a path of the interface.
func (c *Client) Remove(ctx context.Context, path string) error {
	return c.do(ctx, http.MethodDelete, path, nil, nil)
}

// PutDataset imports a table under a name.
func (c *Client) PutDataset(ctx context.Context, name, format string, r io.Reader) (core.Dataset, error) {
	return c.putDataset(ctx, url.Values{"name": {name}, "format": {format}}, r)
}

// ImportDataset imports a file under a name, by a plugin's importer.
func (c *Client) ImportDataset(ctx context.Context, name, importer string, params json.RawMessage, r io.Reader) (core.Dataset, error) {
	return c.putDataset(ctx, url.Values{"name": {name}, "importer": {importer}, "params": {string(params)}}, r)
}

func (c *Client) putDataset(ctx context.Context, query url.Values, r io.Reader) (d core.Dataset, err error) {
	path := "/api/v1/datasets?" + query.Encode()
	resp, err := c.send(ctx, http.MethodPost, path, io.NopCloser(r), http.Header{"Content-Type": {"application/octet-stream"}})
	if err != nil {
		return d, err
	}
	defer resp.Body.Close()
	return d, json.NewDecoder(resp.Body).Decode(&d)
}

// DeleteDataset deletes a dataset's name.
func (c *Client) DeleteDataset(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/api/v1/datasets/"+url.PathEscape(name), nil, nil)
}

// Event is what a stream says.
type Event struct {
	ID   string
	Type string
	Data json.RawMessage
}

// Follow calls fn with the events of a job until fn returns false, ctx ends, or
// the stream does.
func (c *Client) Follow(ctx context.Context, id string, fn func(Event) bool) error {
	return c.FollowPath(ctx, jobPath(id)+"/events", fn)
}

// FollowPath is Follow of any stream of events.
func (c *Client) FollowPath(ctx context.Context, path string, fn func(Event) bool) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil, http.Header{"Accept": {"text/event-stream"}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var e Event
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "id":
			e.ID = value
		case "event":
			e.Type = value
		case "data":
			e.Data = json.RawMessage(value)
		case "":
			if e.Type != "" && !fn(e) {
				return nil
			}
			e = Event{}
		}
	}
}

// Watch calls progress with each report until the job has ended, and returns it.
// A stream that breaks is taken up again.
func (c *Client) Watch(ctx context.Context, id string, progress func(core.Job)) (core.Job, error) {
	return c.WatchLog(ctx, id, progress, func(string) {})
}

// WatchLog is Watch that also calls log with what is appended to the job's log. Where a
// stream breaks some of that is lost; then progress is called, and the log can be read.
func (c *Client) WatchLog(ctx context.Context, id string, progress func(core.Job), log func(text string)) (core.Job, error) {
	for {
		var last core.Job
		err := c.Follow(ctx, id, func(e Event) bool {
			switch e.Type {
			case "job":
				if json.Unmarshal(e.Data, &last) != nil {
					return false
				}
			case "progress":
				last.Progress = &job.Progress{}
				_ = json.Unmarshal(e.Data, last.Progress) // a report, not the truth
			case "log":
				var appended struct{ Text string }
				_ = json.Unmarshal(e.Data, &appended) // likewise
				log(appended.Text)
				return true
			default:
				return false
			}
			progress(last)
			return !last.Phase.Final()
		})
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return last, err
		}
		j, err := c.Job(ctx, id) // with its result, which events leave out
		if err != nil || j.Phase.Final() {
			return j, err
		}
	}
}
