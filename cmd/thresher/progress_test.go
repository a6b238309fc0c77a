package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"thresher/core"
	"thresher/core/job"
)

func TestTheBarFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, width := range []int{1, 10, 20, 40, 79, 200} {
		for _, name := range []string{"models/sir", strings.Repeat("weather-", 20), "天気予報天気予報天気予報"} {
			line := barLine(width, name, 0.42, "step 84: 1234 infected "+strings.Repeat("→", 100))
			cells := 0
			for _, r := range line {
				cells += cellsOf(r)
			}
			assert.LessOrEqual(t, cells, width, line)
		}
	}
	assert.Equal(t, "models/sir  50 % ██████████░░░░░░░░░░ step 1", barLine(80, "models/sir", 0.5, "step 1"))
	assert.Equal(t, "a 100 % ████ ", barLine(16, "a", 7, ""), "a guest's fraction may be anything")
	assert.Equal(t, "a   0 % ░░░░ ", barLine(16, "a", -1, ""))
}

// A guest's message must not act on the terminal of who watches its job.
func TestControlCharactersAreNotShown(t *testing.T) {
	t.Parallel()
	assert.NotContains(t, barLine(80, "a", 0, "\x1b[2J\rgone"), "\x1b")
	var out bytes.Buffer
	_, err := (&plain{out: &out}).Write([]byte("a\tb\n\x1b[31mred\x7f é \u009b31m\r\n"))
	assert.NoError(t, err)
	assert.Equal(t, "a\tb\n?[31mred? é \xc2?31m?\n", out.String())
}

func TestAPipeGetsALineForWhatIsNew(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out, "models/sir")
	at := func(phase job.Phase, fraction float64) {
		j := core.Job{Record: job.Record{Phase: phase}}
		if fraction >= 0 {
			j.Progress = &job.Progress{Fraction: fraction, Message: "working"}
		}
		p.show(j)
	}
	at(job.Pending, -1)
	at(job.Running, -1)
	at(job.Running, 0.01)
	at(job.Running, 0.31)
	at(job.Running, 0.39)
	at(job.Paused, 0.39)
	at(job.Running, 0.4)
	at(job.Completed, 0.99)
	at(job.Completed, -1)
	p.end()
	assert.Equal(t, `models/sir: pending
models/sir: running
models/sir: running, working
models/sir: 30 %, working
models/sir: paused
models/sir: 40 %, working
models/sir: completed
`, out.String())
}
