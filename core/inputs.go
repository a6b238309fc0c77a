package core

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"thresher/core/job"
	"thresher/core/jsonsize"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/core/table"
)

// DefaultTable is the name of the table in a dataset that has only one.
const DefaultTable = "data"

// inputs pins what a request names to tables, and checks that they fit.
func (e *Engine) inputs(ctx context.Context, decl routine.Routine, req Request) (map[string]job.Input, error) {
	pinned := map[string]job.Input{}
	if decl.Kind == routine.Importer {
		if req.file == "" {
			return nil, invalid("routine", "%s is an importer: it reads a file that comes with a dataset: `thresher datasets put NAME FILE --importer %s`, or POST /api/v1/datasets?name=NAME&importer=%s", req.Routine, req.Routine, req.Routine)
		}
		return map[string]job.Input{routine.FileInput: {Source: routine.FileInput, Digest: req.file}}, nil
	}
	for _, want := range decl.Inputs {
		source, ok := req.Inputs[want.Name]
		if !ok && want.Optional {
			continue
		}
		if !ok {
			return nil, invalid("inputs."+want.Name, "is missing: name a dataset, or job:ID/TABLE")
		}
		in, err := e.input(ctx, want, source, req)
		if err != nil {
			return nil, err
		}
		pinned[want.Name] = in
	}
	for name := range req.Inputs {
		if _, ok := pinned[name]; !ok {
			return nil, invalid("inputs."+name, "%s has no such input", decl.Name)
		}
	}
	return pinned, nil
}

func (e *Engine) input(ctx context.Context, want routine.Input, source string, req Request) (job.Input, error) {
	if ref, ok := strings.CutPrefix(source, "job:"); ok {
		return e.jobInput(ctx, want, ref, req)
	}
	name, tbl, ok := strings.Cut(source, "/")
	d, err := e.Dataset(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return job.Input{}, invalid("inputs."+want.Name, "no dataset %q", name)
	}
	if err != nil {
		return job.Input{}, err
	}
	if !ok && len(d.Tables) == 1 {
		tbl = d.Tables[0].Name
	}
	t, found := d.table(tbl)
	if !found {
		return job.Input{}, invalid("inputs."+want.Name, "dataset %s has no table %q: %s", name, tbl, among("table", d.tableNames()))
	}
	if err := want.Check(columnsOf(t.Info), t.Rows); err != nil {
		return job.Input{}, &Invalid{Field: "inputs." + want.Name, Message: err.Error()}
	}
	return job.Input{Source: source, Table: t.Name, Digest: t.Digest}, nil
}

func columnsOf(info table.Info) []routine.Column {
	columns := make([]routine.Column, len(info.Columns))
	for i, c := range info.Columns {
		columns[i] = routine.Column{Name: c.Name, Type: c.Type}
	}
	return columns
}

// jobInput pins another job's table if that job has ended, and waits for it if it
// has not.
func (e *Engine) jobInput(ctx context.Context, want routine.Input, ref string, req Request) (job.Input, error) {
	field := "inputs." + want.Name
	id, tbl, ok := strings.Cut(ref, "/")
	if !ok || !job.ValidOutputName(tbl) { // the job may not have written it yet
		return job.Input{}, invalid(field, "job:%s: want job:ID/TABLE", jsonsize.Cut(ref, job.MaxTitle))
	}
	id, sibling, err := req.sibling(field, id)
	if err != nil {
		return job.Input{}, err
	}
	in := job.Input{Source: "job:" + id + "/" + tbl, Job: id, Table: tbl}
	if sibling {
		return in, nil
	}
	parent, err := e.parent(ctx, field, id)
	if err != nil {
		return job.Input{}, err
	}
	if !parent.Value.Phase.Final() {
		return in, nil
	}
	if o := parent.Value.Outcome; o != nil && parent.Value.Phase == job.Completed {
		for _, t := range o.Tables {
			if t.Name == tbl {
				in.Digest = t.Digest
				return in, e.checkSealed(ctx, want, id, t)
			}
		}
		return in, invalid(field, "job %s wrote no table %q: %s", id, tbl, among("table", tableNames(o.Tables)))
	}
	return in, invalid(field, "job %s is %s: only a completed job's tables can be read", id, parent.Value.Phase)
}

// checkSealed refuses a table that does not fit. One that is damaged cannot be looked
// at: the job waits until it is whole, and is checked then.
func (e *Engine) checkSealed(ctx context.Context, want routine.Input, id string, t job.Table) error {
	f, err := e.openTable(ctx, ledger.Blob(t.Blob), tableOwner(id, t.Name))
	if errors.Is(err, ledger.ErrDamaged) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("input %s: %w", want.Name, err)
	}
	defer f.Close()
	if err := want.Check(columnsOf(f.Info()), f.Rows()); err != nil {
		return &Invalid{Field: "inputs." + want.Name, Message: err.Error()}
	}
	return nil
}
