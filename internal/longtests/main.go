// Command longtests runs the tests that are too long for `make test`, one after another,
// the shortest first, and says in the end what failed, and what was skipped and why. They
// are listed in list.go. `make test-long` calls it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "longtests:", err)
		os.Exit(1)
	}
}

// errSampleOver ends a test that is running when the time of the sample is over.
var errSampleOver = errors.New("the time of the sample was over")

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("longtests", flag.ContinueOnError)
	most := flags.Duration("sample", 0, "run those that take no longer than this together, and end when it is over; 0: all")
	only := flags.String("run", "", "run only those that this regular expression matches")
	race := flags.Bool("race", true, "use the race detector, where a test is meant for it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	s := &session{root: ".", out: os.Stdout, race: *race}
	chosen := choose(tests, pattern)
	if *most > 0 {
		chosen, s.skipped = sample(chosen, *most)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, *most, errSampleOver)
		defer cancel()
	}
	return s.run(ctx, chosen)
}

// session runs tests and keeps what came of them.
type session struct {
	root    string // of the repository
	out     io.Writer
	race    bool
	failed  []string
	skipped []skipped
}

func (s *session) run(ctx context.Context, chosen []test) error {
	start := time.Now()
	passed := 0
	for n, t := range chosen {
		err := context.Cause(ctx)
		if err == nil {
			fmt.Fprintf(s.out, "\n[%d of %d, after %v] %v: %s, about %v\n", n+1, len(chosen), time.Since(start).Round(time.Second), t, t.why, t.takes)
			err = s.test(ctx, t)
		}
		switch {
		case err == nil:
			passed++
		case errors.Is(context.Cause(ctx), errSampleOver):
			s.skipped = append(s.skipped, skipped{t.String(), errSampleOver.Error()})
		default:
			s.failed = append(s.failed, fmt.Sprintf("%v: %v", t, err))
		}
	}
	fmt.Fprintf(s.out, "\n%d passed, %d failed, %d skipped in %v\n", passed, len(s.failed), len(s.skipped), time.Since(start).Round(time.Second))
	for _, skip := range s.skipped {
		fmt.Fprintf(s.out, "SKIPPED %s: %s\n", skip.what, skip.why)
	}
	for _, failed := range s.failed {
		fmt.Fprintln(s.out, "FAILED", failed)
	}
	if len(s.failed) > 0 {
		return fmt.Errorf("%d of %d failed", len(s.failed), len(chosen))
	}
	return nil
}

// test runs one, and returns an error if it failed or was cut off.
func (s *session) test(ctx context.Context, t test) error {
	cmd := exec.CommandContext(ctx, "go", t.command(s.race)...)
	cmd.Dir = s.root
	// What a test has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	s.pass(said)
	return cmd.Wait()
}

// event is a line of `go test -json`, of which this is a part.
type event struct{ Action, Test, Output string }

// pass shows what a test says, but for the lines that only tell where it is, and keeps
// what it skipped: the last line that a test says is its reason.
func (s *session) pass(said io.Reader) {
	reasons := map[string]string{}
	lines := bufio.NewScanner(said)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			e = event{Action: "output", Output: lines.Text() + "\n"} // the go command itself speaks
		}
		text := strings.TrimSpace(e.Output)
		switch {
		case e.Action == "skip" && e.Test != "":
			s.skipped = append(s.skipped, skipped{e.Test, reasons[e.Test]})
		case strings.HasPrefix(text, "=== "):
		case strings.HasPrefix(text, "--- "):
			fmt.Fprintf(s.out, "%s", e.Output)
		default:
			reasons[e.Test] = text
			fmt.Fprintf(s.out, "%s", e.Output)
		}
	}
	_, _ = io.Copy(s.out, said) // a line that was too long
}
