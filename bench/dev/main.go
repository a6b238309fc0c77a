// Command dev measures how long an author waits: from a change of a plugin's source until
// `thresher plugins dev` shows what it comes to. In each language it begins a plugin with
// `plugins new`, lets `plugins dev` run it, and changes it again and again, each time to
// something that was never built before.
//
//	go run ./dev [-edits 7] [LANGUAGE…]
//
// The compilers must be there; that of AssemblyScript where THRESHER_ASC says. What they
// and the program keep from one build to the next is warm after the first, which is told
// apart.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// a source is what is changed: in a file of the scaffold, the mean that it computes.
type source struct{ language, file, old, new string }

var sources = []source{
	{"go", "main.go", "r.Mean /= float64(r.Rows)", "r.Mean = r.Mean/float64(r.Rows) + %d"},
	{"rust", "src/lib.rs", "/ known.len() as f64;", "/ known.len() as f64 + %d.0;"},
	{"c", "main.c", "sum / (double)rows", "sum / (double)rows + %d"},
	{"as", "assembly/index.ts", "sum / rows", "sum / rows + %d"},
	{"wasi", "main.go", "sum / float64(rows)", "sum/float64(rows) + %d"},
}

func main() {
	log.SetFlags(0)
	edits := flag.Int("edits", 7, "how often each is changed")
	flag.Parse()
	if err := measureAll(context.Background(), *edits, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func measureAll(ctx context.Context, edits int, languages []string) (err error) {
	dir, err := os.MkdirTemp("", "thresher-dev-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	exe := filepath.Join(dir, "thresher")
	build := exec.CommandContext(ctx, "go", "build", "-C", "..", "-o", exe, "./cmd/thresher") // from bench/
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	fmt.Printf("edit to result, seconds    first   median      max   of %d\n", edits)
	for _, s := range sources {
		if len(languages) > 0 && !slices.Contains(languages, s.language) {
			continue
		}
		if err := s.measure(ctx, exe, dir, edits); err != nil {
			return fmt.Errorf("%s: %w", s.language, err)
		}
	}
	return nil
}

// longest is how long any build may take.
const longest = 2 * time.Minute

func (s source) measure(ctx context.Context, exe, dir string, edits int) (err error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	plugin := filepath.Join(dir, s.language)
	if out, err := exec.CommandContext(ctx, exe, "plugins", "new", "--lang", s.language, plugin).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	file := filepath.Join(plugin, filepath.FromSlash(s.file))
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), s.old) {
		return fmt.Errorf("%s does not say %q", s.file, s.old)
	}
	dev, err := start(ctx, exe, plugin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.end()) }()
	began := time.Now()
	if err := dev.shows(5); err != nil {
		return err
	}
	first := time.Since(began)
	var took []time.Duration
	for i := range edits {
		n := int(time.Now().Unix()%1e7)*10 + i // a number that was never there
		changed := strings.Replace(string(text), s.old, fmt.Sprintf(s.new, n), 1)
		began := time.Now()
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			return err
		}
		if err := dev.shows(5 + n); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	fmt.Printf("%-22s %9.2f %8.2f %8.2f\n", s.language, first.Seconds(), took[len(took)/2].Seconds(), took[len(took)-1].Seconds())
	return nil
}

// program is `thresher plugins dev`.
type program struct {
	cmd   *exec.Cmd
	lines chan string
}

func start(ctx context.Context, exe, plugin string) (*program, error) {
	p := &program{cmd: exec.CommandContext(ctx, exe, "plugins", "dev", plugin), lines: make(chan string)}
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = 10 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	go func() {
		_ = p.cmd.Wait() // it is interrupted
		_ = w.Close()
	}()
	return p, nil
}

// shows waits until a mean was shown and dev waits for a change.
func (p *program) shows(mean int) error {
	var said []string
	shown := false
	for line := range p.lines {
		said = append(said, line)
		shown = shown || strings.TrimRight(strings.TrimSpace(line), ",") == fmt.Sprintf(`"mean": %d`, mean)
		if !strings.Contains(line, "waiting for a change") {
			continue
		}
		if os.Getenv("DEV_VERBOSE") != "" {
			fmt.Println(line)
		}
		if shown {
			return nil
		}
		return fmt.Errorf("it never showed a mean of %d:\n%s", mean, strings.Join(said, "\n"))
	}
	return fmt.Errorf("it ended:\n%s", strings.Join(said, "\n"))
}

// end interrupts it, and waits until it is gone.
func (p *program) end() error {
	err := p.cmd.Process.Signal(os.Interrupt)
	for range p.lines { // until it closed them
	}
	return err
}
