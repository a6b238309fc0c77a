package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parsed is what the command line, the environment and a home folder come to.
func parsed(t *testing.T, args ...string) (commands, error) {
	t.Helper()
	var c commands
	var said bytes.Buffer
	_, err := newParser(t.Context(), &c, streams{nil, &said, &said}, func(int) {}).Parse(args)
	return c, err
}

// homeWith is a home folder with a configuration file.
func homeWith(t *testing.T, config string) (file string) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	file = filepath.Join(home, ".config", "thresher.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	return file
}

// What a configuration file gets wrong is an error that names the file, the line and the
// key, and says what would be right.
func TestABrokenConfigurationIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ config, where, says string }{
		"cut_off":            {"{\n\"listen\": \"127.0.0.1:7499\"", ":2: ", "unexpected end"},
		"cut_off_text":       {"{\n\"listen\": \"127", ":2: ", "unexpected end"},
		"no_comma":           {"{\n\"slots\": 3\n\"listen\": \"127.0.0.1:1\"}", ":3: ", "invalid character"},
		"text_behind":        {"{}\n{}", ":2: ", "after top-level value"},
		"empty":              {"", ":1: ", "unexpected end"},
		"a_list":             {"[1]", ":1: ", "want a JSON object"},
		"null":               {"null", ":1: ", "want a JSON object"},
		"unknown":            {"{\"slots\": 3,\n\"lisen\": \"127.0.0.1:7499\"}", ":2: lisen: ", "did you mean listen?"},
		"unknown_and_far":    {"{\"colour\": \"red\"}", ":1: colour: ", "no such flag"},
		"grouped":            {"{\"serve\": {\"listen\": \"127.0.0.1:7499\"}}", ":1: serve: ", "not grouped by command"},
		"only_typed":         {"{\"version\": true}", ":1: version: ", "no such flag"},
		"twice":              {"{\"log-level\": \"info\",\n\"log_level\": \"debug\"}", ":2: log_level: ", "line 1"},
		"null_value":         {"{\"slots\": null}", ":1: slots: ", "leave the key out"},
		"text_for_a_number":  {"{\n\n\"slots\": \"many\"}", ":3: slots: ", "many"},
		"a_fraction":         {"{\"slots\": 1.5}", ":1: slots: ", "1.5"},
		"an_object":          {"{\"slots\": {\"a\": 1}}", ":1: slots: ", "map"},
		"a_list_for_a_text":  {"{\"listen\": [\"127.0.0.1:1\"]}", ":1: listen: ", ""},
		"not_one_of":         {"{\"sync\": \"never\"}", ":1: sync: ", "want one of always, interval"},
		"no_unit":            {"{\"drain\": 10}", ":1: drain: ", "\"10\": want a duration with its unit, such as 30s, 5m or 1h30m"},
		"no_size":            {"{\"memory\": \"much\"}", ":1: memory: ", "want a size such as"},
		"yes_for_a_switch":   {"{\"require_signed\": \"maybe\"}", ":1: require_signed: ", "maybe"},
		"nameless_in_a_list": {"{\"vet\": [1, {}]}", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := homeWith(t, c.config)
			_, err := parsed(t, "serve")
			if c.where == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, file+c.where)
			assert.ErrorContains(t, err, c.says)
		})
	}
}

// That a flag may be left out is no value to choose.
func TestOnlyNamesAreOffered(t *testing.T) {
	homeWith(t, `{"priority": "urgent"}`)
	_, err := parsed(t, "run", "a/b")
	require.ErrorContains(t, err, "want one of low, normal, high")
}

// Flags come before the environment, and that before the file.
func TestWhatSetsAFlag(t *testing.T) {
	homeWith(t, "\ufeff"+`{"slots": 7, "log-level": "debug", "requireSigned": true, "queue_cap": "12",
		"label": {"team": "a;b,c"}, "param": ["x=1", "x=2"], "vet": ["a=1,2"], "phase": ["failed"]}`)
	c, err := parsed(t, "serve", "--queue-cap", "3")
	require.NoError(t, err)
	assert.Equal(t, 7, c.Serve.Slots)
	assert.Equal(t, 3, c.Serve.QueueCap)
	assert.True(t, c.Serve.RequireSigned)
	assert.Equal(t, "DEBUG", c.Serve.LogLevel.String())
	assert.Equal(t, []string{"a=1,2"}, c.Serve.Vet)

	c, err = parsed(t, "run", "a/b")
	require.NoError(t, err)
	assert.Equal(t, uniquePairs{"team": "a;b,c"}, c.Run.Label)
	assert.Equal(t, pairs{{"x", "1"}, {"x", "2"}}, c.Run.Param)

	t.Setenv("THRESHER_SLOTS", "8")
	c, err = parsed(t, "serve")
	require.NoError(t, err)
	assert.Equal(t, 8, c.Serve.Slots)
}

// What need not be configured works beside a broken file: how else would one find help?
func TestHelpAndVersionNeedNoConfiguration(t *testing.T) {
	homeWith(t, "{")
	for _, arg := range []string{"--help", "--version"} {
		var said bytes.Buffer
		assert.Zero(t, run(t.Context(), []string{arg}, streams{nil, &said, &said}))
		assert.Contains(t, said.String(), "thresher")
		assert.NotContains(t, said.String(), "unexpected end")
	}
}

// A path that begins with ~/ is in the folder that HOME names, whoever the user is.
func TestHomeIsThatOfTheEnvironment(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("THRESHER_PLUGINS", "~/plugins")
	c, err := parsed(t, "serve", "--data", "~/data")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(home, "data"), c.Serve.Data)
	assert.Equal(t, filepath.Join(home, "plugins"), c.Serve.Plugins)
	t.Setenv("HOME", "")
	_, err = parsed(t, "serve", "--data", "~/data")
	require.ErrorContains(t, err, "HOME")
}
