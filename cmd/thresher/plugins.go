package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"thresher/plugins/sandbox"
)

// pluginsCmd is about plugins.
type pluginsCmd struct {
	New       pluginsNew       `cmd:"" help:"Create a folder with an example plugin; it builds without a network."`
	Build     pluginsBuild     `cmd:"" help:"Build the plugin of a folder."`
	Test      pluginsTest      `cmd:"" help:"Build the plugin of a folder and run its examples, here, in the sandbox."`
	Dev       pluginsDev       `cmd:"" help:"Build and run the plugin of a folder whenever a file changes, and show what it finds."`
	Check     pluginsCheck     `cmd:"" help:"Check a module as a server does before it loads one, examples included, and report what was found."`
	Conform   pluginsConform   `cmd:"" help:"Run every check of the plugin contract on a module: docs/abi.md."`
	Push      pluginsPush      `cmd:"" help:"Upload a plugin and show its verification."`
	Ls        pluginsLs        `cmd:"" help:"List plugins."`
	Show      pluginsShow      `cmd:"" help:"Show a plugin's versions, or the report of one."`
	Activate  pluginsActivate  `cmd:"" help:"Activate a version: its name refers to it from now on."`
	Rollback  pluginsRollback  `cmd:"" help:"Roll back to the previously active version."`
	Disable   pluginsDisable   `cmd:"" help:"Disable a version: reject new jobs for it."`
	Enable    pluginsEnable    `cmd:"" help:"Enable a version: accept new jobs for it again."`
	Deprecate pluginsDeprecate `cmd:"" help:"Note what to use instead of a version; without a note, take that back."`
	Rm        pluginsRm        `cmd:"" help:"Delete versions. Jobs that have them keep them."`
	Sign      pluginsSign      `cmd:"" help:"Sign a module with a secret key of minisign."`
}

type pluginsCheck struct {
	File string   `arg:"" help:"The module, a .wasm file."`
	Vet  []string `sep:"none" help:"A limit of what the module may be like: NAME=VALUE, -1 for none. docs/abi.md lists them." placeholder:"NAME=VALUE"`
}

// Run checks, without a server. Its exit code is 1 if the module is refused.
func (p *pluginsCheck) Run(ctx context.Context, s streams, c *commands) (err error) {
	limits, err := vetLimits(p.Vet)
	if err != nil {
		return err
	}
	wasm, err := readModule(p.File)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "thresher-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	host, err := quietHost(ctx, dir, limits)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(ctx)) }()
	report, err := host.Check(ctx, wasm, nil)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(s.out, report)
	} else {
		err = showReport(s, report)
	}
	if err == nil && !report.Accepted {
		err = &jobEnded{exitJobFailed, fmt.Sprintf("%s is refused (%s): %s%s", p.File, report.Refusal.Code, report.Refusal.Detail, refusalDetails(report.Refusal))}
	}
	return err
}

func passed(ok bool) string {
	if ok {
		return "passed"
	}
	return "failed"
}

func showReport(s streams, r sandbox.Report) error {
	fmt.Fprintf(s.out, "sha256   %s\nbytes    %d\n", r.Digest, r.Bytes)
	for _, step := range r.Steps {
		fmt.Fprintf(s.out, "%-9s%s\n", step.Name, time.Duration(step.Seconds*float64(time.Second)).Round(10*time.Microsecond))
	}
	if len(r.Figures) > 0 {
		fmt.Fprintln(s.out)
		if err := list(s.out, "LIMIT\tFOUND\tOF", func(line func(string, ...any)) {
			for _, f := range r.Figures {
				line("%s\t%d\t%d", f.Name, f.Found, f.Limit)
			}
		}); err != nil {
			return err
		}
	}
	fmt.Fprintln(s.out)
	switch {
	case r.Image != nil:
		fmt.Fprintf(s.out, "Jobs start from an image of %d bytes and %d globals.\n", r.Image.Bytes, r.Image.Globals)
	case r.Plain != "":
		fmt.Fprintf(s.out, "Each job initialises the module anew: %s.\n", r.Plain)
	}
	if c := r.Counted; c != nil {
		fmt.Fprintf(s.out, "Nested calls may take %d bytes of stack, of which the largest function takes %d.\n", c.StackBytes, c.FrameBytes)
		if c.StepGas > 0 {
			fmt.Fprintf(s.out, "The gas that earlier steps spent decides how many steps a simulation is asked for at once, not time: about %d of gas.\n", c.StepGas)
		}
	}
	for _, x := range r.Examples {
		fmt.Fprintf(s.out, "Example %s of %s: %s.\n", x.Name, x.Routine, passed(x.Passed))
	}
	if r.Accepted {
		fmt.Fprintf(s.out, "%s %s is accepted:", r.Plugin.Name, r.Plugin.Version)
		for _, routine := range r.Plugin.Routines {
			fmt.Fprintf(s.out, " %s", routine.Name)
		}
		fmt.Fprintln(s.out)
	}
	return nil
}
