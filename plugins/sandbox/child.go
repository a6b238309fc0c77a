package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// CompileTime is how long a compiler's process may take.
const CompileTime = 2 * time.Minute

// Child returns a compiler that starts a program for each module. The program is
// given the folder as its last argument and the module as its standard input, no
// environment, and no more time than [CompileTime]; it should limit itself (see
// [LimitCompiler]), call [Compile], and exit with [ExitBlameless] where that fails with
// [ErrCompiler]. What it says before it fails is in the error.
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
		return ended(err, cmd.ProcessState, said.String())
	}
}

// ended is the error of a compiler's process that failed. Go's runtime has many ways to
// end without memory, so that what the process said does not tell if that was the
// reason: the error always names the limits.
func ended(err error, state *os.ProcessState, said string) error {
	said, _, _ = strings.Cut(said, "\n\n") // stacks follow
	err = fmt.Errorf("the compiler ended: %w: %s (it may use %d GiB of memory and %d s of CPU time)",
		err, strings.TrimSpace(said), CompilerMemory>>30, compilerCPU)
	if blameless(state) || noThread.MatchString(said) {
		return fmt.Errorf("%w: %w", ErrCompiler, err)
	}
	return err
}

// noThread is what Go's runtime says when the system gives it no thread.
var noThread = regexp.MustCompile(`failed to create new OS thread .*errno=11`)

// ExitBlameless is the exit code of a compiler's process that failed with [ErrCompiler].
const ExitBlameless = 74

// blameless reports whether a compiler's process ended through no fault of its module:
// it did not start, it said so, or someone killed it, such as a kernel short of memory.
func blameless(ended *os.ProcessState) bool {
	if ended == nil {
		return true
	}
	status, ok := ended.Sys().(syscall.WaitStatus)
	killed := ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	slow := ended.UserTime()+ended.SystemTime() >= compilerCPU*time.Second*9/10 // its own limit kills it too
	return ended.ExitCode() == ExitBlameless || killed && !slow
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
