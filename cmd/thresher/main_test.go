package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/compilers"
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
	os.Exit(inFolder(m.Run))
}

// programFolder is where the program is built; gone in the end.
var programFolder string

func inFolder(tests func() int) int {
	dir, err := os.MkdirTemp("", "thresher-program-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programFolder = dir
	return tests()
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

// environment is the key of a script's own.
type environment struct{}

// changed runs the program, and changes a text in a file when it first waits for that.
func changed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: changed OLD NEW FILE ARGUMENTS OF THE PROGRAM")
	}
	cmd := exec.Command(filepath.Join(ts.Getenv("PROGRAM"), "thresher"), args[3:]...)
	cmd.Dir, cmd.Env, cmd.Stdout = ts.MkAbs("."), ts.Value(environment{}).([]string), ts.Stdout()
	said, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines := bufio.NewScanner(io.TeeReader(said, ts.Stderr()))
	for waited := false; lines.Scan(); {
		if !waited && strings.HasSuffix(lines.Text(), "waiting for a change —") {
			waited = true
			replace(ts, false, args[:3])
		}
	}
	ts.Check(cmd.Wait())
}

// replace changes a text in a file, as an editor does.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s does not say %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.Replace(text, args[0], args[1], 1)), 0o600))
}

// The scripts run the program as users type it.
func TestScripts(t *testing.T) {
	t.Parallel()
	exe, err := built()
	require.NoError(t, err)
	plugins := pluginFolder(t)
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"changed": changed, "replace": replace},
		Condition: func(language string) (bool, error) {
			if language == "long" {
				return !testing.Short(), nil
			}
			chain, err := compilers.Of(language)
			if err != nil {
				return false, err
			}
			if err := chain.Missing(); err != nil { // TestFromNothingToAResult fails where none may be missing
				t.Logf("*** SKIPPED: plugins in %s: %v ***", language, err)
				return false, nil
			}
			return true, nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("THRESHER_PLUGINS", plugins)
			for _, name := range []string{"penguins.json", "agentfarm-simulation-steps.csv"} {
				data, err := samples.Files.ReadFile(name)
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), data, 0o600); err != nil {
					return err
				}
			}
			err := atHome(env, exe)
			env.Values[environment{}] = env.Vars
			return err
		},
	})
}

// atHome lets a script find the program, and what compilers keep in a user's home.
func atHome(env *testscript.Env, exe string) error {
	env.Setenv("PATH", filepath.Dir(exe)+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("PROGRAM", filepath.Dir(exe))
	env.Setenv("XDG_CACHE_HOME", guesttest.CacheHome())
	env.Setenv("THRESHER_ASC", os.Getenv("THRESHER_ASC"))
	// What Go has built before is not built again; a home of its own has nothing.
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		where, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return err
		}
		env.Setenv(name, strings.TrimSpace(string(where)))
	}
	home, err := os.UserHomeDir()
	if err == nil {
		env.Setenv("RUSTUP_HOME", cmp.Or(os.Getenv("RUSTUP_HOME"), filepath.Join(home, ".rustup")))
	}
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	return os.Mkdir(env.Getenv("HOME"), 0o700)
}
