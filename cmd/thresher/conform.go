package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"thresher/core"
	"thresher/core/table"
	"thresher/plugins/conform"
	"thresher/plugins/sandbox/vet"
)

// pluginsConform puts a module to the conformance suite.
type pluginsConform struct {
	File   string        `arg:"" help:"The module, a .wasm file."`
	Input  uniquePairs   `help:"A table for the inputs of that name, instead of a made one: NAME=FILE." short:"i" placeholder:"NAME=FILE"`
	Read   string        `help:"A file for importers to read, instead of that of their first example." type:"path" placeholder:"FILE"`
	Params uniquePairs   `help:"Params of a routine, instead of made ones: ROUTINE=JSON." placeholder:"ROUTINE=JSON"`
	Time   time.Duration `help:"How long a run of a routine may take." default:"20s"`
}

// Run checks, without a server. Its exit code is 1 if a check fails.
func (p *pluginsConform) Run(ctx context.Context, s streams, c *commands) (err error) {
	wasm, err := os.ReadFile(p.File)
	if err != nil {
		return &core.Invalid{Field: "file", Message: err.Error()}
	}
	dir, err := os.MkdirTemp("", "thresher-conform-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	options := conform.Options{Time: p.Time, Params: map[string]json.RawMessage{}, Inputs: map[string]*table.File{}}
	if p.Read != "" {
		if options.File, err = os.ReadFile(p.Read); err != nil {
			return &core.Invalid{Field: "read", Message: err.Error()}
		}
	}
	for name, text := range p.Params {
		options.Params[name] = json.RawMessage(text)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Input)) {
		f, err := tableOf(ctx, p.Input[name], dir)
		if err != nil {
			return &core.Invalid{Field: "input", Message: name + ": " + err.Error()}
		}
		defer f.Close() // only read
		options.Inputs[name] = f
	}
	host, err := quietHost(ctx, dir, vet.Limits{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(ctx)) }()
	report, err := conform.Check(ctx, host, wasm, options)
	if errors.Is(err, conform.ErrProgram) {
		return &core.Invalid{Field: "file", Message: fmt.Sprintf("%s: %v: `thresher plugins check` does all that a server does", p.File, err)}
	}
	if err != nil {
		return err
	}
	if err := showConformance(s, c.JSON, report); err != nil {
		return err
	}
	if n := report.Failures(); n > 0 {
		return &jobEnded{exitJobFailed, fmt.Sprintf("%s does not keep the contract: %d checks failed", p.File, n)}
	}
	return nil
}

// tableOf imports a file into a folder.
func tableOf(ctx context.Context, path, dir string) (*table.File, error) {
	format, err := table.FormatOf(path, "")
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	sealed, err := table.Import(ctx, f, format, dir, nil)
	if err != nil {
		return nil, err
	}
	return table.Open(sealed.Path)
}

func showConformance(s streams, asJSON bool, r conform.Report) error {
	if asJSON {
		return printJSON(s.out, r)
	}
	if r.Plugin != "" {
		fmt.Fprintln(s.out, r.Plugin)
	}
	return list(s.out, "ROUTINE\tCHECK\tSTATE\tDETAIL", func(line func(string, ...any)) {
		for _, row := range r.Rows {
			line("%s\t%s\t%s\t%s", row.Routine, row.Check, row.State, row.Detail)
		}
	})
}
