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

// source is what the tests of the repository look like.
type source struct {
	there map[string]bool // the tests that there are, by folder and name
	short map[string]bool // those that ask testing.Short
	plain map[string]bool // those that are not run under the race detector
	stray []string        // who else asks
}

func read(t *testing.T) source {
	t.Helper()
	s := source{map[string]bool{}, map[string]bool{}, map[string]bool{}, nil}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			s.file(t, path)
		}
		return err
	})
	require.NoError(t, err)
	return s
}

func where(dir, name string) string { return dir + " " + name }

func (s *source) file(t *testing.T, path string) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	dir, err := filepath.Rel(root, filepath.Dir(path))
	require.NoError(t, err)
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		here := where(filepath.ToSlash(dir), fn.Name.Name)
		isTest := fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test")
		s.there[here] = isTest
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "testing" && n.Sel.Name == "Short" {
					s.short[here] = true
					if !isTest {
						s.stray = append(s.stray, here)
					}
				}
			case *ast.Ident:
				if n.Name == "raced" {
					s.plain[here] = true
				}
			}
			return true
		})
	}
}

// No test is left out of both: what looks at testing.Short is in the list, and what is
// not for the race detector is listed without it.
func TestTheListIsComplete(t *testing.T) {
	t.Parallel()
	s := read(t)
	assert.Empty(t, s.stray, "ask testing.Short in the test itself, where this test finds it")
	require.NotEmpty(t, s.short)
	for short := range s.short {
		assert.True(t, listed(short, func(test) bool { return true }), "%s asks testing.Short: add it to list.go", short)
	}
	require.NotEmpty(t, s.plain)
	for plain := range s.plain {
		assert.True(t, listed(plain, func(l test) bool { return l.plain }), "%s skips under the race detector: list it with plain", plain)
	}
	for _, l := range tests {
		assert.True(t, l.name == "" || s.there[where(l.dir, l.name)], "%v is no test", l)
		assert.Positive(t, l.takes, l)
		assert.NotEmpty(t, l.why, l)
	}
}

func listed(name string, ok func(test) bool) bool {
	return slices.ContainsFunc(tests, func(l test) bool { return where(l.dir, l.name) == name && ok(l) })
}

// All of the list is run, each as it asks to be.
func TestNothingOfTheListIsLost(t *testing.T) {
	t.Parallel()
	assert.ElementsMatch(t, tests, choose(tests, regexp.MustCompile("")))
	chosen, left := sample(choose(tests, regexp.MustCompile("")), time.Minute)
	assert.NotEmpty(t, chosen)
	assert.Len(t, left, len(tests)-len(chosen), "what is not run is reported")
	full := test{dir: "core", name: "TestX", tags: "slow", args: []string{"-kills", "5"}}
	assert.Equal(t, "test -v -count=1 -timeout 60m -race -tags slow -run ^TestX$ ./core -kills 5", strings.Join(full.command(true), " "))
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
	assert.Contains(t, out.String(), "SKIPPED TestSkips: outcomes_test.go:10: for a reason")
	assert.Contains(t, out.String(), "FAILED ./internal/longtests/testdata/outcomes TestFails")
	assert.Contains(t, out.String(), "2 passed, 1 failed, 1 skipped")

	over, cancel := context.WithCancelCause(t.Context())
	cancel(errSampleOver)
	out.Reset()
	s = &session{root: root, out: &out}
	require.NoError(t, s.run(over, tests[:2]))
	assert.Contains(t, out.String(), "0 passed, 0 failed, 2 skipped")
	assert.Contains(t, out.String(), errSampleOver.Error())
}
