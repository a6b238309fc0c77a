package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// peer is another program that analyses tables: a script that is given the analysis and
// the CSV, reads it, does it three times and prints the quickest. Reading is not counted.
type peer struct {
	name    string
	program []string
	home    string // what it needs is installed there
	install string // how
}

var peers = []peer{
	{"pandas", []string{"/usr/bin/python3", "sandbox/peers/rows.py"}, "", "apt-get install python3-pandas"},
	{"DuckDB", []string{"node", "sandbox/peers/rows.cjs"}, cached("duckdb"),
		"npm install --prefix " + cached("duckdb") + " @duckdb/node-api@1.5.6-r.1 (with nodejs and npm)"},
}

var errNotInstalled = errors.New("not installed")

// absent is the exit code of a script that lacks what it needs.
const absent = 3

func (p peer) ask(ctx context.Context, analysis, path string) (t took, err error) {
	args := append(p.program[1:len(p.program):len(p.program)], analysis, path)
	cmd := exec.CommandContext(ctx, p.program[0], args...)
	cmd.Env = append(os.Environ(), "PEER_HOME="+p.home)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	var exit *exec.ExitError
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) || errors.As(err, &exit) && exit.ExitCode() == absent {
		return t, fmt.Errorf("%w: %s", errNotInstalled, p.install)
	}
	if err != nil {
		return t, fmt.Errorf("%s: %w: %s", p.name, err, strings.TrimSpace(complaint.String()))
	}
	var said struct {
		Wall, CPU float64
		Answer    json.RawMessage
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return t, fmt.Errorf("%s: %w", p.name, err)
	}
	t.wall, t.cpu = said.Wall, said.CPU
	t.answer, err = answerOf(said.Answer)
	return t, err
}
