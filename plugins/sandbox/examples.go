package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/schema"
	"thresher/core/table"
	"thresher/core/work"
)

// Bounds of a plugin's examples. They are run before anyone has asked for a job.
const (
	maxExamples  = 32               // of a routine
	examplesTime = 60 * time.Second // of CPU, that all of a plugin may take
	maxShown     = 2000             // bytes of what was wanted, and of what came instead
)

// ExampleReport is how an example went.
type ExampleReport struct {
	Routine string  `json:"routine"`
	Name    string  `json:"name"`
	Passed  bool    `json:"passed"`
	Seconds float64 `json:"seconds"`
}

// checkExamples holds a routine's examples against what it declares.
func checkExamples(r routine.Routine) error {
	if len(r.Examples) > maxExamples {
		return fmt.Errorf("%d examples: the limit is %d", len(r.Examples), maxExamples)
	}
	params, err := schema.Compile(r.Params)
	if err != nil {
		return fmt.Errorf("params: %w", err)
	}
	seen := names{}
	for _, x := range r.Examples {
		if err := seen.add("example", x.Name); err != nil {
			return err
		}
		if err := checkExample(r, x, params); err != nil {
			return fmt.Errorf("example %s: %w", x.Name, err)
		}
	}
	return nil
}

func checkExample(r routine.Routine, x routine.Example, params *schema.Schema) error {
	switch {
	case (len(x.Result) > 0) == (x.Error != ""):
		return errors.New("want either a result or an error")
	case x.Tolerance < 0 || x.Tolerance >= 1:
		return fmt.Errorf("tolerance %g: want 0 to 1", x.Tolerance)
	}
	if _, err := params.Fill(paramsOf(x)); err != nil {
		return fmt.Errorf("params: %w", err)
	}
	if x.File != "" && r.Kind != routine.Importer {
		return errors.New("it has a file: only an importer reads one")
	}
	for name := range x.Inputs {
		if !slices.ContainsFunc(r.Inputs, func(in routine.Input) bool { return in.Name == name }) {
			return fmt.Errorf("the routine has no input %q", name)
		}
	}
	for _, in := range r.Inputs {
		if _, given := x.Inputs[in.Name]; !given && !in.Optional {
			return fmt.Errorf("input %s is missing", in.Name)
		}
	}
	return nil
}

func paramsOf(x routine.Example) json.RawMessage {
	if len(x.Params) == 0 {
		return json.RawMessage(`{}`)
	}
	return x.Params
}

// examples runs a plugin's examples, one after the other, as jobs are run. The first
// that fails is a *[Refusal].
func (h *Host) examples(ctx context.Context, m *module, r *Report) error {
	return h.examplesOf(ctx, m, "", r)
}

