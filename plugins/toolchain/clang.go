package toolchain

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// clang builds main.c, and tests it with test.c. A module is stripped of all that is
// for debuggers; names of functions stay, so that a crash says where it was.
var clang = Toolchain{
	Language: "c",
	Install:  "apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32",
	find:     findClang,
	build: func(p programs, dir, sdk, out string) []step {
		return []step{{line: []string{
			p["clang"], "--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-Wall", "-fuse-ld=lld", "-Wl,--strip-debug",
			"-I", absolute(filepath.Join(sdk, "c")), "-o", absolute(out), "main.c",
		}}}
	},
	test: func(p programs, _, sdk, work string) []step {
		program := absolute(filepath.Join(work, "test"))
		return []step{
			{line: []string{p["cc"], "-g", "-Wall", "-I", absolute(filepath.Join(sdk, "c")), "-o", program, "test.c", "-lm"}},
			{line: []string{program}},
		}
	},
}

func findClang() (programs, error) {
	found, err := look(map[string][]string{
		"clang": {"clang-19", "clang-20", "clang-18", "clang"},
		"cc":    {"cc", "gcc", "clang-19", "clang"},
	})
	if err != nil {
		return nil, err
	}
	return found, linksWASI(found["clang"])
}

// linksWASI makes an empty program: what a compiler needs beside itself, its linker and
// the C library, is in a place that each distribution chooses.
func linksWASI(clang string) error {
	dir, err := os.MkdirTemp("", "toolchain-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "main.c")
	if err := os.WriteFile(source, []byte("#include <math.h>\n#include <stdio.h>\nint main(void) { char b[9]; return snprintf(b, 9, \"%g\", sin(1)); }\n"), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(context.Background(), clang, "--target=wasm32-wasi", "-fuse-ld=lld", "-o", filepath.Join(dir, "a.wasm"), source)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s builds no WASI program: %s", clang, text)
	}
	return nil
}
