// Package plugintest runs a plugin's routines in its own tests: as Go, on the
// machine that tests, with tables made of text. There is no WebAssembly and no
// server, so that `go test` is quick and a debugger works.
//
//	func TestItCounts(t *testing.T) {
//		run := plugintest.Run(t, "count", plugintest.Job{
//			Params: `{"column": "a"}`,
//			Inputs: map[string]plugintest.Input{"data": plugintest.CSV("a,b\n1,x\n2,\n")},
//		})
//		require.NoError(t, run.Err)
//		require.JSONEq(t, `{"rows": 2}`, string(run.Result))
//	}
//
// Params get their defaults and are checked, tables get the types of columns that a
// server would give them and are checked, and names are refused, as the server does it.
// What the sandbox alone does is not tested: limits, pausing, and its virtual clock.
//
// The package needs nothing but Go's own library, so that `go test` in a new plugin needs
// no network.
package plugintest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"thresher/core/routine"
	"thresher/plugins/abi"
	sdk "thresher/plugins/sdk/go"
)

// Job is what a routine is run with. The zero value is one without inputs, and
// with the defaults of all params.
type Job struct {
	Params string           // a JSON object
	Inputs map[string]Input // by the names that the routine declares
	Seed   uint64
	File   []byte // what an importer reads
}

// Result is what a run came to.
type Result struct {
	Err       error           // of the routine, or why it was not called or broke the contract
	Result    json.RawMessage // nil if there is none
	Tables    map[string]*Table
	Artifacts map[string]Artifact
	Log       string
	Progress  []float64 // every report
}

// Artifact is a file that a routine kept.
type Artifact struct {
	Media   string
	Content []byte
}

// Run runs a routine of the registered plugin to its end. What the test itself got
// wrong fails it; everything else is for the test to judge.
func Run(t testing.TB, name string, j Job) *Result {
	t.Helper()
	i := slices.IndexFunc(sdk.Registered().Manifest().Routines, func(r routine.Routine) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("the plugin %q has no routine %q", sdk.Registered().Name, name)
	}
	h := &host{result: Result{Tables: map[string]*Table{}, Artifacts: map[string]Artifact{}}}
	call, err := prepare(t, sdk.Registered().Manifest().Routines[i], j, h)
	if err == nil {
		err = perform(sdk.Registered().Routines[i], h, call)
	}
	h.result.Err = err
	return &h.result
}

// perform ends at a call that breaks the contract, as a guest does.
func perform(r sdk.Routine, h *host, c abi.Call) (err error) {
	defer func() {
		fault := recover()
		if broken, ok := fault.(violation); ok {
			err = broken
		} else if fault != nil {
			panic(fault)
		}
	}()
	return r.Perform(h, c)
}

// prepare does what the server does before a routine is called.
func prepare(t testing.TB, r routine.Routine, j Job, h *host) (abi.Call, error) {
	t.Helper()
	c := abi.Call{Seed: j.Seed}
	var err error
	if c.Params, err = fill(r.Params, j.Params); err != nil {
		return c, fmt.Errorf("params: %w", err)
	}
	if r.Kind == routine.Importer {
		c.File, h.file = &abi.File{Bytes: int64(len(j.File))}, j.File
	} else if j.File != nil {
		return c, fmt.Errorf("%s is no importer: it reads no file", r.Name)
	}
	for _, in := range r.Inputs {
		given, ok := j.Inputs[in.Name]
		if !ok && !in.Optional {
			return c, fmt.Errorf("input %s is missing", in.Name)
		}
		if !ok {
			continue
		}
		table, err := given.read()
		if err != nil {
			t.Fatalf("input %s: %v", in.Name, err)
		}
		described := abi.Input{Name: in.Name, Rows: table.rows, Bytes: int64(len(table.file)), Batches: len(table.batches)}
		var columns []routine.Column
		for _, col := range table.columns {
			described.Columns = append(described.Columns, abi.Column{Name: col.name, Type: col.kind})
			columns = append(columns, routine.Column{Name: col.name, Type: col.kind})
		}
		if err := in.Check(columns, table.rows); err != nil {
			return c, fmt.Errorf("input %s: %w", in.Name, err)
		}
		c.Inputs = append(c.Inputs, described)
		h.inputs = append(h.inputs, table)
	}
	for name := range j.Inputs {
		if !slices.ContainsFunc(r.Inputs, func(in routine.Input) bool { return in.Name == name }) {
			return c, fmt.Errorf("%s has no input %s", r.Name, name)
		}
	}
	return c, nil
}
