package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"thresher/core/routine"
)

const (
	maxArgs     = 64   // that a routine declares
	maxArgBytes = 1024 // of one, before params are filled in
)

// paramIn is a param that an argument has.
var paramIn = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_-]*)\}`)

// checkArgs holds the arguments of a program's routine against its params.
func checkArgs(r routine.Routine) error {
	if len(r.Args) > maxArgs {
		return fmt.Errorf("%d args: the limit is %d", len(r.Args), maxArgs)
	}
	var params struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(r.Params, &params); err != nil {
		return fmt.Errorf("params: %w", err)
	}
	for _, arg := range r.Args {
		if len(arg) > maxArgBytes {
			return fmt.Errorf("an arg of %d bytes: the limit is %d", len(arg), maxArgBytes)
		}
		for _, found := range paramIn.FindAllStringSubmatch(arg, -1) {
			if _, known := params.Properties[found[1]]; !known {
				return fmt.Errorf("args: %q: there is no param %s", arg, found[1])
			}
		}
	}
	return nil
}

// argumentsOf are a command's: its routine, and what the routine declares, or each
// param as --name=value. Values are text as it is, all else as JSON. What needs a
// param that has no value is left out.
func argumentsOf(k *call, decl routine.Routine) ([]string, error) {
	var params map[string]json.RawMessage
	if err := json.Unmarshal(k.Params, &params); err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	args := []string{k.Routine}
	if decl.Args == nil {
		for _, name := range slices.Sorted(maps.Keys(params)) {
			args = append(args, strings.ReplaceAll("--"+name+"="+plainly(params[name]), "\x00", ""))
		}
	}
	for _, arg := range decl.Args {
		whole := true
		arg = paramIn.ReplaceAllStringFunc(arg, func(found string) string {
			value, given := params[found[1:len(found)-1]]
			whole = whole && given
			return plainly(value) // whose own braces are no params
		})
		if whole {
			args = append(args, strings.ReplaceAll(arg, "\x00", ""))
		}
	}
	return args, nil
}

// plainly is a value as an argument has it.
func plainly(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && string(value) != "null" {
		return text
	}
	return string(value)
}
