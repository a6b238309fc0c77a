package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// CompileTime is how long a compiler's process may take.
const CompileTime = 2 * time.Minute

// Child returns a compiler that starts a program for each module. The program is
// given the folder as its last argument and the module as its standard input, no
// environment, and no more time than [CompileTime]; it should limit itself (see
// [LimitCompiler]) and call [Compile]. What it says before it fails is in the error.
func Child(program string, args ...string) Compiler {
	return func(ctx context.Context, wasm []byte, folder string) error {
		ctx, cancel := context.WithTimeoutCause(ctx, CompileTime, errSlowCompile)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, append(args, folder)...)
		cmd.Dir = folder
		cmd.Env = []string{}
		cmd.Stdin = bytes.NewReader(wasm)
		said := &headWriter{most: 1024}
		cmd.Stderr = said
		cmd.WaitDelay = time.Second
		err := cmd.Run()
		if err == nil {
			return nil
		}
		if errors.Is(context.Cause(ctx), errSlowCompile) {
			return errSlowCompile
		}
		first, _, _ := strings.Cut(said.String(), "\n\n") // stacks follow
		return fmt.Errorf("the compiler ended: %w: %s", err, strings.TrimSpace(first))
	}
}

var errSlowCompile = fmt.Errorf("compiling took longer than %v", CompileTime)

// headWriter keeps the beginning of what is written.
type headWriter struct {
	most int
	text []byte
}

func (h *headWriter) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(len(p), h.most-len(h.text))]...)
	return len(p), nil
}

func (h *headWriter) String() string { return string(h.text) }
