package main

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is the repository's folder.
const root = "../.."

// function is one of the tests' functions, by its folder and name.
type function struct{ dir, name string }

// source is what the tests of the repository look like.
type source map[function]map[string]bool // the names that each function uses

func read(t *testing.T) source {
	t.Helper()
	s := source{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		s.add(t, filepath.ToSlash(dir), path)
		return err
	})
	require.NoError(t, err)
	return s
}

func (s source) add(t *testing.T, dir, path string) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil {
			continue
		}
		names := map[string]bool{}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				names[id.Name] = true
			}
			return true
		})
		s[function{dir, fn.Name.Name}] = names
	}
}

// using returns the tests that use a name, themselves or through what they call in their
// package.
func (s source) using(name string) (tests []function) {
	for f := range s {
		if strings.HasPrefix(f.name, "Test") && s.reaches(f, name, map[function]bool{}) {
			tests = append(tests, f)
		}
	}
	return tests
}

func (s source) reaches(f function, name string, seen map[function]bool) bool {
	if seen[f] {
		return false
	}
	seen[f] = true
	for used := range s[f] {
		if used == name || s.reaches(function{f.dir, used}, name, seen) {
			return true
		}
	}
	return false
}

// No test is left out of both: what asks testing.Short is in the list, and what is not for
// the race detector is listed without it.
func TestTheListIsComplete(t *testing.T) {
	t.Parallel()
	s := read(t)
	short, plain := s.using("Short"), s.using("raced")
	require.NotEmpty(t, short)
	for _, f := range short {
		assert.True(t, listed(f, func(test) bool { return true }), "%s %s asks testing.Short: add it to list.go", f.dir, f.name)
	}
	require.NotEmpty(t, plain)
	for _, f := range plain {
		assert.True(t, listed(f, func(l test) bool { return l.plain }), "%s %s skips under the race detector: list it with plain", f.dir, f.name)
	}
	for _, l := range tests {
		assert.True(t, l.name == "" || s[function{l.dir, l.name}] != nil, "%v is no test", l)
		assert.Positive(t, l.takes, l)
		assert.NotEmpty(t, l.why, l)
	}
}

func listed(f function, ok func(test) bool) bool {
	return slices.ContainsFunc(tests, func(l test) bool { return l.dir == f.dir && l.name == f.name && ok(l) })
}

// All of the list is run, each as it asks to be.
func TestNothingOfTheListIsLost(t *testing.T) {
	t.Parallel()
	assert.ElementsMatch(t, tests, choose(tests, regexp.MustCompile("")))
	chosen, left := sample(choose(tests, regexp.MustCompile("")), time.Minute)
	assert.NotEmpty(t, chosen)
	assert.Len(t, left, len(tests)-len(chosen), "what is not run is reported")
	full := test{dir: "core", name: "TestX", tags: "slow", args: []string{"-kills", "5"}}
	assert.Equal(t, "test -json -count=1 -timeout 60m -race -tags slow -run ^TestX$ ./core -kills 5", strings.Join(full.command(true), " "))
	assert.NotContains(t, full.command(false), "-race")
	full.plain = true
	assert.NotContains(t, full.command(true), "-race")
}

// What fails is an error, what a test skips is reported with its reason, and what the
// time ran out for is skipped.
func TestTheEndSaysWhatFailedAndWhatWasSkipped(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &session{root: root, out: &out}
	err := s.run(t.Context(), []test{
		{dir: "internal/longtests/testdata/outcomes", name: "TestPasses", why: "one"},
		{dir: "internal/longtests/testdata/outcomes", name: "TestSkips", why: "two"},
		{dir: "internal/longtests/testdata/outcomes", name: "TestFails", why: "three"},
	})
	require.ErrorContains(t, err, "1 of 3 failed")
	assert.Contains(t, out.String(), "SKIPPED TestSkips/one: outcomes_test.go:14: for a reason")
	assert.Contains(t, out.String(), "SKIPPED TestSkips/two: outcomes_test.go:19: for another")
	assert.Contains(t, out.String(), "FAILED ./internal/longtests/testdata/outcomes TestFails")
	assert.Contains(t, out.String(), "2 passed, 1 failed, 2 skipped")

	over, cancel := context.WithCancelCause(t.Context())
	cancel(errSampleOver)
	out.Reset()
	s = &session{root: root, out: &out}
	require.NoError(t, s.run(over, tests[:2]))
	assert.Contains(t, out.String(), "0 passed, 0 failed, 2 skipped")
	assert.Contains(t, out.String(), errSampleOver.Error())
}
