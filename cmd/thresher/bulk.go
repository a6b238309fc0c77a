package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"thresher/client"
	"thresher/core"
)

// bulkCmd lists, shows, follows and stops bulk actions. `jobs bulk` starts one.
type bulkCmd struct {
	Ls    bulkLs    `cmd:"" help:"List bulk actions, newest first."`
	Show  bulkShow  `cmd:"" help:"Show how far a bulk action is."`
	Watch bulkWatch `cmd:"" help:"Follow a bulk action to its end."`
	Stop  bulkStop  `cmd:"" help:"Stop a bulk action. What it has done stays."`
}

type bulkLs struct {
	Limit int `help:"How many." default:"20"`
}

// Run lists.
func (l *bulkLs) Run(ctx context.Context, s streams, c *commands) error {
	var page core.BulkPage
	query := url.Values{"limit": {strconv.Itoa(l.Limit)}}
	if err := client.New(c.Server).Get(ctx, "/api/v1/bulk?"+query.Encode(), &page); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, page)
	}
	return list(s.out, "ID\tACTION\tSTATE\tJOBS\tDONE\tSKIPPED\tFAILED\tAGE", func(line func(string, ...any)) {
		for _, b := range page.Bulks {
			line("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s", b.ID, b.Action, b.State, b.Jobs, b.Done, b.Skipped, b.Failed, age(b.Created))
		}
	})
}

// bulkArg names a bulk action.
type bulkArg struct {
	ID string `arg:"" help:"The bulk action's id."`
}

func (a bulkArg) path() string { return "/api/v1/bulk/" + url.PathEscape(a.ID) }

func (a bulkArg) get(ctx context.Context, c *commands) (b core.Bulk, err error) {
	err = client.New(c.Server).Get(ctx, a.path(), &b)
	return b, err
}

type bulkShow struct{ bulkArg }

// Run shows.
func (a *bulkShow) Run(ctx context.Context, s streams, c *commands) error {
	b, err := a.get(ctx, c)
	if err != nil {
		return err
	}
	return showBulk(s, c, b)
}

type bulkWatch struct{ bulkArg }

// Run follows.
func (a *bulkWatch) Run(ctx context.Context, s streams, c *commands) error {
	b, err := a.get(ctx, c)
	if err != nil {
		return err
	}
	return followBulk(ctx, s, c, client.New(c.Server), b)
}

type bulkStop struct{ bulkArg }

// Run stops.
func (a *bulkStop) Run(ctx context.Context, s streams, c *commands) error {
	var b core.Bulk
	if err := client.New(c.Server).Post(ctx, a.path()+"/stop", nil, &b); err != nil {
		return err
	}
	return showBulk(s, c, b)
}

type jobsBulk struct {
	Action string `arg:"" help:"pause, resume, stop, retry, delete, pin or unpin." enum:"pause,resume,stop,retry,delete,pin,unpin"`
	jobFilter
	All     bool `help:"Every job: needed where no filter is given."`
	Preview bool `help:"Only count them."`
}

// Run starts the bulk and follows it to its end.
func (b *jobsBulk) Run(ctx context.Context, s streams, c *commands) error {
	cl := client.New(c.Server)
	var state core.Bulk
	err := cl.Post(ctx, "/api/v1/bulk", map[string]any{
		"action": b.Action, "all": b.All, "preview": b.Preview,
		"filter": b.filter(),
	}, &state)
	if err != nil {
		return err
	}
	return followBulk(ctx, s, c, cl, state)
}

// followBulk shows how far a bulk is until it has ended.
func followBulk(ctx context.Context, s streams, c *commands, cl *client.Client, b core.Bulk) error {
	b, err := awaitBulk(ctx, s, cl, b)
	if err != nil {
		return err
	}
	return showBulk(s, c, b)
}

// showBulk says how far a bulk is, and why it left jobs as they are.
func showBulk(s streams, c *commands, b core.Bulk) error {
	if c.JSON {
		return printJSON(s.out, b)
	}
	text := fmt.Sprintf("%s %s: %d jobs, %d done, %d skipped%s", b.Action, b.State, b.Jobs, b.Done, b.Skipped, counts(b.Reasons))
	if b.Failed > 0 {
		text += fmt.Sprintf(", %d failed%s", b.Failed, counts(b.Failures))
	}
	if b.Waiting != nil {
		text += ", waits for " + b.Waiting.On
	}
	if b.Late {
		text += ", the batch had ended"
	}
	if b.StoppedBy != "" {
		text += ", by bulk " + b.StoppedBy
	}
	_, err := fmt.Fprintln(s.out, strings.TrimSpace(b.ID+"  "+text))
	return err
}

// counts lists how often each code occurred, in brackets.
func counts(codes map[string]int) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		parts = append(parts, fmt.Sprintf("%s %d", code, codes[code]))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func awaitBulk(ctx context.Context, s streams, cl *client.Client, b core.Bulk) (core.Bulk, error) {
	p := newProgress(s.err, b.Action)
	defer p.end()
	for b.Open() {
		p.of(b.Done+b.Skipped+b.Failed, b.Jobs)
		select {
		case <-ctx.Done():
			return b, fmt.Errorf("%w: the bulk action goes on; `thresher bulk stop %s` stops it", ctx.Err(), b.ID)
		case <-time.After(200 * time.Millisecond):
		}
		if err := cl.Get(ctx, bulkArg{b.ID}.path(), &b); err != nil {
			return b, err
		}
	}
	return b, nil
}
