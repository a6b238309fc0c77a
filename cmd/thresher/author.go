package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"thresher/core"
	"thresher/plugins/author"
	"thresher/plugins/compilers"
	"thresher/plugins/sandbox"
	"thresher/plugins/sandbox/vet"
)

// pluginsNew makes a folder to begin with.
type pluginsNew struct {
	Lang string `help:"go, rust, c, as (AssemblyScript), or wasi for a program in any language." required:"" placeholder:"LANG"`
	Name string `arg:"" help:"The folder, whose name is the plugin's." type:"path"`
}

// Run makes it.
func (p *pluginsNew) Run(s streams) error {
	if err := author.New(p.Lang, p.Name); err != nil {
		return &core.Invalid{Field: "name", Message: err.Error()}
	}
	fmt.Fprintf(s.out, "%s is there. `thresher plugins dev %s` builds and runs it at each change.\n", p.Name, filepath.Base(p.Name))
	return nil
}

// folder is where a plugin is written.
type folder struct {
	Dir string `arg:"" help:"The plugin's folder." optional:"" default:"." type:"path"`
}

// build builds the plugin and leaves the module in its folder.
func (f folder) build(ctx context.Context) ([]byte, error) {
	wasm, err := author.Build(ctx, f.Dir)
	return wasm, notBuilt(ctx, err)
}

// notBuilt says why there is no module. What the plugin's author can put right is a
// *jobEnded.
func notBuilt(ctx context.Context, err error) error {
	var missing *compilers.Missing
	var failed *compilers.Failed
	switch {
	case errors.As(err, &missing), errors.As(err, &failed):
		return &jobEnded{exitJobFailed, err.Error()}
	case err != nil && ctx.Err() == nil:
		return &core.Invalid{Field: "dir", Message: err.Error()}
	}
	return err
}

// pluginsBuild builds a plugin.
type pluginsBuild struct {
	folder `embed:""`
}

// Run builds. Its exit code is 1 if the plugin does not compile, or a tool is missing.
func (p *pluginsBuild) Run(ctx context.Context, s streams) error {
	wasm, err := p.build(ctx)
	if err != nil {
		return err
	}
	out, err := author.Built(p.Dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: %d bytes\n", out, len(wasm))
	return nil
}

// pluginsTest builds a plugin and runs its examples, here, in the sandbox.
type pluginsTest struct {
	folder `embed:""`
}

// Run tests. Its exit code is 1 if the plugin is refused, as it would be by a server.
func (p *pluginsTest) Run(ctx context.Context, s streams, c *commands) (err error) {
	wasm, err := p.build(ctx)
	if err != nil {
		return err
	}
	host, err := quietHost(ctx, compiledCache(), vet.Limits{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	report, err := host.Check(ctx, wasm, nil)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(s.out, report); err != nil {
			return err
		}
	} else {
		for _, x := range report.Examples {
			fmt.Fprintf(s.out, "%s/%s %s (%.3f s)\n", x.Routine, x.Name, passed(x.Passed), x.Seconds)
		}
	}
	switch {
	case !report.Accepted:
		return &jobEnded{exitJobFailed, refusalText(filepath.Base(p.Dir), c.Server, report.Refusal)}
	case len(report.Examples) == 0 && !c.JSON:
		fmt.Fprintln(s.out, "The plugin can be run, but has no examples.")
	}
	return nil
}

// rehearse runs the examples of a routine, or of all, in a sandbox where the plugin is
// loaded. It says which one fails and why, and returns how many passed.
func rehearse(ctx context.Context, out io.Writer, host *sandbox.Host, digest, routine string) (passed int, err error) {
	ran, refused, err := host.Rehearse(ctx, digest, routine)
	for _, x := range ran {
		if x.Passed {
			passed++
		}
	}
	if refused != nil {
		fmt.Fprintf(out, "An example fails: %s%s\n", refused.Detail, refusalDetails(refused))
	}
	return passed, err
}

// exampleFiles writes an example's inputs where a run can read them.
func exampleFiles(dir string, inputs map[string]string) (map[string]string, error) {
	files := map[string]string{}
	for name, csv := range inputs {
		files[name] = filepath.Join(dir, name+".csv")
		if err := os.WriteFile(files[name], []byte(csv), 0o600); err != nil {
			return nil, err
		}
	}
	return files, nil
}
