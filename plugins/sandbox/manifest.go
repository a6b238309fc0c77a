package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/tetratelabs/wazero"

	"thresher/core/routine"
	"thresher/core/schema"
	"thresher/plugins/abi"
	"thresher/plugins/sandbox/binary"
)

const (
	maxManifest = 1 << 20 // bytes
	maxTables   = 64      // inputs of a routine, and outputs: as many as a job may write
)

// parseManifest reads what a module says of itself, and holds it against what the
// module exports.
func parseManifest(raw []byte, compiled wazero.CompiledModule) (routine.Manifest, error) {
	var m routine.Manifest
	if len(raw) > maxManifest {
		return m, refuse("manifest_invalid", "%d bytes: the limit is %d", len(raw), maxManifest)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, refuse("manifest_invalid", "%v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, refuse("manifest_invalid", "more follows the JSON object")
	}
	if err := checkManifest(m); err != nil {
		return m, refuse("manifest_invalid", "%v", err)
	}
	exports := compiled.ExportedFunctions()
	if _, contract := exports[abi.ExportDescribe]; !contract {
		if err := checkCommand(m); err != nil {
			return m, refuse("manifest_invalid", "%v", err)
		}
		return m, nil
	}
	if err := checkNoCommand(m); err != nil {
		return m, refuse("manifest_invalid", "%v", err)
	}
	takesAndGives := binary.FuncType{Params: []byte{i32}, Results: []byte{i32}}
	for _, r := range m.Routines {
		needs := []string{abi.ExportRun}
		if r.Kind == routine.Simulation {
			needs = []string{abi.ExportInit, abi.ExportStep}
		}
		for _, name := range needs {
			if err := vetExport(exports, name, takesAndGives); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func checkManifest(m routine.Manifest) error {
	if !routine.ValidName(m.Name) {
		return fmt.Errorf("plugin name %q: want %s", m.Name, nameRule)
	}
	if !routine.ValidVersion(m.Version) {
		return fmt.Errorf("version %q: want a semantic version such as 1.2.3, of up to %d bytes", m.Version, routine.MaxVersion)
	}
	if len(m.Routines) == 0 {
		return fmt.Errorf("plugin %s declares no routine", m.Name)
	}
	names := names{}
	for _, r := range m.Routines {
		if err := names.add("routine", r.Name); err != nil {
			return err
		}
		if err := checkRoutine(r); err != nil {
			return fmt.Errorf("routine %s: %w", r.Name, err)
		}
	}
	return nil
}

func checkRoutine(r routine.Routine) error {
	if !slices.Contains(routine.Kinds, r.Kind) {
		return fmt.Errorf("kind %q: want one of %v", r.Kind, routine.Kinds)
	}
	if r.Kind == routine.Importer && (len(r.Inputs) > 0 || len(r.Outputs) == 0) {
		return fmt.Errorf("%d inputs and %d outputs: an importer reads a file, and no table, and writes one table at least", len(r.Inputs), len(r.Outputs))
	}
	params, err := schema.Compile(r.Params)
	if err == nil {
		err = params.CheckDefaults()
	}
	if err != nil {
		return fmt.Errorf("params: %w", err)
	}
	if len(r.Inputs) > maxTables || len(r.Outputs) > maxTables {
		return fmt.Errorf("%d inputs and %d outputs: the limit of each is %d", len(r.Inputs), len(r.Outputs), maxTables)
	}
	inputs, outputs := names{}, names{}
	for _, in := range r.Inputs {
		if err := inputs.add("input", in.Name); err != nil {
			return err
		}
		for _, c := range in.Columns {
			if _, known := columnTypes[c.Type]; !known && c.Type != "" && c.Type != "number" {
				return fmt.Errorf("input %s: column %q has type %q: want one of %v, number, or none",
					in.Name, c.Name, c.Type, slices.Sorted(maps.Keys(columnTypes)))
			}
		}
	}
	for _, out := range r.Outputs {
		if err := outputs.add("output", out.Name); err != nil {
			return err
		}
	}
	return checkExamples(r)
}

// names are unique and fit into a path.
type names map[string]bool

const nameRule = "up to 64 lower case letters, digits, dashes and underscores"

func (n names) add(what, name string) error {
	if !routine.ValidName(name) {
		return fmt.Errorf("%s name %q: want %s", what, name, nameRule)
	}
	if n[name] {
		return fmt.Errorf("two %ss are named %q", what, name)
	}
	n[name] = true
	return nil
}
