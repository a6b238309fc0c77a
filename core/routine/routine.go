// Package routine describes what can be run: a plugin's manifest and the
// routines it declares. The SDKs produce a [Manifest], the sandbox reads it from
// the module, the engine validates submissions against it and the server shows
// it. It is plain data: no I/O, no validation of params (that needs a JSON
// Schema library, which guests must not carry), and it compiles for guests.
package routine

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Kind says how the host drives a routine.
type Kind string

// The kinds of routine.
const (
	Analysis   Kind = "analysis"   // one call of run
	Simulation Kind = "simulation" // init, then step in batches until done
	Importer   Kind = "importer"   // one call of run, that makes the bytes of a file tables
)

// Kinds lists them.
var Kinds = []Kind{Analysis, Simulation, Importer}

// FileInput is what a job's record calls the file that an importer reads.
const FileInput = "file"

// Manifest is what a plugin says of itself.
type Manifest struct {
	Name     string    `json:"name"`    // lower case letters, digits, dashes
	Version  string    `json:"version"` // semantic version, no leading v
	Summary  string    `json:"summary"`
	License  string    `json:"license,omitempty"` // SPDX identifier
	Routines []Routine `json:"routines"`
}

// Routine is one thing a plugin can do.
type Routine struct {
	Name    string          `json:"name"`
	Kind    Kind            `json:"kind"`
	Title   string          `json:"title"`
	Summary string          `json:"summary,omitempty"`
	Params  json.RawMessage `json:"params"` // JSON Schema 2020-12 of the params object
	Inputs  []Input         `json:"inputs,omitempty"`
	Outputs []Output        `json:"outputs,omitempty"` // tables it may write

	// Of a program that runs as a command (docs/wasi.md): how it reads its input, writes
	// what it found, and is called. Empty for all others.
	Stdin  string   `json:"stdin,omitempty" enum:"csv,ndjson,arrow"`            // default csv
	Stdout string   `json:"stdout,omitempty" enum:"json,text,csv,ndjson,arrow"` // json, its result (the default); text, which is its result; or csv, ndjson or arrow, its output table
	Args   []string `json:"args,omitempty"`                                     // its arguments, where {NAME} stands for a param; default --NAME=VALUE for each param

	Examples []Example `json:"examples,omitempty"` // a server runs them before it takes the plugin
}

// Example is a call of a routine, and what must come of it: a result, or a failure.
type Example struct {
	Name      string            `json:"name"`
	Params    json.RawMessage   `json:"params,omitempty"` // an object that fits the schema; default {}
	Seed      uint64            `json:"seed,omitempty"`
	Inputs    map[string]string `json:"inputs,omitempty"`    // input → its table, as CSV
	File      string            `json:"file,omitempty"`      // what an importer reads
	Result    json.RawMessage   `json:"result,omitempty"`    // all of it
	Error     string            `json:"error,omitempty"`     // or else the failure's code, such as guest_error
	Tolerance float64           `json:"tolerance,omitempty"` // of each number of the result, relative; default 1e-9
}

// Input is a table that a routine reads.
type Input struct {
	Name     string   `json:"name"`
	Title    string   `json:"title,omitempty"`
	Optional bool     `json:"optional,omitempty"`
	Columns  []Column `json:"columns,omitempty"`  // columns that must be there
	MinRows  int64    `json:"min_rows,omitempty"` // default 0
}

// Column is a column that an input must have.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"` // a type name of core/table, "number", or empty for any
}

// Output is a table that a routine writes.
type Output struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
}

// Ref names a routine: plugin/routine, or plugin@version/routine.
type Ref struct {
	Plugin  string
	Routine string
	Version string // empty means the active one
}

// Ref fields are short: they become subject tokens, index keys and path segments.
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// ValidName reports whether s may name a plugin or a routine: up to 64 lower
// case letters, digits, dashes and underscores, starting with a letter or digit.
func ValidName(s string) bool { return namePattern.MatchString(s) }

var versionPattern = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// MaxVersion is the most bytes of a version.
const MaxVersion = 64

// ValidVersion reports whether s is a semantic version, without a v, that is not long.
func ValidVersion(s string) bool { return len(s) <= MaxVersion && versionPattern.MatchString(s) }

// ParseRef reads plugin[@version]/routine.
func ParseRef(s string) (Ref, error) {
	path, name, ok := strings.Cut(s, "/")
	plugin, version, versioned := strings.Cut(path, "@")
	if !ok || !ValidName(plugin) || !ValidName(name) || versioned && !ValidVersion(version) {
		return Ref{}, fmt.Errorf("%q: want PLUGIN/ROUTINE, such as tabular/describe, or PLUGIN@VERSION/ROUTINE", s)
	}
	return Ref{Plugin: plugin, Routine: name, Version: version}, nil
}

func (r Ref) String() string {
	if r.Version == "" {
		return r.Plugin + "/" + r.Routine
	}
	return r.Plugin + "@" + r.Version + "/" + r.Routine
}
