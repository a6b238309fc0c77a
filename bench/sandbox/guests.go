package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// guest is one of bench/guests.
type guest struct {
	name   string
	wasm   []byte
	digest string // once it is loaded
	plugin string // its name, likewise
}

// recipe is how a guest is made, in bench/.
type recipe struct {
	name  string
	needs string // a program
	env   []string
	line  func(out string) []string
}

var recipes = []recipe{
	{"Go", "go", []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, func(out string) []string {
		return []string{"go", "build", "-buildmode=c-shared", "-ldflags=-w", "-o", out, "./guests/go"}
	}},
	{"C", "clang-19", nil, func(out string) []string {
		return []string{"clang-19", "--target=wasm32", "-O3", "-nostdlib", "-mbulk-memory", "-fuse-ld=lld", "-Wl,--no-entry", "-o", out, "guests/c/kernels.c"}
	}},
	{"Rust", "/usr/bin/rustc", nil, func(out string) []string {
		return []string{"/usr/bin/rustc", "-O", "--target", "wasm32-unknown-unknown", "-C", "linker=wasm-ld-14", "-C", "lto=fat", "-C", "panic=abort", "-o", out, "guests/rust/kernels.rs"}
	}},
	{"AssemblyScript", "npm", nil, func(out string) []string {
		home := cached("assemblyscript")
		return []string{"sh", "-c", fmt.Sprintf("test -d %[1]s/node_modules/assemblyscript || npm install --silent --prefix %[1]s assemblyscript@0.28.20 >/dev/null; "+
			"exec %[1]s/node_modules/.bin/asc guests/as/kernels.ts -O3 --runtime minimal --use abort= -o %[2]s", home, out)}
	}},
}

// cached is a folder for what is installed once and kept from run to run.
func cached(name string) string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "thresher-bench", name)
}

// buildGuests builds those whose compilers are there. The one in Go must be.
func buildGuests(ctx context.Context, dir string) ([]guest, error) {
	var guests []guest
	for _, r := range recipes {
		wasm, err := r.build(ctx, filepath.Join(dir, "guest.wasm"))
		if err != nil {
			fmt.Printf("*** LEFT OUT: the guest in %s: %v ***\n", r.name, err)
			continue
		}
		guests = append(guests, guest{name: r.name, wasm: wasm})
	}
	if len(guests) == 0 || guests[0].name != "Go" {
		return nil, fmt.Errorf("the guest in Go cannot be built")
	}
	return guests, nil
}

func (r recipe) build(ctx context.Context, out string) ([]byte, error) {
	if _, err := exec.LookPath(r.needs); err != nil {
		return nil, err
	}
	line := r.line(out)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), r.env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(text)))
	}
	defer os.Remove(out)
	return os.ReadFile(out)
}
