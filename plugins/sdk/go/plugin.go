// Package sdk is what a plugin in Go is written with.
//
// A plugin is a main package that declares its routines once, in an init function,
// with [Register]. From the declaration come the code that the host calls, the
// manifest, and the JSON Schema of the params. Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o plugin.wasm .
//
// An analysis is a function that is called once, and so is an importer, which makes
// tables of a file. A simulation returns a [Stepper]
// that is called step by step until it is done; between steps it can be paused.
// A routine gets a [Call], through which it reads its inputs and writes what it
// has found. It must not start goroutines that outlive the call.
package sdk

import (
	"encoding/json"
	"fmt"

	"thresher/core/routine"
)

// Plugin declares a plugin.
type Plugin struct {
	Name     string // lower case letters, digits, dashes, underscores
	Version  string // semantic version
	Summary  string
	License  string // SPDX identifier
	Routines []Routine
}

// Routine is a declared routine: see [Analysis], [Simulation] and [Importer].
type Routine struct {
	decl  routine.Routine
	run   func(*Call) (any, error)
	start func(*Call) (Stepper, error)

	rehearse func(*Call) // decodes params: see Plugin.rehearse
}

// Stepper is a running simulation.
type Stepper interface {
	// Step takes one step and reports whether it was the last.
	Step() (done bool, err error)
	// Result is called after the last step. What it returns becomes the result,
	// as JSON.
	Result() (any, error)
}

// Doc says what a routine does.
type Doc struct {
	Title   string
	Summary string
}

// Option adds an input or an output to a routine.
type Option func(*routine.Routine)

// In declares an input table.
func In(name string, opts ...InOption) Option {
	return func(r *routine.Routine) {
		in := routine.Input{Name: name}
		for _, o := range opts {
			o(&in)
		}
		r.Inputs = append(r.Inputs, in)
	}
}

// InOption says more about an input.
type InOption func(*routine.Input)

// Title says what an input is.
func Title(title string) InOption { return func(in *routine.Input) { in.Title = title } }

// Optional lets an input be left out.
func Optional() InOption { return func(in *routine.Input) { in.Optional = true } }

// MinRows is how many rows an input must have.
func MinRows(n int64) InOption { return func(in *routine.Input) { in.MinRows = n } }

// Require names a column that an input must have. The type is one of int64,
// float64, bool, string, date, timestamp and number; empty means any.
func Require(column, columnType string) InOption {
	return func(in *routine.Input) {
		in.Columns = append(in.Columns, routine.Column{Name: column, Type: columnType})
	}
}

// Out declares an output table.
func Out(name, title string) Option {
	return func(r *routine.Routine) {
		r.Outputs = append(r.Outputs, routine.Output{Name: name, Title: title})
	}
}

// Case is what an example calls its routine with, and what must come of it.
type Case struct {
	Params    string            // a JSON object; default {}
	Seed      uint64            // of what is random
	Inputs    map[string]string // input → its table, as CSV
	File      string            // what an importer reads
	Result    string            // JSON, the whole result; or else:
	Error     string            // the code that it fails with, such as guest_error
	Tolerance float64           // of each number of the result, relative; default 1e-9
}

// Example declares an example of the routine. A server runs it when the plugin is
// uploaded, and refuses a plugin that does not do what its examples say;
// plugintest.Examples runs it in the plugin's own tests.
func Example(name string, c Case) Option {
	return func(r *routine.Routine) {
		r.Examples = append(r.Examples, routine.Example{
			Name: name, Params: json.RawMessage(c.Params), Seed: c.Seed, Inputs: c.Inputs, File: c.File,
			Result: json.RawMessage(c.Result), Error: c.Error, Tolerance: c.Tolerance,
		})
	}
}

// Analysis declares a routine that is called once. P is a struct that describes
// its params: see [Schema]. What f returns becomes the result, as JSON.
func Analysis[P any](name string, doc Doc, f func(*Call, P) (any, error), opts ...Option) Routine {
	return Routine{
		decl: declare[P](name, routine.Analysis, doc, opts),
		run: func(c *Call) (any, error) {
			p, err := params[P](c)
			if err != nil {
				return nil, err
			}
			return f(c, p)
		},
		rehearse: func(c *Call) { _, _ = params[P](c) },
	}
}

// Simulation declares a routine that runs step by step.
func Simulation[P any](name string, doc Doc, f func(*Call, P) (Stepper, error), opts ...Option) Routine {
	return Routine{
		decl: declare[P](name, routine.Simulation, doc, opts),
		start: func(c *Call) (Stepper, error) {
			p, err := params[P](c)
			if err != nil {
				return nil, err
			}
			return f(c, p)
		},
		rehearse: func(c *Call) { _, _ = params[P](c) },
	}
}

func declare[P any](name string, kind routine.Kind, doc Doc, opts []Option) routine.Routine {
	var p P
	r := routine.Routine{Name: name, Kind: kind, Title: doc.Title, Summary: doc.Summary, Params: Schema(p)}
	for _, o := range opts {
		o(&r)
	}
	return r
}

func params[P any](c *Call) (P, error) {
	var p P
	if err := json.Unmarshal(c.params, &p); err != nil {
		return p, fmt.Errorf("params: %w", err)
	}
	return p, nil
}

// registered is the plugin that this module is. It is set once, before the host
// calls anything.
var registered Plugin

// Register declares the plugin. Call it once, from an init function.
func Register(p Plugin) {
	if registered.Name != "" {
		panic("sdk: Register was called twice")
	}
	registered = p
	p.rehearse()
}

// Manifest is what the host is told of a plugin.
func (p Plugin) Manifest() routine.Manifest {
	m := routine.Manifest{Name: p.Name, Version: p.Version, Summary: p.Summary, License: p.License}
	for _, r := range p.Routines {
		m.Routines = append(m.Routines, r.decl)
	}
	return m
}
