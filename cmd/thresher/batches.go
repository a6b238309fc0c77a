package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
)

// batchesCmd is about batches. An ID of "last" is the newest batch.
type batchesCmd struct {
	Submit batchesSubmit `cmd:"" help:"Submit a batch."`
	Ls     batchesLs     `cmd:"" help:"List batches, newest first."`
	Show   batchesShow   `cmd:"" help:"Show a batch."`
	Watch  batchesWatch  `cmd:"" help:"Follow a batch to its end."`
	Stop   batchesStop   `cmd:"" help:"Stop a batch: every job of it, and those that are still being written."`
	Pause  batchesPause  `cmd:"" help:"Pause a batch: every job of it that has not ended, and those that join it."`
	Resume batchesResume `cmd:"" help:"Resume a batch that was paused; let jobs join one that was stopped."`
	Retry  batchesRetry  `cmd:"" help:"Retry the jobs of a batch that failed or were stopped, and those that failed because of them."`
}

type batchesSubmit struct {
	File string `arg:"" help:"A JSON file as POST /api/v1/batches takes it, or - for standard input."`
	Key  string `help:"Idempotency key: the same key returns the same batch."`
}

// Run submits.
func (b *batchesSubmit) Run(ctx context.Context, s streams, c *commands) error {
	text, err := readAll(s.in, b.File)
	if err != nil {
		return &core.Invalid{Field: "file", Message: err.Error()}
	}
	if !json.Valid(bytes.TrimSpace(text)) {
		return &core.Invalid{Field: "file", Message: b.File + " is not JSON"}
	}
	var batch core.Batch
	if err := client.New(c.Server).PostOnce(ctx, "/api/v1/batches", b.Key, json.RawMessage(text), &batch); err != nil {
		return err
	}
	return showBatch(s, c, batch)
}

func readAll(stdin io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}

func showBatch(s streams, c *commands, b core.Batch) error {
	if c.JSON {
		return printJSON(s.out, b)
	}
	_, err := fmt.Fprintf(s.out, "%s  %d jobs: %s\n", b.ID, b.Jobs, howFar(b))
	return err
}

// howFar says how many jobs of a batch are in each phase, or have been written, and the
// state of the batch unless it is running or ended.
func howFar(b core.Batch) string {
	switch b.State {
	case core.BatchExpanding:
		return fmt.Sprintf("%s, %d written", b.State, b.Written)
	case core.BatchRunning, core.BatchEnded:
		return phases(b)
	}
	return fmt.Sprintf("%s, %s", b.State, phases(b))
}

// phases says how many jobs are in each phase.
func phases(b core.Batch) string {
	var parts []string
	for _, p := range job.Phases {
		if n := b.Phases[p]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, p))
		}
	}
	return strings.Join(parts, ", ")
}

type batchesLs struct {
	Limit int `help:"How many." default:"20"`
}

// Run lists.
func (l *batchesLs) Run(ctx context.Context, s streams, c *commands) error {
	var page core.BatchPage
	query := url.Values{"limit": {strconv.Itoa(l.Limit)}}
	if err := client.New(c.Server).Get(ctx, "/api/v1/batches?"+query.Encode(), &page); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, page)
	}
	return list(s.out, "ID\tJOBS\tAGE\tPHASES", func(line func(string, ...any)) {
		for _, b := range page.Batches {
			line("%s\t%d\t%s\t%s", b.ID, b.Jobs, age(b.Created), howFar(b))
		}
	})
}

// batchArg names a batch.
type batchArg struct {
	ID string `arg:"" help:"The batch's id, or last."`
}

// path is the path of the batch.
func (a batchArg) path(ctx context.Context, cl *client.Client) (string, error) {
	id := a.ID
	if id == "last" {
		var page core.BatchPage
		if err := cl.Get(ctx, "/api/v1/batches?limit=1", &page); err != nil {
			return "", err
		}
		if len(page.Batches) == 0 {
			return "", fmt.Errorf("there is no batch: %w", core.ErrNotFound)
		}
		id = page.Batches[0].ID
	}
	return "/api/v1/batches/" + url.PathEscape(id), nil
}

type batchesShow struct{ batchArg }

// Run shows.
func (b *batchesShow) Run(ctx context.Context, s streams, c *commands) error {
	cl := client.New(c.Server)
	path, err := b.path(ctx, cl)
	if err != nil {
		return err
	}
	var batch core.Batch
	if err := cl.Get(ctx, path, &batch); err != nil {
		return err
	}
	return showBatch(s, c, batch)
}

type batchesWatch struct{ batchArg }

// Run follows the batch. Its exit code tells whether all have completed.
func (b *batchesWatch) Run(ctx context.Context, s streams, c *commands) error {
	batch, err := b.await(ctx, s, client.New(c.Server))
	if err != nil {
		return err
	}
	if err := showBatch(s, c, batch); err != nil {
		return err
	}
	if n := batch.Jobs - batch.Phases[job.Completed]; n > 0 {
		return &jobEnded{exit: exitJobFailed, text: fmt.Sprintf("%d of %d jobs did not complete", n, batch.Jobs)}
	}
	return nil
}

// await shows how many jobs have ended until all have.
func (b *batchesWatch) await(ctx context.Context, s streams, cl *client.Client) (batch core.Batch, err error) {
	path, err := b.path(ctx, cl)
	if err != nil {
		return batch, err
	}
	p := newProgress(s.err, b.ID)
	defer p.end()
	for {
		if err := cl.Get(ctx, path, &batch); err != nil {
			return batch, err
		}
		ended := batch.Phases[job.Completed] + batch.Phases[job.Failed] + batch.Phases[job.Stopped]
		p.of(ended, batch.Jobs)
		if batch.Done {
			return batch, nil
		}
		select {
		case <-ctx.Done():
			return batch, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

type (
	batchesStop   struct{ batchArg }
	batchesPause  struct{ batchArg }
	batchesResume struct{ batchArg }
	batchesRetry  struct{ batchArg }
)

// Run stops.
func (b *batchesStop) Run(ctx context.Context, s streams, c *commands) error {
	return b.bulk(ctx, s, c, "/stop")
}

// Run pauses.
func (b *batchesPause) Run(ctx context.Context, s streams, c *commands) error {
	return b.bulk(ctx, s, c, "/pause")
}

// Run resumes.
func (b *batchesResume) Run(ctx context.Context, s streams, c *commands) error {
	return b.bulk(ctx, s, c, "/resume")
}

// Run retries.
func (b *batchesRetry) Run(ctx context.Context, s streams, c *commands) error {
	return b.bulk(ctx, s, c, "/retry")
}

func (a batchArg) bulk(ctx context.Context, s streams, c *commands, what string) error {
	cl := client.New(c.Server)
	path, err := a.path(ctx, cl)
	if err != nil {
		return err
	}
	var state core.Bulk
	if err := cl.Post(ctx, path+what, nil, &state); err != nil {
		return err
	}
	return followBulk(ctx, s, c, cl, state)
}
