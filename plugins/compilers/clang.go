package compilers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
)

// C builds C files. A command has the C library of WASI, and so has a plugin on the SDK,
// whose header is beside it; another plugin has none.
func C(ctx context.Context, files []string, out string, form Form, flags ...string) error {
	args, find := []string{"--target=wasm32", "-nostdlib", "-Wl,--no-entry"}, bareClang
	onSDK := form == Plugin && len(files) > 0 && exists(filepath.Join(filepath.Dir(files[0]), "thresher.h"))
	if form == Command || onSDK {
		args, find = []string{"--target=wasm32-wasi"}, wasiClang
		if onSDK {
			args = append(args, "-mexec-model=reactor")
		}
	}
	path, err := find()
	if err != nil {
		return err
	}
	args = append([]string{path, "-g", "-O2", "-Wall", "-o", out}, args...)
	return command{"", nil, slices.Concat(args, flags, files)}.run(ctx)
}

// clangs are the names of clang, the newest first.
var clangs = func() []string {
	names := []string{"clang"}
	for version := 24; version >= 13; version-- {
		names = append(names, fmt.Sprintf("clang-%d", version))
	}
	return names
}()

// bareClang finds one that links modules.
func bareClang() (string, error) {
	path, found := first(clangs, hasLinker)
	if !found {
		return "", &Missing{"clang with wasm-ld", "apt-get install clang lld"}
	}
	return path, nil
}

// wasiClang finds one that links programs with the C library of WASI.
func wasiClang() (string, error) {
	path, found := first(clangs, func(clang string) bool { return hasLinker(clang) && exists(builtins(clang)) })
	if !found || !slices.ContainsFunc([]string{"/usr/include/wasm32-wasi", "/usr/include/wasm32-wasip1"}, exists) {
		return "", &Missing{"clang with wasm-ld and the C library of WASI", "apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32"}
	}
	return path, nil
}

func hasLinker(clang string) bool {
	_, err := exec.LookPath(says(clang, "-print-prog-name=wasm-ld"))
	return err == nil
}

// builtins is the library that clang links a program of WASI with.
func builtins(clang string) string {
	return says(clang, "--target=wasm32-wasi", "--rtlib=compiler-rt", "-print-libgcc-file-name")
}

// cc finds a compiler for the machine itself.
func cc() (string, error) {
	path, found := first(append([]string{"cc", "gcc"}, clangs...), func(string) bool { return true })
	if !found {
		return "", &Missing{"a C compiler", "apt-get install gcc libc6-dev"}
	}
	return path, nil
}

// clang builds main.c, and tests it with test.c. A module is stripped of all that is
// for debuggers; names of functions stay, so that a crash says where it was.
var clang = Toolchain{
	Language: "c",
	missing: func() error {
		if _, err := wasiClang(); err != nil {
			return err
		}
		_, err := cc()
		return err
	},
	build: func(_, sdk, out string) ([]command, error) {
		path, err := wasiClang()
		return []command{{args: []string{
			path, "--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-Wall", "-fuse-ld=lld", "-Wl,--strip-debug",
			"-I", absolute(filepath.Join(sdk, "c")), "-o", absolute(out), "main.c",
		}}}, err
	},
	test: func(_, sdk, work string) ([]command, error) {
		path, err := cc()
		program := absolute(filepath.Join(work, "test"))
		return []command{
			{args: []string{path, "-g", "-Wall", "-I", absolute(filepath.Join(sdk, "c")), "-o", program, "test.c", "-lm"}},
			{args: []string{program}},
		}, err
	},
}
