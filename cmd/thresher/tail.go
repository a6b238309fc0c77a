package main

import (
	"bytes"
	"context"
	"io"
	"os"

	"thresher/client"
	"thresher/core"
)

// tail prints a job's log as it comes. The log itself is read, not what events say of it:
// these can be lost, and cannot have every byte.
type tail struct {
	client  *client.Client
	path    string
	out     io.Writer
	printed int64 // bytes of the log
	told    int64 // bytes that events have told of, or a few more
}

func newTail(c *client.Client, id string, out io.Writer) *tail {
	return &tail{client: c, path: "/api/v1/jobs/" + id + "/logs", out: out}
}

// watch prints the log and calls progress with each report until the job has ended.
func (t *tail) watch(ctx context.Context, id string, progress func(core.Job)) (core.Job, error) {
	j, err := t.client.WatchLog(ctx, id, func(j core.Job) {
		t.told = t.printed // a stream that has begun anew has not told of the rest
		_ = t.more(ctx)    // what fails is tried again, and said at the end
		progress(j)
	}, func(text string) {
		if t.told += int64(len(text)); t.told > t.printed {
			_ = t.more(ctx)
		}
	})
	if err != nil {
		return j, err
	}
	return j, t.more(ctx)
}

// more prints what is new.
func (t *tail) more(ctx context.Context) error {
	body, err := t.client.OpenFrom(ctx, t.path, "text/plain", t.printed)
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := io.Copy(t.out, body)
	t.printed += n
	return err
}

// guestLines writes what a guest wrote beside a bar: whole lines, and on a terminal
// without control characters.
type guestLines struct {
	progress *progress
	out      io.Writer
	rest     []byte // of a line whose end is still to come
}

func newGuestLines(p *progress) *guestLines {
	out := p.out
	if f, ok := out.(*os.File); ok {
		out = plainOn(f)
	}
	return &guestLines{progress: p, out: out}
}

func (g *guestLines) Write(text []byte) (int, error) {
	g.rest = append(g.rest, text...)
	whole := bytes.LastIndexByte(g.rest, '\n') + 1
	if whole == 0 {
		return len(text), nil
	}
	g.progress.end() // the bar is drawn again with the next report
	_, err := g.out.Write(g.rest[:whole])
	g.rest = append(g.rest[:0], g.rest[whole:]...)
	return len(text), err
}

// flush ends the last line.
func (g *guestLines) flush() {
	if len(g.rest) > 0 {
		_, _ = g.Write([]byte("\n")) // it is shown for people: nothing depends on it
	}
}
