package work

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/core/table"
)

// ModuleChecker is a [Runner] that can say before a job is granted that the bytes of
// its plugin cannot be had.
type ModuleChecker interface {
	// CheckModule returns nil if the plugin can be loaded, or is; or an error that
	// wraps [ledger.ErrDamaged].
	CheckModule(ctx context.Context, digest string) error
}

// opened is what a job reads. Its blobs were checked when they were opened.
type opened struct {
	tables map[string]*table.File
	file   *os.File // of an importer
	blobs  []ledger.Blob
}

func (o *opened) close() {
	for _, f := range o.tables {
		_ = f.Close() // a read-only mapping
	}
	if o.file != nil {
		_ = o.file.Close() // only read
	}
}

// open opens what the job reads. An input that cannot be had is a *[job.Error]; one
// that is damaged, or a module that is, is a *[ledger.Damaged].
func (a *attempt) open(ctx context.Context) (*opened, error) {
	o := &opened{tables: map[string]*table.File{}}
	spec := a.granted.Spec
	if c, ok := a.pool.Runner.(ModuleChecker); ok {
		if err := c.CheckModule(ctx, spec.Digest); errors.Is(err, ledger.ErrDamaged) {
			return o, ledger.Owned(err, "module of "+spec.Plugin()+"@"+spec.Version)
		} else if ctx.Err() != nil {
			return o, context.Cause(ctx)
		}
	}
	if spec.Kind == routine.Importer {
		return o, a.openFile(ctx, o)
	}
	for name, in := range spec.Inputs {
		err := a.openInput(ctx, o, name, in)
		switch {
		case errors.Is(err, ledger.ErrDamaged):
			return o, ledger.Owned(err, inputOwner(in))
		case ctx.Err() != nil:
			return o, context.Cause(ctx)
		case err != nil:
			return o, &job.Error{
				Code:   "dependency_failed",
				Title:  "An input could not be opened",
				Detail: fmt.Sprintf("input %s (%s): %v", name, in.Source, err),
			}
		}
	}
	return o, nil
}

// openFile opens what an importer reads: its only input, which is no table.
func (a *attempt) openFile(ctx context.Context, o *opened) error {
	blob := ledger.Unsized(a.granted.Spec.Inputs[routine.FileInput].Digest)
	f, err := a.pool.Blobs.Open(ctx, blob)
	switch {
	case errors.Is(err, ledger.ErrDamaged):
		return ledger.Owned(err, "job "+a.granted.ID+" input "+routine.FileInput)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return &job.Error{Code: "dependency_failed", Title: "The file could not be opened", Detail: "it was deleted meanwhile"}
	}
	o.file, o.blobs = f, append(o.blobs, blob)
	return nil
}

// inputOwner names the table that an input reads.
func inputOwner(in job.Input) string {
	if in.Job != "" {
		return "job " + in.Job + " table " + in.Table
	}
	return "dataset " + in.Dataset() + " table " + in.Table
}

// openInput opens a sealed table that the job reads. One of another job is looked up
// in that job's record, which is final by now.
func (a *attempt) openInput(ctx context.Context, o *opened, name string, in job.Input) error {
	blob := ledger.Unsized(in.Digest)
	if in.Digest == "" {
		found, err := a.tableOf(ctx, in)
		if err != nil {
			return err
		}
		blob = ledger.Blob(found.Blob)
	}
	f, err := a.pool.Blobs.Open(ctx, blob)
	if err != nil {
		return err
	}
	o.blobs = append(o.blobs, blob)
	t, err := a.pool.Tables.Open(ctx, blob.Digest, f)
	if err != nil {
		return err
	}
	o.tables[name] = t
	return nil
}

func (a *attempt) tableOf(ctx context.Context, in job.Input) (job.Table, error) {
	parent, err := a.pool.Store.Get(ctx, in.Job)
	if err != nil {
		return job.Table{}, err
	}
	if o := parent.Value.Outcome; o != nil {
		for _, t := range o.Tables {
			if t.Name == in.Table {
				return t, nil
			}
		}
	}
	return job.Table{}, fmt.Errorf("job %s has no table %q", in.Job, in.Table)
}

// damagedSince returns the damage of an input since it was opened: where the host
// could not read it to its end.
func (a *attempt) damagedSince(ctx context.Context, o *opened) error {
	for _, blob := range o.blobs {
		if err := a.pool.Blobs.Check(ctx, blob); errors.Is(err, ledger.ErrDamaged) {
			return err
		}
	}
	return nil
}

// wholeFile is a file that has bytes up to its size: one that ends before was cut.
type wholeFile struct {
	file *os.File
	size int64
	blob ledger.Blob
}

// ReadAt implements io.ReaderAt.
func (w wholeFile) ReadAt(p []byte, offset int64) (int, error) {
	n, err := w.file.ReadAt(p, offset)
	if err == nil || errors.Is(err, io.EOF) && offset+int64(n) >= w.size {
		return n, err
	}
	return n, &ledger.Damaged{Digest: w.blob.Digest, Reason: fmt.Sprintf("its file could not be read to its end: %v", err)}
}
