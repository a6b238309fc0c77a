package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/core/table"
)

// Importing says with which importer a file is read.
type Importing struct {
	Request       // its routine and params, and whose job it is
	Limit   int64 // bytes of the file
}

// ImportFailed is an importer's job that did not come to its end, and not for what is
// in the file.
type ImportFailed struct {
	Job string
	Err *job.Error // nil: it was stopped
}

func (e *ImportFailed) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("the importer's job %s was stopped", e.Job)
	}
	return fmt.Sprintf("the importer's job %s failed: %v", e.Job, e.Err)
}

func (e *ImportFailed) Unwrap() error { return ErrImportFailed }

// ErrImportFailed is what an [ImportFailed] wraps.
var ErrImportFailed = errors.New("the import failed")

// ImportDataset is PutDataset for a file whose format only a plugin knows: its importer
// runs as a job, whose tables become the dataset's. What the importer says is wrong with
// the file is a *[table.ImportError].
func (e *Engine) ImportDataset(ctx context.Context, name string, how Importing, r io.Reader) (Dataset, error) {
	if err := e.roomForMore(); err != nil {
		return Dataset{}, err
	}
	if !datasetName.MatchString(name) {
		return Dataset{}, invalid("name", "%q: want up to 128 letters, digits, dashes and underscores", name)
	}
	if err := e.checkImporter(ctx, how.Request); err != nil { // before the file comes
		return Dataset{}, err
	}
	blob, err := e.ledger.Blobs().Put(ctx, r, how.Limit)
	if err != nil {
		return Dataset{}, fmt.Errorf("import %s: %w", name, err)
	}
	defer e.ledger.Blobs().Release(blob.Digest) // the job's record holds it
	how.file = blob.Digest
	how.Labels = map[string]string{"dataset": name[:min(len(name), MaxLabelLength)]}
	j, err := e.Submit(ctx, how.Request)
	if err != nil {
		return Dataset{}, err
	}
	if j, err = e.Wait(ctx, j.ID); err != nil {
		return Dataset{}, err
	}
	tables, release, err := e.imported(ctx, j)
	if err != nil {
		return Dataset{}, err
	}
	defer release()
	return e.nameDataset(ctx, Dataset{Name: name, Created: e.cfg.Now().UTC(), Tables: tables})
}

// checkImporter refuses what is no importer, and params that do not fit it.
func (e *Engine) checkImporter(ctx context.Context, req Request) error {
	p, decl, err := e.routine(ctx, req)
	if err != nil {
		return err
	}
	if decl.Kind != routine.Importer {
		return invalid("importer", "%s is of kind %s: it reads no file", req.Routine, decl.Kind)
	}
	_, err = e.params(p, decl, req.Params)
	return err
}

// imported are the tables of an importer's job, held until they are released.
func (e *Engine) imported(ctx context.Context, j Job) (tables []DatasetTable, release func(), err error) {
	switch {
	case j.Phase != job.Completed && j.Outcome != nil && j.Outcome.Error != nil && j.Outcome.Error.Code == "guest_error":
		return nil, nil, placed(j.Outcome.Error.Detail)
	case j.Phase != job.Completed:
		failed := &ImportFailed{Job: j.ID}
		if j.Outcome != nil {
			failed.Err = j.Outcome.Error
		}
		return nil, nil, failed
	case len(j.Outcome.Tables) == 0:
		return nil, nil, &table.ImportError{Message: "the importer found no table in it"}
	}
	var held []string
	release = func() { e.ledger.Blobs().Release(held...) }
	for _, t := range j.Outcome.Tables {
		if !e.ledger.Blobs().Hold(t.Digest) {
			release()
			return nil, nil, fmt.Errorf("job %s: %w", j.ID, ErrNotFound) // it was deleted in this moment
		}
		held = append(held, t.Digest)
		f, err := e.openTable(ctx, ledger.Blob(t.Blob), tableOwner(j.ID, t.Name))
		if err != nil {
			release()
			return nil, nil, fmt.Errorf("import: %w", err)
		}
		tables = append(tables, DatasetTable{Name: t.Name, Digest: t.Digest, Bytes: t.Bytes, Info: f.Info()})
		_ = f.Close() // only read
	}
	if err := checkTables(tables); err != nil {
		release()
		return nil, nil, err
	}
	return tables, release, nil
}

// placeInFile is how an importer's message begins that knows where the file is wrong:
// as an ImportError says it.
var placeInFile = regexp.MustCompile(`(?s)^line (\d{1,18}), column (\d{1,18})(?: \(([^()\n]{1,200})\))?: (.*)$`)

// placed is an importer's message as an error that knows its line and column.
func placed(message string) error {
	m := placeInFile.FindStringSubmatch(message)
	if m == nil {
		return &table.ImportError{Message: message}
	}
	line, _ := strconv.ParseInt(m[1], 10, 64) // they are digits, and not many
	column, _ := strconv.ParseInt(m[2], 10, 64)
	return &table.ImportError{Line: line, Column: column, Field: m[3], Message: m[4]}
}