// examplesOf runs the examples of one routine, or of all where the name is empty.
func (h *Host) examplesOf(ctx context.Context, m *module, only string, r *Report) error {
	ctx, cancel := giveUpAfter(ctx, examplesTime)
	defer cancel()
	left := examplesTime
	for index, decl := range m.plugin.Routines {
		if only != "" && decl.Name != only {
			continue
		}
		for _, x := range decl.Examples {
			start := time.Now()
			took, err := h.example(ctx, m, index, x, min(left, h.patience))
			left = max(left-took, time.Nanosecond) // no time at all would be no limit
			r.Examples = append(r.Examples, ExampleReport{decl.Name, x.Name, err == nil, time.Since(start).Seconds()})
			r.tell()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// example runs one example, which may take so much CPU time, and returns how much it took.
func (h *Host) example(ctx context.Context, m *module, index int, x routine.Example, cpu time.Duration) (took time.Duration, err error) {
	decl := m.plugin.Routines[index]
	dir, err := os.MkdirTemp("", "thresher-example-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	inputs := map[string]*table.File{}
	defer func() {
		for _, f := range inputs {
			_ = f.Close() // a read-only mapping
		}
	}()
	place := fmt.Sprintf("routine %s, example %s", decl.Name, x.Name)
	for _, name := range slices.Sorted(maps.Keys(x.Inputs)) {
		f, err := exampleTable(ctx, dir, x.Inputs[name])
		if err != nil {
			return 0, &Refusal{Code: "example_failed", Place: place, Detail: fmt.Sprintf("%s: input %s: %v", place, name, err)}
		}
		inputs[name] = f
	}
	params, err := schema.Compile(decl.Params)
	if err != nil {
		return 0, err
	}
	filled, err := params.Fill(paramsOf(x))
	if err != nil {
		return 0, err
	}
	limits := core.DefaultLimits().Job
	limits.CPUSeconds = cpu.Seconds()
	c := work.Call{
		Digest: m.plugin.Digest, Routine: decl.Name, Kind: decl.Kind, Params: filled, Seed: x.Seed,
		Limits: limits, Inputs: inputs, Host: &rehearsal{left: limits.OutputBytes},
	}
	if decl.Kind == routine.Importer {
		c.File = &work.File{ReaderAt: strings.NewReader(x.File), Bytes: int64(len(x.File))}
	}
	report, err := h.runIn(ctx, m, index, c)
	took = time.Duration(report.CPUSeconds * float64(time.Second))
	if ctx.Err() != nil {
		return took, context.Cause(ctx)
	}
	return took, judge(place, x, report.Result, err)
}

// exampleTable makes a table of CSV.
func exampleTable(ctx context.Context, dir, csv string) (*table.File, error) {
	sealed, err := table.Import(ctx, strings.NewReader(csv), table.CSV, dir, nil)
	if err != nil {
		return nil, err
	}
	return table.Open(sealed.Path)
}

// judge holds what came of an example against what was to come.
func judge(place string, x routine.Example, result json.RawMessage, err error) error {
	wanted, found := string(x.Result), string(result)
	if x.Error != "" {
		wanted = "the failure " + x.Error
	}
	var failed *job.Error
	switch {
	case errors.As(err, &failed):
		found = "the failure " + failed.Error()
		for _, frame := range failed.Stack {
			found += "\n  at " + frame
		}
	case err != nil:
		found = err.Error()
	case found == "":
		found = "no result"
	}
	refused := func(what string) error {
		return &Refusal{
			Code: "example_failed", Place: place, Detail: place + ": " + what,
			Found: shown(found), Want: shown(wanted),
		}
	}
	switch {
	case err != nil && x.Error == "":
		return refused("it failed: " + shown(found))
	case err != nil && (failed == nil || failed.Code != x.Error):
		return refused(fmt.Sprintf("it ended otherwise: want the failure %s, got %s", x.Error, shown(found)))
	case err != nil:
		return nil
	case x.Error != "":
		return refused(fmt.Sprintf("it did not fail: want the failure %s", x.Error))
	}
	if difference := routine.Differ(x.Result, result, x.Tolerance); difference != "" {
		return refused("the result differs: " + shown(difference))
	}
	return nil
}

func shown(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + " …"
	}
	return s
}

// rehearsal is the Host of a guest that runs an example: it takes what a job's would,
// and keeps nothing.
type rehearsal struct{ left int64 }

func (*rehearsal) Gate(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
func (*rehearsal) Progress(float64, string) {}
func (*rehearsal) Log([]byte)               {}

func (h *rehearsal) Append(_ string, rows arrow.RecordBatch) error {
	var n int64
	for _, column := range rows.Columns() {
		for _, buffer := range column.Data().Buffers() {
			if buffer != nil {
				n += int64(buffer.Len())
			}
		}
	}
	return h.take(n)
}

func (h *rehearsal) Artifact(_ context.Context, _, _ string, content work.Content) error {
	return h.take(content.Size())
}

func (h *rehearsal) take(n int64) error {
	if h.left -= n; h.left < 0 {
		return job.OutputLimit("an example may put out %d bytes", core.DefaultLimits().Job.OutputBytes)
	}
	return nil
}

var _ work.Host = (*rehearsal)(nil)
