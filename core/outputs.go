package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/table"
)

// Result opens the result of a completed job: JSON.
func (e *Engine) Result(ctx context.Context, id string) (io.ReadSeekCloser, int64, error) {
	j, err := e.Job(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case j.Outcome != nil && j.Outcome.Result != nil:
		return memory{bytes.NewReader(j.Outcome.Result)}, int64(len(j.Outcome.Result)), nil
	case j.Outcome != nil && j.Outcome.ResultRef != nil:
		return e.openBlob(ctx, *j.Outcome.ResultRef, resultOwner(id))
	case j.Phase == job.Completed:
		return nil, 0, fmt.Errorf("job %s has no result: %w", id, ErrNotFound)
	}
	return nil, 0, fmt.Errorf("job %s: %w", id, &job.IllegalMove{Event: "read the result of", Phase: j.Phase, Desired: j.Desired})
}

// Log opens the log of a job's last attempt: all of it once that has ended, what there
// is so far while it runs.
func (e *Engine) Log(ctx context.Context, id string) (io.ReadSeekCloser, int64, error) {
	j, err := e.Job(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	if j.Outcome != nil {
		return e.openLog(ctx, j.Outcome.Log, logOwner(id))
	}
	if out := e.pool.Live(id); out != nil {
		text, _ := out.LogText()
		return memory{bytes.NewReader(text)}, int64(len(text)), nil
	}
	if n := len(j.Attempts); n > 0 && j.Lease == nil {
		last := j.Attempts[n-1]
		return e.openLog(ctx, last.Log, "job "+id+" "+attemptLog(last).what())
	}
	return e.openLog(ctx, nil, "")
}

// openLog opens a log that has ended; one that is nil is empty. owner says whose it is.
func (e *Engine) openLog(ctx context.Context, log *job.Log, owner string) (io.ReadSeekCloser, int64, error) {
	if log == nil {
		return memory{bytes.NewReader(nil)}, 0, nil
	}
	return e.openBlob(ctx, log.Blob, owner)
}

// Artifacts lists a job's artifacts, also while it runs.
func (e *Engine) Artifacts(ctx context.Context, id string) ([]job.Artifact, error) {
	j, err := e.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	if j.Outcome != nil {
		return j.Outcome.Artifacts, nil
	}
	if out := e.pool.Live(id); out != nil {
		return out.Artifacts(), nil
	}
	return nil, nil
}

// Artifact opens one artifact of a job.
func (e *Engine) Artifact(ctx context.Context, id, name string) (io.ReadSeekCloser, job.Artifact, error) {
	list, err := e.Artifacts(ctx, id)
	if err != nil {
		return nil, job.Artifact{}, err
	}
	for _, a := range list {
		if a.Name == name {
			f, _, err := e.openBlob(ctx, a.Blob, artifactOwner(id, name))
			return f, a, err
		}
	}
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.Name
	}
	return nil, job.Artifact{}, notAmong("job "+id, "artifact", name, names)
}

// Tables lists a job's output tables, also while it runs.
func (e *Engine) Tables(ctx context.Context, id string) ([]job.Table, error) {
	j, err := e.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	if j.Outcome != nil {
		return j.Outcome.Tables, nil
	}
	if out := e.pool.Live(id); out != nil {
		return out.Tables(), nil
	}
	return nil, nil
}

// Table is a table open for reading. Close it when done.
type Table interface {
	table.Ranger
	io.Closer
}

// Table opens an output table of a job: sealed, or as far as it has been written.
func (e *Engine) Table(ctx context.Context, id, name string) (Table, error) {
	// Live comes first: what is sealed while we look is in the record after.
	out := e.pool.Live(id)
	j, err := e.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	if j.Outcome != nil {
		for _, t := range j.Outcome.Tables {
			if t.Name == name {
				return e.openTable(ctx, ledger.Blob(t.Blob), tableOwner(id, name))
			}
		}
	} else if out != nil {
		if w := out.Table(name); w != nil {
			return growing{Writer: w, sealed: func() (Table, error) { return e.Table(ctx, id, name) }}, nil
		}
	}
	list, err := e.Tables(ctx, id)
	if err != nil {
		return nil, err
	}
	return nil, notAmong("job "+id, "table", name, tableNames(list))
}

func tableNames(list []job.Table) []string {
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.Name
	}
	return names
}

// notAmong is the error of a table or an artifact that its owner does not have: it names
// those that there are.
func notAmong(owner, kind, name string, names []string) error {
	return fmt.Errorf("%s: %s %q: %w: %s", owner, kind, name, ErrNotFound, among(kind, names))
}

// mostNamed is how many names an error lists.
const mostNamed = 20

// among says which names there are.
func among(kind string, names []string) string {
	switch n := len(names); {
	case n == 0:
		return "it has no " + kind + "s"
	case n > mostNamed:
		return fmt.Sprintf("it has %s and %d more", strings.Join(names[:mostNamed], ", "), n-mostNamed)
	}
	return "it has " + strings.Join(names, ", ")
}

// openTable opens a sealed table, checked; owner says what it is.
func (e *Engine) openTable(ctx context.Context, b ledger.Blob, owner string) (*table.File, error) {
	f, err := e.ledger.Blobs().Open(ctx, b)
	if err != nil {
		return nil, ledger.Owned(err, owner)
	}
	return e.tables.Open(ctx, b.Digest, f)
}

// openBlob opens a sealed file, checked; owner says what it is.
func (e *Engine) openBlob(ctx context.Context, b job.Blob, owner string) (io.ReadSeekCloser, int64, error) {
	f, err := e.ledger.Blobs().Open(ctx, ledger.Blob(b))
	if err != nil {
		return nil, 0, ledger.Owned(err, owner)
	}
	return f, b.Bytes, nil
}

// memory is a reader without a file behind it.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// growing is a table that its job still writes, which is not ours to close.
type growing struct {
	*table.Writer
	sealed func() (Table, error) // opens it once the job has ended
}

func (growing) Close() error { return nil }

// Range reads the sealed table if the job has ended since this one was opened.
func (g growing) Range(from, to int64, fn func(arrow.RecordBatch) error) error {
	err := g.Writer.Range(from, to, fn)
	if !errors.Is(err, os.ErrClosed) {
		return err
	}
	t, err := g.sealed()
	if err != nil {
		return err
	}
	defer t.Close()
	return t.Range(from, to, fn)
}
