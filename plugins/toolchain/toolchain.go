// Package toolchain builds plugins from source with the compilers that their authors
// have: it knows the line for each language that has an SDK, and what to install where
// a compiler is missing. It runs programs of the machine's, so it is for a plugin's
// author and for tests, never for a server.
package toolchain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrMissing is wrapped where a compiler, or a part of it, is not installed. The text
// has the line that installs it.
var ErrMissing = errors.New("a toolchain is missing")

// Toolchain builds plugins of one language.
type Toolchain struct {
	Language string // go, c, rust or as
	Install  string // the line that installs it, on Debian

	// find returns a map of what build needs by name, or why it is not there.
	find func() (programs, error)
	// build makes the module at out of a folder; sdk is the folder of the SDKs.
	build func(p programs, dir, sdk, out string) []step
	// test runs the plugin's own tests, in a folder for what they build.
	test func(p programs, dir, sdk, work string) []step
}

type programs map[string]string

// step is a program to run.
type step struct {
	dir  string // empty: the plugin's
	env  []string
	line []string
}

// All are the toolchains.
var All = []Toolchain{golang, clang, rust, assemblyScript}

// Of returns the toolchain of a language.
func Of(language string) (Toolchain, error) {
	for _, t := range All {
		if t.Language == language {
			return t, nil
		}
	}
	return Toolchain{}, fmt.Errorf("there is no SDK for %q", language)
}

// Missing says what is not installed, or nil.
func (t Toolchain) Missing() error {
	if _, err := t.find(); err != nil {
		return fmt.Errorf("%w: %s: %v: install it with: %s", ErrMissing, t.Language, err, t.Install)
	}
	return nil
}

// Build makes a module of a plugin's folder. sdk is the folder with the SDKs of all
// languages, plugins/sdk.
func (t Toolchain) Build(ctx context.Context, dir, sdk, out string) error {
	return t.run(ctx, dir, func(p programs) []step { return t.build(p, dir, sdk, out) })
}

// Test runs a plugin's own tests. What they build is put into the folder work.
func (t Toolchain) Test(ctx context.Context, dir, sdk, work string) error {
	return t.run(ctx, dir, func(p programs) []step { return t.test(p, dir, sdk, work) })
}

func (t Toolchain) run(ctx context.Context, dir string, steps func(programs) []step) error {
	if err := t.Missing(); err != nil {
		return err
	}
	found, err := t.find()
	if err != nil {
		return err
	}
	for _, s := range steps(found) {
		cmd := exec.CommandContext(ctx, s.line[0], s.line[1:]...)
		cmd.Dir = dir
		if s.dir != "" {
			cmd.Dir = s.dir
		}
		cmd.Env = append(os.Environ(), s.env...)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(s.line, " "), err, text)
		}
	}
	return nil
}

// look finds programs: of each list the first that is there.
func look(wanted map[string][]string) (programs, error) {
	found := programs{}
	for name, choices := range wanted {
		for _, c := range choices {
			if path, err := exec.LookPath(c); err == nil {
				found[name] = path
				break
			}
		}
		if found[name] == "" {
			return nil, fmt.Errorf("there is no program %s", strings.Join(choices, " or "))
		}
	}
	return found, nil
}

// absolute is a path that holds in another folder.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
