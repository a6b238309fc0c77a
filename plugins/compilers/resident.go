package compilers

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
)

// Resident is the AssemblyScript compiler as a process that stays. It starts in half a
// second and learns from the first build what makes the next ones quick. It does not
// optimise. The zero value is ready; one goroutine may use it.
type Resident struct {
	dir     string // where it runs
	cmd     *exec.Cmd
	asks    io.WriteCloser
	answers *json.Decoder
	said    *bytes.Buffer // on standard error; to be read when it has ended
}

//go:embed resident.mjs
var residentScript string

// Build builds a folder, as its asconfig.json says. The process ends with ctx.
func (r *Resident) Build(ctx context.Context, dir, out string) error {
	if r.cmd == nil || r.dir != dir {
		r.Close()
		if err := r.start(ctx, dir); err != nil {
			return err
		}
	}
	args := []string{"--outFile", out, "--debug"}
	var answer struct {
		Failed bool
		Said   string
	}
	err := json.NewEncoder(r.asks).Encode(args)
	if err == nil {
		err = r.answers.Decode(&answer)
	}
	switch {
	case err != nil:
		return r.died(ctx, err)
	case answer.Failed:
		return &Failed{Command: "asc " + strings.Join(args, " "), Said: answer.Said}
	}
	return nil
}

func (r *Resident) start(ctx context.Context, dir string) error {
	asc, err := asc(dir)
	if err != nil {
		return err
	}
	module := filepath.Join(filepath.Dir(asc[2]), "../dist/asc.js")
	cmd := exec.CommandContext(ctx, asc[0], sourceMaps, "--input-type=module", "--eval", residentScript, module)
	cmd.Dir = dir
	said := &bytes.Buffer{}
	cmd.Stderr = said
	asks, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.dir, r.cmd, r.asks, r.answers, r.said = dir, cmd, asks, json.NewDecoder(answers), said
	return nil
}

// died says why there was no answer. The next build starts another process.
func (r *Resident) died(ctx context.Context, err error) error {
	cmd, said := r.cmd, r.said
	r.cmd = nil
	_ = cmd.Process.Kill() // it may have ended
	err = errors.Join(err, cmd.Wait())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !starts([]string{cmd.Path, filepath.Join(filepath.Dir(cmd.Args[len(cmd.Args)-1]), "../bin/asc.js")}) {
		return missingASC
	}
	return fmt.Errorf("asc ended: %w\n%s", err, said)
}

// Close ends the process.
func (r *Resident) Close() {
	if r.cmd == nil {
		return
	}
	_ = r.asks.Close() // it ends then
	_ = r.cmd.Wait()   // how does not matter
	r.cmd = nil
}
