// Package compilers builds plugins with the compilers of the machine: it finds them,
// runs them as a plugin needs it, and names one that is missing with the line that
// installs it. It holds no state.
package compilers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Missing is a tool that is not on this machine.
type Missing struct {
	Tool    string // what is missing, and for what
	Install string // a line to type; on Debian, unless it says otherwise
}

func (m *Missing) Error() string {
	return fmt.Sprintf("%s is missing. Install it: %s", m.Tool, m.Install)
}

// Failed is a compiler that did not like what it was given.
type Failed struct {
	Command string
	Said    string
}

func (f *Failed) Error() string { return f.Command + ":\n" + strings.TrimRight(f.Said, "\n") }

// command is one to be run.
type command struct {
	dir  string
	env  []string // beside that of this process
	args []string
}

func (c command) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exited *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &exited):
		return &Failed{Command: strings.Join(append([]string{filepath.Base(c.args[0])}, c.args[1:]...), " "), Said: said.String()}
	}
	return err
}

// first returns the first of some programs that there is and that suits.
func first(names []string, suits func(path string) bool) (string, bool) {
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil && suits(path) {
			return path, true
		}
	}
	return "", false
}

// says is what a program prints, or "".
func says(args ...string) string {
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Form says what a module is built as.
type Form int

// The forms.
const (
	Plugin  Form = iota // a reactor of the plugin contract
	Command             // a WASI program
)

// Go builds the main package of a folder. It asks nobody for anything: what it needs
// must be in the folder or in Go's caches.
func Go(ctx context.Context, dir, out string, form Form) error {
	path, err := exec.LookPath("go")
	if err != nil {
		return &Missing{"Go", "apt-get install golang, or https://go.dev/dl"}
	}
	args := []string{path, "build", "-trimpath", "-o", out}
	if form == Plugin {
		args = append(args, "-buildmode=c-shared")
	}
	return command{dir, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off"}, append(args, ".")}.run(ctx)
}

// clangs are the names of clang, the newest first.
var clangs = func() []string {
	names := []string{"clang"}
	for version := 24; version >= 13; version-- {
		names = append(names, fmt.Sprintf("clang-%d", version))
	}
	return names
}()

// C builds C files. A command has the C library of WASI, and so has a plugin on the SDK,
// whose header is beside it; another plugin has none.
func C(ctx context.Context, files []string, out string, form Form, flags ...string) error {
	linker := func(clang string) bool {
		_, err := exec.LookPath(says(clang, "-print-prog-name=wasm-ld"))
		return err == nil
	}
	args := []string{"--target=wasm32", "-nostdlib", "-Wl,--no-entry"}
	suits, missing := linker, &Missing{"clang with wasm-ld", "apt-get install clang lld"}
	onSDK := form == Plugin && len(files) > 0 && exists(filepath.Join(filepath.Dir(files[0]), "thresher.h"))
	if form == Command || onSDK {
		args = []string{"--target=wasm32-wasi"}
		if onSDK {
			args = append(args, "-mexec-model=reactor")
		}
		suits = func(clang string) bool { return linker(clang) && exists(builtins(clang)) }
		missing = &Missing{"clang with wasm-ld and the C library of WASI", "apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32"}
		if !slices.ContainsFunc([]string{"/usr/include/wasm32-wasi", "/usr/include/wasm32-wasip1"}, exists) {
			return missing
		}
	}
	clang, found := first(clangs, suits)
	if !found {
		return missing
	}
	args = append([]string{clang, "-g", "-O2", "-Wall", "-o", out}, args...)
	return command{"", nil, slices.Concat(args, flags, files)}.run(ctx)
}

// builtins is the library that clang links a program of WASI with.
func builtins(clang string) string {
	return says(clang, "--target=wasm32-wasi", "--rtlib=compiler-rt", "-print-libgcc-file-name")
}

// Rust returns a compiler that has the standard library of a target.
func Rust(target string) (rustc string, err error) {
	rustc, found := first([]string{"rustc", "/usr/bin/rustc"}, func(path string) bool {
		return exists(says(path, "--print", "target-libdir", "--target", target))
	})
	if !found {
		return "", &Missing{"Rust with the target " + target, "apt-get install rustc cargo libstd-rust-dev-wasm32, or: rustup target add " + target}
	}
	return rustc, nil
}

// RustTarget is what plugins in Rust are built for.
const RustTarget = "wasm32-unknown-unknown"

// Cargo builds the crate of a folder, and returns where the module is. It asks nobody
// for anything.
func Cargo(ctx context.Context, dir string) (module string, err error) {
	rustc, err := Rust(RustTarget)
	if err != nil {
		return "", err
	}
	cargo, found := first([]string{filepath.Join(filepath.Dir(rustc), "cargo"), "cargo"}, func(string) bool { return true })
	if !found {
		return "", &Missing{"cargo", "apt-get install cargo"}
	}
	target := filepath.Join(dir, "target")
	build := command{dir, []string{"RUSTC=" + rustc}, []string{
		cargo, "build", "--quiet", "--offline", "--release", "--target", RustTarget, "--target-dir", target,
		"--config", "profile.release.debug=1", "--config", `profile.release.panic="abort"`,
	}}
	if err := build.run(ctx); err != nil {
		return "", err
	}
	made, err := filepath.Glob(filepath.Join(target, RustTarget, "release", "*.wasm"))
	if err != nil || len(made) != 1 {
		return "", fmt.Errorf("cargo built %d modules: want one (crate-type = [\"cdylib\"])", len(made))
	}
	return made[0], nil
}

// AssemblyScript runs the compiler of a folder: its own one in node_modules, or that
// of the machine.
func AssemblyScript(ctx context.Context, dir, out string, files ...string) error {
	if _, err := exec.LookPath("node"); err != nil {
		return &Missing{"node", "apt-get install nodejs npm"}
	}
	asc, found := first([]string{filepath.Join(dir, "node_modules", ".bin", "asc"), "asc"}, func(string) bool { return true })
	if !found {
		return &Missing{"the AssemblyScript compiler", "npm install --save-dev assemblyscript (in the plugin's folder, or with --global)"}
	}
	return command{dir, nil, slices.Concat([]string{asc}, files, []string{"--outFile", out, "--optimize", "--debug"})}.run(ctx)
}
