package compilers

import (
	"context"
	"fmt"
)

// Toolchain builds and tests plugins that have the sources of the SDKs beside them, as
// the examples of the SDKs do.
type Toolchain struct {
	Language string // go, c, rust or as

	// missing says what is not installed.
	missing func() error
	// build makes the module at out of a folder; sdk is the folder of the SDKs.
	build func(dir, sdk, out string) ([]command, error)
	// test runs the plugin's own tests, in a folder for what they build.
	test func(dir, sdk, work string) ([]command, error)
}

// Of returns the toolchain of a language.
func Of(language string) (Toolchain, error) {
	for _, t := range []Toolchain{golang, clang, rust, assemblyScript} {
		if t.Language == language {
			return t, nil
		}
	}
	return Toolchain{}, fmt.Errorf("there is no SDK for %q", language)
}

// Missing is a *[Missing] if something is not installed, or nil.
func (t Toolchain) Missing() error { return t.missing() }

// Build makes a module of a plugin's folder. sdk is the folder with the SDKs of all
// languages, plugins/sdk.
func (t Toolchain) Build(ctx context.Context, dir, sdk, out string) error {
	commands, err := t.build(dir, sdk, out)
	return runAll(ctx, dir, commands, err)
}

// Test runs a plugin's own tests. What they build is put into the folder work.
func (t Toolchain) Test(ctx context.Context, dir, sdk, work string) error {
	commands, err := t.test(dir, sdk, work)
	return runAll(ctx, dir, commands, err)
}

func runAll(ctx context.Context, dir string, commands []command, err error) error {
	for _, c := range commands {
		if err != nil {
			return err
		}
		c.dir = dir
		err = c.run(ctx)
	}
	return err
}
