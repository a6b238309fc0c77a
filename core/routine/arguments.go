package routine

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The size of a program's arguments is a product of what its manifest says and of what a
// user gives. What the manifest says is bounded where that is checked, and the product
// where a job is submitted.
const (
	maxArgs      = 64      // that a routine declares
	maxArgBytes  = 1024    // of one, before params are filled in
	maxArgNames  = 256     // params that all of them name together, repetitions included
	MaxArguments = 1 << 20 // bytes of all, with params filled in and a zero after each
)

// paramIn matches a param that an argument names.
var paramIn = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_-]*)\}`)

// CheckArgs holds the arguments of a program's routine against its params.
func (r Routine) CheckArgs() error {
	if len(r.Args) > maxArgs {
		return fmt.Errorf("%d args: the limit is %d", len(r.Args), maxArgs)
	}
	var params struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(r.Params, &params); err != nil {
		return fmt.Errorf("params: %w", err)
	}
	names := 0
	for _, arg := range r.Args {
		if len(arg) > maxArgBytes {
			return fmt.Errorf("an arg of %d bytes: the limit is %d", len(arg), maxArgBytes)
		}
		for _, found := range paramIn.FindAllStringSubmatch(arg, -1) {
			if _, known := params.Properties[found[1]]; !known {
				return fmt.Errorf("args: %q: there is no param %s", arg, found[1])
			}
			names++
		}
	}
	if names > maxArgNames {
		return fmt.Errorf("args name params %d times: the limit is %d", names, maxArgNames)
	}
	return nil
}

// ArgumentBytes bounds what the arguments of a program take, each with a zero after it. It
// does not make them.
func (r Routine) ArgumentBytes(params json.RawMessage) (int, error) {
	values, err := argumentValues(params)
	if err != nil {
		return 0, err
	}
	size := len(r.Name) + 1
	if r.Args == nil {
		for name, value := range values {
			size += len("--=") + len(name) + len(value) + 1
		}
	}
	for _, arg := range r.Args {
		size += len(arg) + 1
		for _, found := range paramIn.FindAllString(arg, -1) {
			size += len(values[found[1:len(found)-1]]) - len(found)
		}
	}
	return size, nil
}

// Arguments returns a program's arguments: its routine, and what the routine declares, or
// each param as --name=value. Text is given as it is, any other value as JSON. An argument
// that names a param without a value is left out.
func (r Routine) Arguments(params json.RawMessage) ([]string, error) {
	values, err := argumentValues(params)
	if err != nil {
		return nil, err
	}
	args := []string{r.Name}
	if r.Args == nil {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			args = append(args, "--"+name+"="+values[name])
		}
	}
	for _, arg := range r.Args {
		whole := true
		arg = paramIn.ReplaceAllStringFunc(arg, func(found string) string {
			value, given := values[found[1:len(found)-1]]
			whole = whole && given
			return value // whose own braces are no params
		})
		if whole {
			args = append(args, arg)
		}
	}
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "\x00", "")
	}
	return args, nil
}

// argumentValues are params as arguments have them.
func argumentValues(params json.RawMessage) (map[string]string, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(params, &raw); err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	values := make(map[string]string, len(raw))
	for name, value := range raw {
		var text string
		if json.Unmarshal(value, &text) != nil || string(value) == "null" {
			text = string(value)
		}
		values[name] = text
	}
	return values, nil
}
