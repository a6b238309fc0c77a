package compilers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// RustTarget is what plugins in Rust are built for.
const RustTarget = "wasm32-unknown-unknown"

// Rust returns a compiler that has the standard library of a target; RUSTC names one.
func Rust(target string) (rustc string, err error) {
	names := []string{"rustc", "/usr/bin/rustc"}
	if named := os.Getenv("RUSTC"); named != "" {
		names = []string{named}
	}
	rustc, found := first(names, func(path string) bool { return exists(targetFolder(path, target)) })
	if !found {
		return "", &Missing{"Rust with the target " + target, "apt-get install rustc cargo libstd-rust-dev-wasm32 lld-14, or: rustup target add " + target}
	}
	return rustc, nil
}

func targetFolder(rustc, target string) string {
	return says(rustc, "--print", "target-libdir", "--target", target)
}

// Cargo builds the crate of a folder, and returns where the module is. It asks nobody
// for anything.
func Cargo(ctx context.Context, dir string) (module string, err error) {
	rustc, cargo, err := rustTools()
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, "target")
	build := command{dir, []string{"RUSTC=" + rustc}, []string{
		cargo, "build", "--quiet", "--offline", "--release", "--target", RustTarget, "--target-dir", target,
		"--config", "profile.release.debug=1", "--config", `profile.release.panic="abort"`,
	}}
	if err := withAdvice(build.run(ctx), adviceOfCargo); err != nil {
		return "", err
	}
	made, err := filepath.Glob(filepath.Join(target, RustTarget, "release", "*.wasm"))
	if err != nil || len(made) != 1 {
		return "", fmt.Errorf("cargo built %d modules: want one (crate-type = [\"cdylib\"])", len(made))
	}
	return made[0], nil
}

// adviceOfCargo says how a crate of others is added, where the build misses one.
func adviceOfCargo(said string) string {
	if !strings.Contains(said, "--offline") && !strings.Contains(said, "offline mode") {
		return ""
	}
	return "A build asks no network. Fetch what Cargo.toml names once, in the plugin's folder: cargo fetch"
}

// rustTools finds a compiler, and the cargo of the same place: one that is newer gives
// options that the compiler does not know.
func rustTools() (rustc, cargo string, err error) {
	if rustc, err = Rust(RustTarget); err != nil {
		return "", "", err
	}
	if cargo = filepath.Join(filepath.Dir(rustc), "cargo"); !exists(cargo) {
		return "", "", &Missing{"cargo beside " + rustc, "apt-get install cargo"}
	}
	return rustc, cargo, nil
}

// rust builds src/lib.rs with rustc alone: cargo, which authors build with, makes the same
// of it.
var rust = Toolchain{
	Language: "rust",
	missing:  func() error { _, _, err := rustTools(); return err },
	build: func(_, sdk, out string) ([]command, error) {
		rustc, err := Rust(RustTarget)
		work := filepath.Join(filepath.Dir(absolute(out)), "sdk")
		args := append([]string{rustc, "--edition", "2021", "-O", "--target", RustTarget, "-C", "panic=abort"}, linkerOf(rustc)...)
		return []command{
			{args: slices.Concat(args, rustSDK(sdk, work))},
			{args: slices.Concat(args, []string{"-C", "lto=fat", "-C", "strip=debuginfo", "--crate-type", "cdylib", "--crate-name", "plugin",
				"--extern", "thresher=" + filepath.Join(work, "libthresher.rlib"), "-o", absolute(out), "src/lib.rs"})},
		}, err
	},
	test: func(_, sdk, work string) ([]command, error) {
		rustc, err := Rust(RustTarget)
		args := []string{rustc, "--edition", "2021", "-O"}
		program := absolute(filepath.Join(work, "test"))
		return []command{
			{args: slices.Concat(args, rustSDK(sdk, absolute(work)))},
			{args: slices.Concat(args, []string{"--test", "--extern", "thresher=" + filepath.Join(absolute(work), "libthresher.rlib"), "-o", program, "src/lib.rs"})},
			{args: []string{program}},
		}, err
	},
}

// rustSDK are the arguments that build the SDK into a folder.
func rustSDK(sdk, folder string) []string {
	return []string{"--crate-type", "rlib", "--crate-name", "thresher", "--out-dir", folder, absolute(filepath.Join(sdk, "rust/src/lib.rs"))}
}

// linkerOf names a linker for a compiler of the distribution's, which has none of its
// own.
func linkerOf(rustc string) []string {
	path, found := first([]string{"wasm-ld-14", "wasm-ld"}, func(string) bool { return strings.HasPrefix(targetFolder(rustc, RustTarget), "/usr/lib") })
	if !found {
		return nil
	}
	return []string{"-C", "linker=" + path}
}
