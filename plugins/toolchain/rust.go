package toolchain

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// rust builds src/lib.rs with rustc alone: cargo makes the same of it, and is not always
// there.
var rust = Toolchain{
	Language: "rust",
	Install:  "apt-get install rustc libstd-rust-dev-wasm32 lld-14 gcc libc6-dev, or rustup target add wasm32-unknown-unknown",
	find:     findRust,
	build: func(p programs, dir, sdk, out string) []step {
		work := filepath.Join(filepath.Dir(absolute(out)), "sdk")
		line := []string{p["rustc"], "--edition", "2021", "-O", "--target", "wasm32-unknown-unknown", "-C", "panic=abort"}
		if p["linker"] != "" {
			line = append(line, "-C", "linker="+p["linker"])
		}
		return []step{
			{line: append(line[:len(line):len(line)], "--crate-type", "rlib", "--crate-name", "thresher", "--out-dir", work, absolute(filepath.Join(sdk, "rust/src/lib.rs")))},
			{line: append(line[:len(line):len(line)], "-C", "lto=fat", "-C", "strip=debuginfo", "--crate-type", "cdylib", "--crate-name", "plugin",
				"--extern", "thresher="+filepath.Join(work, "libthresher.rlib"), "-o", absolute(out), "src/lib.rs")},
		}
	},
	test: func(p programs, dir, sdk, work string) []step {
		line := []string{p["rustc"], "--edition", "2021", "-O"}
		program := absolute(filepath.Join(work, "test"))
		return []step{
			{line: append(line[:len(line):len(line)], "--crate-type", "rlib", "--crate-name", "thresher", "--out-dir", absolute(work), absolute(filepath.Join(sdk, "rust/src/lib.rs")))},
			{line: append(line[:len(line):len(line)], "--test", "--extern", "thresher="+filepath.Join(absolute(work), "libthresher.rlib"), "-o", program, "src/lib.rs")},
			{line: []string{program}},
		}
	},
}

// findRust takes the first rustc that has the target; RUSTC names another.
func findRust() (programs, error) {
	choices := []string{"rustc", "/usr/bin/rustc"}
	if named := os.Getenv("RUSTC"); named != "" {
		choices = []string{named}
	}
	for _, rustc := range choices {
		out, err := exec.Command(rustc, "--print", "target-libdir", "--target", "wasm32-unknown-unknown").Output()
		if err != nil {
			continue
		}
		if _, err := os.Stat(strings.TrimSpace(string(out))); err != nil {
			continue
		}
		found := programs{"rustc": rustc}
		for _, linker := range []string{"wasm-ld-14", "wasm-ld"} { // one from rustup has its own
			if path, err := exec.LookPath(linker); err == nil && strings.HasPrefix(strings.TrimSpace(string(out)), "/usr/lib") {
				found["linker"] = path
				break
			}
		}
		return found, nil
	}
	return nil, fmt.Errorf("no rustc has the target wasm32-unknown-unknown")
}
