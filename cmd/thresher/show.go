package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"thresher/core"
	"thresher/core/job"
)

// jobEnded is the error of a command whose job did not complete.
type jobEnded struct {
	exit int
	text string
}

func (e *jobEnded) Error() string { return e.text }

// outcome returns nil for a completed job, and otherwise what became of it.
func outcome(j core.Job) error {
	switch j.Phase {
	case job.Completed:
		return nil
	case job.Failed:
		e := j.Outcome.Error
		text := fmt.Sprintf("job %s failed (%s): %s", j.ID, e.Code, e.Title)
		if e.Detail != "" {
			text += ": " + e.Detail
		}
		for _, frame := range e.Stack {
			text += "\n  at " + frame
		}
		return &jobEnded{exitJobFailed, text}
	}
	return &jobEnded{exitJobStopped, fmt.Sprintf("job %s is %s", j.ID, j.Phase)}
}

// printJSON prints a document, indented.
func printJSON(w io.Writer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, out.String())
	return err
}

// list prints aligned columns.
func list(w io.Writer, header string, rows func(line func(format string, args ...any))) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, header)
	rows(func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) })
	return t.Flush()
}

// progress shows how far something is: a bar on a terminal, lines in a pipe.
type progress struct {
	out  io.Writer
	name string
	bar  *progressbar.ProgressBar
	last string
}

func newProgress(out io.Writer, name string) *progress {
	p := &progress{out: out, name: name}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(1000,
			progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(name), progressbar.OptionSetWidth(30),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(false))
	}
	return p
}

// show shows a job's newest state. In a pipe a line says something new: a phase,
// or another tenth.
func (p *progress) show(j core.Job) {
	if j.Progress == nil {
		p.at(0, string(j.Phase), string(j.Phase))
		return
	}
	p.at(j.Progress.Fraction, j.Progress.Message, tenth(j.Progress.Fraction))
}

// reading returns a reader that shows how much of r has been read.
func (p *progress) reading(r io.Reader, size int64) io.Reader {
	return io.TeeReader(r, &counter{progress: p, size: size})
}

type counter struct {
	*progress
	size, read int64
	shown      int // thousandths
}

func (c *counter) Write(data []byte) (int, error) {
	c.read += int64(len(data))
	fraction := float64(c.read) / float64(max(c.size, 1))
	shown := int(fraction * 1000)
	if shown == c.shown {
		return len(data), nil
	}
	c.shown = shown
	c.at(fraction, fmt.Sprintf("%.0f of %.0f MB", float64(c.read)/1e6, float64(c.size)/1e6), tenth(fraction))
	return len(data), nil
}

func tenth(fraction float64) string { return fmt.Sprintf("%d %%", int(fraction*10)*10) }

// at shows a message beside the bar, or the line, unless it is as the last one.
func (p *progress) at(fraction float64, message, line string) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%s: %s", p.name, message))
		_ = p.bar.Set(int(fraction * 1000)) // a bar that cannot be drawn is no error
		return
	}
	if line != p.last {
		p.last = line
		fmt.Fprintf(p.out, "%s: %s\n", p.name, line)
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // as above
	}
}

// age is how long ago something was, in a word.
func age(t time.Time) string {
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
