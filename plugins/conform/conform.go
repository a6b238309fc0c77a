// Package conform asks of a module whether it keeps the plugin contract, thresher/1:
// each check is one sentence of docs/abi.md, tried in the sandbox. It makes inputs and
// params by itself, so that it can be run on any module; what it cannot make, such as
// a routine's peculiar table, it is given.
//
// It judges the module, not what the module computes. A module that passes may still
// give a wrong answer, but the same one each time.
package conform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/sandbox"
)

// The states of a check.
const (
	Passed  = "ok"
	Failed  = "failed"
	Skipped = "skipped" // it does not apply, or could not be tried: the detail says why
)

// Row is what a check came to.
type Row struct {
	Check   string `json:"check"`
	Routine string `json:"routine,omitempty"`
	State   string `json:"state"`
	Detail  string `json:"detail,omitempty"`
}

// Report is what all checks came to.
type Report struct {
	Plugin string `json:"plugin,omitempty"` // name and version
	Rows   []Row  `json:"checks"`
}

// Failures counts the checks that failed.
func (r Report) Failures() (n int) {
	for _, row := range r.Rows {
		if row.State == Failed {
			n++
		}
	}
	return n
}

// ErrProgram is returned for a program of WASI, which exports nothing of the contract.
var ErrProgram = errors.New("a program of WASI has no exports of the contract to check")

// Options say what to run routines with. The zero value makes all of it.
type Options struct {
	Inputs map[string]*table.File     // by the names that routines declare
	Params map[string]json.RawMessage // by routine: those that are to differ
	File   []byte                     // what importers read; default that of their first example
	Time   time.Duration              // for each run; default 20 s
}

// Check puts a module to all checks, on a host that may have other plugins. An error is
// not the module's fault.
func Check(ctx context.Context, host *sandbox.Host, wasm []byte, o Options) (Report, error) {
	dir, err := os.MkdirTemp("", "thresher-conform-")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir)
	if o.Time == 0 {
		o.Time = 20 * time.Second
	}
	s := &suite{host: host, options: o, dir: dir}
	var refused *sandbox.Refusal
	s.plugin, err = host.Load(ctx, wasm, false)
	switch {
	case errors.As(err, &refused):
		s.row("module", "", fmt.Errorf("refused (%s): %s", refused.Code, refused.Detail))
		return s.report, nil
	case err != nil:
		return s.report, err
	}
	s.report.Plugin = s.plugin.Name + " " + s.plugin.Version
	s.row("module", "", nil)
	program := false
	err = s.drive(ctx, work.Call{Limits: limits}, func(g *sandbox.Guest, _ *notebook) error {
		program = g.Program()
		return nil
	})
	if err == nil && program {
		return s.report, ErrProgram
	}
	s.exports(ctx)
	for i, r := range s.plugin.Routines {
		s.routine(ctx, int32(i), r)
	}
	return s.report, ctx.Err()
}

// suite is one module on its way through the checks.
type suite struct {
	host    *sandbox.Host
	options Options
	dir     string
	plugin  core.Plugin
	report  Report
}

// skip is why a check could not be tried.
type skip string

func (s skip) Error() string { return string(s) }

// row notes what a check came to: nil is that it passed.
func (s *suite) row(check, routine string, err error) {
	row := Row{Check: check, Routine: routine, State: Passed}
	var skipped skip
	switch {
	case errors.As(err, &skipped):
		row.State, row.Detail = Skipped, err.Error()
	case err != nil:
		row.State, row.Detail = Failed, err.Error()
	}
	s.report.Rows = append(s.report.Rows, row)
}

// limits are what a routine is run under.
var limits = job.Limits{MemoryBytes: 512 << 20, OutputBytes: 64 << 20, LogBytes: 1 << 20, Artifacts: 1024}

// drive gives fn an instance and the notebook that its host functions write to.
func (s *suite) drive(ctx context.Context, c work.Call, fn func(*sandbox.Guest, *notebook) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Time, fmt.Errorf("it took longer than %v", s.options.Time))
	defer cancel()
	n := newNotebook(s.dir, c.Limits)
	defer n.close()
	c.Digest, c.Host = s.plugin.Digest, n
	if c.Params == nil {
		c.Params = json.RawMessage(`{}`)
	}
	return s.host.Drive(ctx, c, func(g *sandbox.Guest) error { return fn(g, n) })
}

// routine puts a routine to the checks of its kind.
func (s *suite) routine(ctx context.Context, number int32, r routine.Routine) {
	t := trial{suite: s, number: number, routine: r}
	t.prepare(ctx)
	defer t.close()
	s.row("fails with a reason", r.Name, t.failsWithAReason(ctx))
	first, err := t.run(ctx, 1, nil)
	if t.unprepared != nil {
		err = skip(t.unprepared.Error())
	}
	s.row("runs", r.Name, err)
	if err != nil {
		return
	}
	s.row("same seed, same bytes", r.Name, t.sameSeed(ctx, first))
	s.row("progress", r.Name, first.progressIsFair())
	s.row("outputs", r.Name, first.outputsAreDeclared(r))
	s.row("output limit", r.Name, t.endsAtALimit(ctx, first))
	if r.Kind == routine.Simulation {
		s.row("steps of any size", r.Name, t.stepsOfAnySize(ctx, first))
		s.row("pauses between steps", r.Name, t.pausesBetweenSteps(ctx, first))
	}
}
