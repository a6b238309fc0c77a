package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin/guesttest"
	"thresher/samples"
)

// The tests' own program is also a server with a fault in it (see startBroken), and
// the compiler that this server starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "compile" {
		os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
	}
	if fault := os.Getenv(brokenEnv + "FAULT"); fault != "" {
		serveBroken(fault)
		return
	}
	os.Exit(m.Run())
}

// pluginFolder builds the plugins that ship, and the hostile one, into a folder.
func pluginFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	modules := guesttest.Builtins(t)
	modules["hostile"] = guesttest.Build(t, "thresher/plugins/hostile/guest")
	for name, wasm := range modules {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".wasm"), wasm, 0o600))
	}
	return dir
}

// The scripts run the program as users type it.
func TestScripts(t *testing.T) {
	t.Parallel()
	exe, err := built()
	require.NoError(t, err)
	plugins := pluginFolder(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(exe)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("THRESHER_PLUGINS", plugins)
			env.Setenv("XDG_CACHE_HOME", guesttest.CacheHome())
			for _, name := range []string{"penguins.json", "agentfarm-simulation-steps.csv"} {
				data, err := samples.Files.ReadFile(name)
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), data, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
	})
}
