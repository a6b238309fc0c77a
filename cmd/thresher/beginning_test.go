package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/compilers"
)

// In each language a new plugin is built, tested, pushed to a server, and run there, by
// what a user types; so is a program of WASI. With -v the script says how long each step
// takes.
func TestFromNothingToAResult(t *testing.T) {
	t.Parallel()
	exe, err := built()
	require.NoError(t, err)
	// The language of the scaffold, and the compiler that it needs.
	for language, compiler := range map[string]string{"go": "go", "rust": "rust", "c": "c", "as": "as", "wasi": "go"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && language != "go" {
				t.Skip("long: make test-long runs it")
			}
			chain, err := compilers.Of(compiler)
			require.NoError(t, err)
			guesttest.Needs(t, chain.Missing())
			server := startProgram(t, t.TempDir(), t.TempDir())
			testscript.Run(t, testscript.Params{
				Files: []string{"testdata/beginning.txt"},
				Setup: func(env *testscript.Env) error {
					env.Setenv("LANGUAGE", language)
					env.Setenv("THRESHER_SERVER", server.url)
					return atHome(env, exe)
				},
			})
		})
	}
}
