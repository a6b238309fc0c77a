package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file is imported by a plugin as by the server itself, and what is wrong with it is
// told the same way.
func TestAPluginImportsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	p := startProgram(t, t.TempDir(), t.TempDir())
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	tsv, fixed := file("a.tsv", "a\tb\n1\tx\n2\ty\n"), file("a.txt", "  1 x\n 22 y\n")
	semicolons := file("b.csv", "a;b\n1;x,y\n")
	for _, step := range []struct {
		args []string
		exit int
		says string
	}{
		{[]string{"datasets", "put", "tabs", tsv, "--importer", "formats/tsv"}, 0, "tabs/data: 2 rows"},
		{[]string{"datasets", "put", "wide", fixed, "--importer", "formats/fixed", "-p", "columns=n:1-3:int64", "-p", "columns=word:5-5"}, 0, "wide/data: 2 rows"},
		{[]string{"datasets", "put", "bad", tsv, "--importer", "formats/tsv", "-p", "types=b:int64"}, exitUsage, `line 2, column 2: column b: found "x": want a whole number`},
		{[]string{"datasets", "put", "parted", semicolons, "--importer", "formats/tsv", "-p", "separator=;"}, 0, "parted/data: 1 rows"},
		{[]string{"datasets", "put", "bad", tsv, "--importer", "models/sir"}, exitUsage, "it reads no file"},
		{[]string{"datasets", "put", "bad", "none.tsv", "--importer", "formats/tsv"}, exitUsage, "none.tsv"},
		{[]string{"run", "formats/tsv", "--remote"}, exitUsage, "datasets put NAME FILE --importer formats/tsv"},
		{[]string{"run", "tabular/describe", "--remote", "-i", "data=wide"}, 0, `"max": 22`},
		{[]string{"routines", "formats/fixed"}, 0, "importer"},
	} {
		out, exit := commandLine(t, p, step.args...)
		assert.Equal(t, step.exit, exit, "%v: %s", step.args, out)
		assert.Contains(t, out, step.says, "%v", step.args)
	}
}
