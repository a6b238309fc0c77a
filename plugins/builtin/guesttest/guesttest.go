// Package guesttest builds guests from source for tests, so that plain `go test`
// works without anything built before, and always tests what the source says.
package guesttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"thresher/plugins/builtin"
)

// built holds what this test process has built, by package.
var built sync.Map // package → func() ([]byte, error)

// Build compiles a guest package, given as an import path such as
// thresher/plugins/hostile/loop, and returns the module.
func Build(t testing.TB, pkg string) []byte {
	t.Helper()
	once, _ := built.LoadOrStore(pkg, sync.OnceValues(func() ([]byte, error) { return build(pkg) }))
	wasm, err := once.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// Builtins builds the plugins that ship.
func Builtins(t testing.TB) map[string][]byte {
	t.Helper()
	modules := map[string][]byte{}
	for _, name := range builtin.Names {
		modules[name] = Build(t, "thresher/plugins/builtin/"+name)
	}
	return modules
}

// CacheHome is where tests keep what a user's programs keep in XDG_CACHE_HOME, from
// run to run.
func CacheHome() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "thresher-test")
}

// CacheDir is where tests keep compiled code from run to run: its entries are
// named after the module's content and the compiler's version. It is also where a
// program with CacheHome looks for it.
func CacheDir(testing.TB) string { return filepath.Join(CacheHome(), "thresher") }

func build(pkg string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	if err := Warm(out); err != nil {
		return nil, fmt.Errorf("compile %s: %w", pkg, err)
	}
	return os.ReadFile(out)
}

// Warm compiles the module in a file into CacheDir, by a program without the race
// detector: under that compiling takes ten times as long.
func Warm(module string) error {
	warm := exec.Command("go", "run", "thresher/plugins/builtin/guesttest/warm", CacheDir(nil), module)
	if text, err := warm.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}
