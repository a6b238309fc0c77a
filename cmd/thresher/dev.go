package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"thresher/core"
	"thresher/core/routine"
)

// pluginsDev builds and runs a plugin whenever a file of its changes.
type pluginsDev struct {
	folder  `embed:""`
	Routine string      `help:"The routine to run; the first one if absent."`
	Input   uniquePairs `help:"A table to read, NAME=FILE; those of the routine's first example if absent." short:"i" placeholder:"NAME=FILE"`
	Param   pairs       `help:"A param, as for run; those of the routine's first example if absent." short:"p" placeholder:"NAME=VALUE"`
	Runs    int         `help:"End after so many builds; 0: never." placeholder:"N"`
}

// look is how often files are looked at; less often, where that takes more than a tenth
// of the time.
const look = 30 * time.Millisecond

// Run goes on until it is interrupted.
func (p *pluginsDev) Run(ctx context.Context, s streams, c *commands) (err error) {
	w, err := openWorkshop(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(context.WithoutCancel(ctx))) }()
	var seen map[string]time.Time
	for runs := 0; p.Runs == 0 || runs < p.Runs; {
		start := time.Now()
		now, err := p.files()
		if err != nil {
			return &core.Invalid{Field: "dir", Message: err.Error()}
		}
		if maps.Equal(now, seen) {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(max(look, 9*time.Since(start))):
			}
			continue
		}
		seen = now
		runs++
		if err := p.once(ctx, w, s); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			fmt.Fprintf(s.err, "%v\n", err)
		}
		fmt.Fprintf(s.err, "— %s; waiting for a change —\n", w.took)
	}
	return nil
}

// outFolder is where a run leaves what it put out, in the plugin's folder.
const outFolder = "out"

// files are what the plugin is made of, and when each was changed.
func (p *pluginsDev) files() (map[string]time.Time, error) {
	all := map[string]time.Time{}
	err := filepath.WalkDir(p.Dir, func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		made := path == filepath.Join(p.Dir, outFolder) || name == "node_modules" || name == "target" ||
			path != p.Dir && strings.HasPrefix(name, ".")
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is being replaced
			return nil
		case err != nil:
			return err
		case d.IsDir() && made:
			return fs.SkipDir
		case d.IsDir() || made || strings.HasSuffix(name, ".wasm") || name == "go.sum" || name == "Cargo.lock":
			return nil
		}
		info, err := d.Info()
		if err == nil {
			all[path] = info.ModTime()
		}
		return nil
	})
	return all, err
}

// once builds the plugin and runs it.
func (p *pluginsDev) once(ctx context.Context, w *workshop, s streams) error {
	defer w.begin()()
	plugin, err := w.build(ctx, p.Dir)
	if err != nil {
		return err
	}
	decl := plugin.Routines[0]
	if p.Routine != "" {
		var found bool
		if decl, found = plugin.Find(p.Routine); !found {
			return fmt.Errorf("the plugin has no routine %s", p.Routine)
		}
	}
	dir, err := os.MkdirTemp("", "thresher-dev-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(p.Dir, outFolder)
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	run := runCmd{Routine: plugin.Name + "/" + decl.Name, Out: out, Input: p.Input, Param: p.Param, NoCache: true}
	if err := p.sample(&run, decl, dir); err != nil {
		return err
	}
	if _, err := run.on(ctx, s, w.client); err != nil {
		return err
	}
	if err := showCharts(s.out, out); err != nil {
		return err
	}
	return w.rehearse(ctx, s.err)
}

// sample fills in what the user has not given, from the routine's first example.
func (p *pluginsDev) sample(run *runCmd, decl routine.Routine, dir string) (err error) {
	if len(decl.Examples) == 0 {
		return nil
	}
	x := decl.Examples[0]
	if len(p.Param) == 0 {
		run.Params, run.Seed = string(x.Params), &x.Seed
	}
	if len(p.Input) == 0 {
		run.Input, err = exampleFiles(dir, x.Inputs)
	}
	return err
}
