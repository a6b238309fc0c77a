package main

import (
	"context"
	"errors"
	osio "io"
	"os"

	"thresher/plugins/sandbox"
)

// compileCmd is what the server starts for each module that it compiles: see
// sandbox.Child.
type compileCmd struct {
	Folder string `arg:"" help:"Where the code is left." type:"existingdir"`
}

// Run compiles the rewritten module on standard input.
func (c *compileCmd) Run(ctx context.Context, io streams) error {
	if err := sandbox.LimitCompiler(sandbox.CompilerMemory); err != nil {
		return err
	}
	wasm, err := osio.ReadAll(io.in)
	if err != nil {
		return err
	}
	err = sandbox.Compile(ctx, wasm, c.Folder)
	if errors.Is(err, sandbox.ErrCompiler) {
		return &jobEnded{sandbox.ExitBlameless, err.Error()}
	}
	return err
}

// compiler is this program, as a compiler.
func compiler() (sandbox.Compiler, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return sandbox.Child(self, "compile"), nil
}
