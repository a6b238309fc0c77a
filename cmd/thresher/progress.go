package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
)

// progress shows how far something is. On a terminal that is one line with a bar,
// drawn over itself and gone at the end. In a pipe it is a line for what is new:
// another phase, another tenth. Which of them a pipe gets depends on how quick the
// job is, but the last line is always how it ended.
type progress struct {
	out   io.Writer
	name  string
	width func() int // of the terminal; nil in a pipe
	last  string
}

func newProgress(out io.Writer, name string) *progress {
	return &progress{out: out, name: name, width: terminalWidth(out)}
}

// terminalWidth returns what tells a terminal's width, or nil if w is none.
func terminalWidth(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}
}

// follow shows a job's progress until it has ended, and returns it.
func follow(ctx context.Context, out io.Writer, c *client.Client, name, id string) (core.Job, error) {
	p := newProgress(out, name)
	defer p.end()
	j, err := c.Watch(ctx, id, p.show)
	if err == nil {
		p.show(j) // the stream may have missed it
	}
	return j, err
}

// followLog is follow that also shows the job's log.
func followLog(ctx context.Context, out io.Writer, c *client.Client, name, id string) (core.Job, error) {
	p := newProgress(out, name)
	defer p.end()
	lines := newGuestLines(p)
	show := func(j core.Job) {
		if j.Phase.Final() {
			lines.flush()
		}
		p.show(j)
	}
	j, err := newTail(c, id, lines).watch(ctx, id, show)
	if err == nil {
		show(j)
	}
	return j, err
}

// show shows a job's newest state.
func (p *progress) show(j core.Job) {
	phase := string(j.Phase)
	switch {
	case j.Phase.Final():
		p.at(1, phase, phase)
	case j.Progress == nil:
		p.at(0, phase, phase)
	case j.Phase != job.Running:
		p.at(j.Progress.Fraction, withMessage(phase, j), phase)
	case j.Progress.Fraction < 0.1:
		p.at(j.Progress.Fraction, withMessage(phase, j), withMessage(phase, j))
	default:
		p.at(j.Progress.Fraction, j.Progress.Message, withMessage(tenth(j.Progress.Fraction), j))
	}
}

// withMessage adds what the guest says of how far it is, as one line.
func withMessage(text string, j core.Job) string {
	return strings.TrimSuffix(text+", "+fit(j.Progress.Message, len(j.Progress.Message)*2), ", ")
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
	if c.read >= c.size {
		c.at(1, "sent, being imported", "sent, being imported")
		return len(data), nil
	}
	c.at(fraction, fmt.Sprintf("%.0f of %.0f MB", float64(c.read)/1e6, float64(c.size)/1e6), tenth(fraction))
	return len(data), nil
}

// of shows how many of so many are done.
func (p *progress) of(done, all int) {
	fraction := float64(done) / float64(max(all, 1))
	p.at(fraction, fmt.Sprintf("%d of %d", done, all), tenth(fraction))
}

func tenth(fraction float64) string { return fmt.Sprintf("%d %%", int(fraction*10)*10) }

// at draws the bar with a message, or writes the line unless it is as the last one.
func (p *progress) at(fraction float64, message, line string) {
	if p.width != nil {
		fmt.Fprintf(p.out, "\r%s\x1b[K", barLine(p.width()-1, p.name, fraction, message))
		return
	}
	if line != p.last {
		p.last = line
		fmt.Fprintf(p.out, "%s: %s\n", p.name, line)
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.width != nil {
		fmt.Fprintf(p.out, "\r\x1b[K")
	}
}

// barLine is a bar that takes up width cells at most. Its parts stay where they
// are while the message changes.
func barLine(width int, name string, fraction float64, message string) string {
	cells := min(24, max(width/4, 4))
	full := min(max(int(fraction*float64(cells)), 0), cells)
	bar := fmt.Sprintf(" %3d %% %s%s ", int(100*min(max(fraction, 0), 1)), strings.Repeat("█", full), strings.Repeat("░", cells-full))
	name = fit(name, max(width-len([]rune(bar))-20, 8)) // the message keeps some room
	return fit(name+bar+message, width)
}

// fit cuts text to a number of cells. What a terminal would act on is taken out:
// names and messages come from strangers.
func fit(text string, cells int) string {
	var out strings.Builder
	for _, r := range text {
		if !unicode.IsPrint(r) {
			r = ' '
		}
		if cells -= cellsOf(r); cells < 0 {
			break
		}
		out.WriteRune(r)
	}
	return out.String()
}

// cellsOf is how wide a character is, at most.
func cellsOf(r rune) int {
	if r >= 0x1100 && r != '█' && r != '░' {
		return 2
	}
	return 1
}
