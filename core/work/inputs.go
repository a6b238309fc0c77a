package work

import (
	"context"
	"fmt"
	"os"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
)

// openInputs opens the sealed tables that the job reads. A table of another job
// is looked up in that job's record, which is final by now.
func (a *attempt) openInputs(ctx context.Context) (map[string]*table.File, error) {
	files := make(map[string]*table.File, len(a.granted.Spec.Inputs))
	for name, in := range a.granted.Spec.Inputs {
		f, err := a.openInput(ctx, in)
		if err != nil {
			return files, &job.Error{
				Code:   "dependency_failed",
				Title:  "An input could not be opened",
				Detail: fmt.Sprintf("input %s (%s): %v", name, in.Source, err),
			}
		}
		files[name] = f
	}
	return files, nil
}

// openFile opens what an importer reads: its only input, which is no table.
func (a *attempt) openFile() (*os.File, error) {
	f, err := os.Open(a.pool.Blobs.Path(a.granted.Spec.Inputs[routine.FileInput].Digest))
	if err != nil {
		return nil, &job.Error{Code: "dependency_failed", Title: "The file could not be opened", Detail: "it was deleted meanwhile"}
	}
	return f, nil
}

func (a *attempt) openInput(ctx context.Context, in job.Input) (*table.File, error) {
	digest := in.Digest
	if digest == "" {
		found, err := a.tableOf(ctx, in)
		if err != nil {
			return nil, err
		}
		digest = found.Digest
	}
	return table.Open(a.pool.Blobs.Path(digest))
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
