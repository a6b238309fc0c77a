// Package author is what someone who writes a plugin needs before there is one to run:
// folders to begin with, and building what is in them. It runs nothing that it built,
// and knows no server.
package author

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"thresher/core/routine"
	"thresher/plugins/compilers"
	"thresher/plugins/sandbox"
)

// ManifestFile is where a program's manifest stands in its folder. A plugin on an SDK
// has none: it says what it is.
const ManifestFile = "manifest.json"

// Built is where a folder's module is put.
func Built(dir string) (path string, err error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.Join(whole, filepath.Base(whole)+".wasm"), nil
}

// Build builds the plugin of a folder with the tools that its files call for, leaves the
// module where [Built] says, and returns it. A tool that is not there is a
// *[compilers.Missing], a plugin that does not compile a *[compilers.Failed].
func Build(ctx context.Context, dir string) (wasm []byte, err error) {
	out, err := Built(dir)
	if err != nil {
		return nil, err
	}
	if wasm, err = build(ctx, dir, compilers.AssemblyScript); err != nil {
		return nil, err
	}
	return wasm, os.WriteFile(out, wasm, 0o600)
}

// Builder builds a plugin again and again while its author changes it, and leaves nothing
// in its folder. What is slow to start it keeps running; what AssemblyScript is compiled
// to is not optimised, which takes most of the time. The zero value is ready; it is not
// for use by several goroutines at once.
type Builder struct{ asc compilers.Resident }

// Build builds the plugin of a folder, as [Build] does.
func (b *Builder) Build(ctx context.Context, dir string) (wasm []byte, err error) {
	return build(ctx, dir, b.asc.Build)
}

// Close ends what was kept running.
func (b *Builder) Close() { b.asc.Close() }

// build builds a plugin, one in AssemblyScript with the compiler that is given.
func build(ctx context.Context, dir string, asc func(ctx context.Context, dir, out string) error) (wasm []byte, err error) {
	manifest, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	form := compilers.Command
	if errors.Is(err, fs.ErrNotExist) {
		form, err = compilers.Plugin, nil
	}
	if err != nil {
		return nil, err
	}
	made, err := compile(ctx, dir, form, asc)
	defer os.RemoveAll(made.folder)
	if err != nil {
		return nil, err
	}
	if wasm, err = os.ReadFile(made.module); err != nil {
		return nil, err
	}
	if form == compilers.Command {
		if wasm, err = sandbox.WithManifest(wasm, manifest); err != nil {
			return nil, fmt.Errorf("%s: %w", ManifestFile, err)
		}
	}
	return wasm, nil
}

// made is a module that a compiler made, in a folder that is to be removed.
type made struct{ folder, module string }

func compile(ctx context.Context, dir string, form compilers.Form, asc func(ctx context.Context, dir, out string) error) (m made, err error) {
	if m.folder, err = os.MkdirTemp("", "thresher-build-"); err != nil {
		return m, err
	}
	m.module = filepath.Join(m.folder, "plugin.wasm")
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	c, err := sourcesOfC(dir)
	switch {
	case err != nil:
	case has("go.mod"):
		err = compilers.Go(ctx, dir, m.module, form)
	case has("Cargo.toml"):
		m.module, err = compilers.Cargo(ctx, dir)
	case has("asconfig.json"):
		err = asc(ctx, dir, m.module)
	case len(c) > 0:
		err = compilers.C(ctx, c, m.module, form, "-I", dir)
	default:
		err = fmt.Errorf("%s has none of go.mod, Cargo.toml, asconfig.json and *.c: nothing says how to build it", dir)
	}
	return m, err
}

// sourcesOfC are the C files of a folder but its tests.
func sourcesOfC(dir string) (sources []string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.c"))
	if err != nil {
		return nil, err
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if !isTestOfC(filepath.Base(path), text) {
			sources = append(sources, path)
		}
	}
	return sources, nil
}

var includesNative = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]*/)?thresher_native\.h[>"]`)

// isTestOfC reports whether a file is a test by its name, or runs routines natively.
func isTestOfC(name string, text []byte) bool {
	return name == "test.c" || strings.HasPrefix(name, "test_") || strings.HasSuffix(name, "_test.c") || includesNative.Match(text)
}

// Languages are those that New knows.
func Languages() []string { return []string{"go", "rust", "c", "as", "wasi"} }

// New makes a folder with a plugin of a language to begin with. Its name is that of the
// folder. The folder must not be there.
func New(language, dir string) error {
	name := filepath.Base(dir)
	if !slices.Contains(Languages(), language) {
		return fmt.Errorf("language %q: want one of %s", language, strings.Join(Languages(), ", "))
	}
	if !routine.ValidName(name) {
		return fmt.Errorf("name %q: want up to 64 lower case letters, digits, dashes and underscores", name)
	}
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("%s is there already", dir)
	}
	return scaffold(language, dir, name)
}
