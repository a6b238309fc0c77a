package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
)

// logOf reads the log of an attempt; 0 is the last.
func logOf(t *testing.T, p *program, id string, attempt int) string {
	t.Helper()
	path := "/api/v1/jobs/" + id + "/logs"
	if attempt > 0 {
		path = fmt.Sprintf("%s?attempt=%d", path, attempt)
	}
	r, err := p.client.Open(t.Context(), path, "*/*")
	require.NoError(t, err)
	defer r.Close()
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}

// sampled waits until the running attempt of a job has been sampled after it had logged.
func sampled(t *testing.T, data, id string, epoch uint64) {
	t.Helper()
	file := filepath.Join(data, "attempts", fmt.Sprintf("%s.%d.json", id, epoch))
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), "murmuring")
	}, time.Minute, 10*time.Millisecond)
}

func started(t *testing.T, p *program, id string) core.Job {
	t.Helper()
	var j core.Job
	require.Eventually(t, func() (ok bool) {
		var err error
		j, err = p.client.Job(t.Context(), id)
		return err == nil && j.Phase == job.Running
	}, time.Minute, 10*time.Millisecond)
	return j
}

// A job whose server is killed three times ends as lost, and what each attempt logged,
// used and reported is there to understand it by.
func TestWhatLostAttemptsLeftStays(t *testing.T) {
	data, plugins := t.TempDir(), pluginFolder(t)
	p := startProgram(t, data, plugins)
	j, err := p.client.Submit(t.Context(), core.Request{Routine: "hostile/murmur", Cache: "off"}, 0)
	require.NoError(t, err)
	id := j.ID
	for n := 1; n <= job.MaxLosses; n++ {
		j = started(t, p, id)
		require.Equal(t, n, j.Attempt)
		sampled(t, data, id, j.Epoch)
		before := logOf(t, p, id, 0)
		require.True(t, strings.HasPrefix(before, "step 1\n"), before[:min(len(before), 100)])
		p.kill()
		p = startProgram(t, data, plugins)
		j, err = p.client.Job(t.Context(), id)
		require.NoError(t, err)
		require.Len(t, j.Attempts, n)
		for i, a := range j.Attempts {
			assert.Equal(t, i+1, a.Number)
			assert.Equal(t, job.AttemptLost, a.Ending)
			assert.Equal(t, "murmuring", a.Progress.Message)
			assert.Positive(t, a.Usage.CPUSeconds)
			assert.Positive(t, a.Usage.WallSeconds)
			assert.Positive(t, a.Usage.Gas)
			assert.Positive(t, a.Usage.PeakMemoryBytes)
			text := logOf(t, p, id, a.Number)
			require.True(t, strings.HasPrefix(text, "step 1\nstep 2\n"), "attempt %d of %d", a.Number, n)
			assert.EqualValues(t, len(text), a.Log.Bytes)
		}
	}
	require.Equal(t, job.Failed, j.Phase)
	require.Equal(t, "lost", j.Outcome.Error.Code)
	assert.Equal(t, logOf(t, p, id, job.MaxLosses), logOf(t, p, id, 0))
	assert.Equal(t, j.Attempts[2].Usage, j.Outcome.Usage)
	out, exit := commandLine(t, p, "jobs", "get", id)
	assert.Zero(t, exit)
	assert.Regexp(t, `attempt 1 +lost after .*CPU time, at .*murmuring, \d+ bytes of log`, out)
	out, exit = commandLine(t, p, "jobs", "logs", "--attempt", "2", id)
	assert.Zero(t, exit)
	assert.Equal(t, logOf(t, p, id, 2), out)
	_, exit = commandLine(t, p, "jobs", "logs", "--attempt", "4", id)
	assert.Equal(t, exitNotFound, exit)
	var audit core.Audit
	require.NoError(t, p.client.Get(t.Context(), "/api/v1/audit", &audit))
	assert.True(t, audit.Consistent, audit.Breaches)

	require.NoError(t, p.client.Delete(t.Context(), id))
	require.Eventually(t, func() bool {
		for _, a := range j.Attempts {
			if _, err := os.Stat(filepath.Join(data, "blobs", a.Log.Digest[:2], a.Log.Digest)); err == nil {
				return false
			}
		}
		return true
	}, time.Minute, 10*time.Millisecond, "the logs go with the job")
}

// A shutdown hands a job back with all that its attempt has logged; the samples go when
// jobs end.
func TestWhatAHandedBackAttemptLeftStays(t *testing.T) {
	data, plugins := t.TempDir(), pluginFolder(t)
	p := startProgram(t, data, plugins, "--drain", "100ms")
	j, err := p.client.Submit(t.Context(), core.Request{Routine: "hostile/murmur", Cache: "off"}, 0)
	require.NoError(t, err)
	require.NoError(t, p.client.Follow(t.Context(), j.ID, func(e client.Event) bool { return e.Type != "log" }))
	before := logOf(t, p, j.ID, 0)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	said := p.said()
	require.NoError(t, p.cmd.Wait(), said)

	p = startProgram(t, data, plugins)
	j = started(t, p, j.ID)
	require.Len(t, j.Attempts, 1)
	assert.Equal(t, job.AttemptHandedBack, j.Attempts[0].Ending)
	assert.Zero(t, j.Losses)
	assert.True(t, strings.HasPrefix(logOf(t, p, j.ID, 1), before))
	sampled(t, data, j.ID, j.Epoch)
	_, err = p.client.Ask(t.Context(), j.ID, "stop")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		left, err := os.ReadDir(filepath.Join(data, "attempts"))
		return err == nil && len(left) == 0
	}, time.Minute, 10*time.Millisecond)
}
