package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"

	"thresher/core/spelling"
)

// configFiles are the files that can set flags. The last one that sets a flag wins.
func configFiles() []string {
	files := []string{"/etc/thresher.json"}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".config", "thresher.json"))
	}
	return files
}

// config is a file that sets flags: a JSON object with a key for each.
type config struct {
	path     string
	settings []setting
}

// setting is a key of a file.
type setting struct {
	key   string
	value any // a text as it would be typed, a list, or an object
	line  int
}

var _ kong.Resolver = (*config)(nil)

// addConfigs adds the files that exist. A file without permission to read it is left out
// with a warning: it may be meant for another user.
func addConfigs(to *kong.Context, files []string, warn io.Writer) error {
	for _, path := range files {
		text, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, fs.ErrPermission):
			fmt.Fprintf(warn, "thresher: %v: its settings are not used\n", err)
			continue
		case err != nil:
			return err
		}
		c, err := parseConfig(path, text)
		if err != nil {
			return err
		}
		to.AddResolver(c)
	}
	return nil
}

// parseConfig reads a file's keys and where they are.
func parseConfig(path string, text []byte) (*config, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	line := func(offset int64) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }
	var object map[string]any
	err := json.Unmarshal(text, &object)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("%s:%d: %w", path, line(syntax.Offset), err)
	case err != nil || object == nil:
		return nil, fmt.Errorf("%s:1: want a JSON object such as {\"listen\": \"127.0.0.1:5000\"}", path)
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	_, _ = in.Token() // nothing fails from here on: the text is an object
	c := &config{path: path}
	for in.More() {
		key, _ := in.Token()
		s := setting{key: key.(string), line: line(in.InputOffset())}
		_ = in.Decode(&s.value)
		c.settings = append(c.settings, s)
	}
	return c, nil
}

// wrong is an error about a setting.
func (c *config) wrong(s setting, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s: %w", c.path, s.line, s.key, fmt.Errorf(format, args...))
}

// Validate implements [kong.Resolver]: every key must be a flag of some command, and be
// there once.
func (c *config) Validate(app *kong.Application) error {
	flags, seen := flagsOf(app.Node), map[string]setting{}
	for _, s := range c.settings {
		name := flagName(s.key)
		if first, twice := seen[name]; twice {
			return c.wrong(s, "already set in line %d", first.line)
		}
		seen[name] = s
		if !flags[name] {
			return c.unknown(s, spelling.Nearest(name, slices.Collect(maps.Keys(flags))))
		}
		if s.value == nil {
			return c.wrong(s, "%w", errNull)
		}
	}
	return nil
}

func (c *config) unknown(s setting, near string) error {
	_, nested := s.value.(map[string]any)
	switch {
	case nested:
		return c.wrong(s, "no such flag: flags are keys of the file's one object, not grouped by command")
	case near != "":
		return c.wrong(s, "no such flag: did you mean %s?", near)
	}
	return c.wrong(s, "no such flag: `thresher COMMAND --help` lists them")
}

// Resolve implements [kong.Resolver]: it gives a flag the value that the file has for it,
// if it suits the flag. Flags that the environment sets are left alone.
func (c *config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	for _, s := range c.settings {
		if flagName(s.key) != flag.Name || notSet[flag.Name] {
			continue
		}
		value := typed(s.value)
		if err := suits(flag, value); err != nil {
			return nil, c.wrong(s, "%w", err)
		}
		return value, nil
	}
	return nil, nil
}

// typed is a value as it would be typed, in a list or an object too.
func typed(value any) any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = asText(v[i])
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for name := range v {
			object[name] = asText(v[name])
		}
		return object
	}
	return asText(value)
}

// asText is text as it is, and anything else as JSON.
func asText(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, _ := json.Marshal(value) // it was decoded from JSON
	return string(text)
}

var errNull = errors.New("null: leave the key out for the default")

// suits checks a value without setting the flag.
func suits(flag *kong.Flag, value any) error {
	if value == nil {
		return errNull
	}
	probe := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: kong.Scan().PushTyped(value, kong.FlagValueToken)}, probe); err != nil {
		return err
	}
	if flag.Enum != "" && !slices.Contains(flag.EnumSlice(), fmt.Sprint(value)) {
		given := slices.DeleteFunc(flag.EnumSlice(), func(name string) bool { return name == "" }) // for a flag that is left out
		return fmt.Errorf("%q: want one of %s", value, strings.Join(given, ", "))
	}
	return nil
}

// notSet are the flags that no file can set.
var notSet = map[string]bool{"help": true, "version": true}

// flagsOf are the names of the flags of a command and of those below it.
func flagsOf(n *kong.Node) map[string]bool {
	all := map[string]bool{}
	for _, f := range n.Flags {
		if !notSet[f.Name] {
			all[f.Name] = true
		}
	}
	for _, child := range n.Children {
		maps.Copy(all, flagsOf(child))
	}
	return all
}

// flagName is the flag that a key sets: log-level, log_level and logLevel are one.
func flagName(key string) string {
	var name strings.Builder
	for i, r := range key {
		switch {
		case r == '_':
			name.WriteByte('-')
		case unicode.IsUpper(r) && i > 0:
			name.WriteByte('-')
			name.WriteRune(unicode.ToLower(r))
		default:
			name.WriteRune(r)
		}
	}
	return name.String()
}
