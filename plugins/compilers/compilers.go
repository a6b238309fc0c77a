// Package compilers builds plugins with the compilers of the machine: it finds them,
// runs them as a plugin needs it, and names one that is missing with the line that
// installs it. It holds no state. It runs programs of the machine's, so it is for a
// plugin's author and for tests, never for a server.
package compilers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Missing is a tool that is not on this machine.
type Missing struct {
	Tool    string // what is missing, and for what
	Install string // a line to type; on Debian, unless it says otherwise
}

func (m *Missing) Error() string {
	return fmt.Sprintf("%s is missing. Install it: %s", m.Tool, m.Install)
}

// Failed is a compiler that did not like what it was given.
type Failed struct {
	Command string
	Said    string
}

func (f *Failed) Error() string { return f.Command + ":\n" + strings.TrimRight(f.Said, "\n") }

// withAdvice adds to what a compiler said the advice that it calls for.
func withAdvice(err error, advice func(said string) string) error {
	var failed *Failed
	if errors.As(err, &failed) {
		if text := advice(failed.Said); text != "" {
			return &Failed{failed.Command, strings.TrimRight(failed.Said, "\n") + "\n" + text}
		}
	}
	return err
}

// Form says what a module is built as.
type Form int

// The forms.
const (
	Plugin  Form = iota // a reactor of the plugin contract
	Command             // a WASI program
)

// command is one to be run.
type command struct {
	dir  string
	env  []string // beside that of this process
	args []string
}

func (c command) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exited *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &exited):
		return &Failed{Command: strings.Join(append([]string{filepath.Base(c.args[0])}, c.args[1:]...), " "), Said: said.String()}
	}
	return err
}

// first returns the first of some programs that there is and that suits.
func first(names []string, suits func(path string) bool) (string, bool) {
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil && suits(path) {
			return path, true
		}
	}
	return "", false
}

// says is what a program prints, or "".
func says(args ...string) string {
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// absolute is a path that holds in another folder.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
