package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
	"thresher/plugins/builtin/guesttest"
)

// program is the real program, serving in a process of its own.
type program struct {
	cmd    *exec.Cmd
	client *client.Client
	url    string
	said   func() string
}

// built builds the program as `make build` does: without the race detector, which
// the other packages' tests run under.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "thresher-program-")
	if err != nil {
		return "", err
	}
	exe := filepath.Join(dir, "thresher")
	cmd := exec.Command("go", "build", "-o", exe, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return exe, nil
})

var serving = regexp.MustCompile(`serves (http://\S+),`)

// startProgram starts a server on a folder and returns once it serves.
func startProgram(t *testing.T, data, plugins string, args ...string) *program {
	t.Helper()
	exe, err := built()
	require.NoError(t, err)
	// Its compiled plugins are those of all tests.
	if err := os.Symlink(guesttest.CacheDir(t), filepath.Join(data, "cache")); !errors.Is(err, fs.ErrExist) {
		require.NoError(t, err)
	}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--plugins", plugins, "--slots", "4"}, args...)
	return startServing(t, exec.Command(exe, args...))
}

// startServing starts a server and returns once it serves.
func startServing(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{cmd: cmd}
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		_ = p.cmd.Wait()
	})
	lines := bufio.NewReader(stderr)
	var all strings.Builder
	for {
		line, err := lines.ReadString('\n')
		all.WriteString(line)
		require.NoError(t, err, "it said: %s", all.String())
		if m := serving.FindStringSubmatch(line); m != nil {
			p.url = m[1]
			break
		}
	}
	p.client = client.New(p.url)
	var rest sync.WaitGroup
	rest.Go(func() {
		for {
			line, err := lines.ReadString('\n')
			all.WriteString(line)
			if err != nil {
				return
			}
		}
	})
	p.said = func() string { rest.Wait(); return all.String() }
	return p
}

// kill ends the program as a power cut of its process would, and waits for it.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()
}

func TestTheProgramServesAndDrains(t *testing.T) {
	data, plugins := t.TempDir(), pluginFolder(t)
	p := startProgram(t, data, plugins, "--drain", "100ms")
	ctx := t.Context()
	done, err := p.client.Submit(ctx, core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, job.Completed, done.Phase)
	long, err := p.client.Submit(ctx, core.Request{Routine: "hostile/endless"}, 0)
	require.NoError(t, err)
	require.NoError(t, p.client.Follow(ctx, long.ID, func(e client.Event) bool {
		return !strings.Contains(string(e.Data), `"phase":"running"`)
	}))

	out, exit := commandLine(t, p, "jobs", "ls")
	assert.Zero(t, exit)
	assert.Contains(t, out, "hostile/endless")
	out, exit = commandLine(t, p, "jobs", "result", done.ID)
	assert.Zero(t, exit)
	assert.Contains(t, out, "peak_infected")
	_, exit = commandLine(t, p, "jobs", "get", "none")
	assert.Equal(t, exitNotFound, exit)
	_, exit = commandLine(t, p, "jobs", "stop", done.ID)
	assert.Equal(t, exitUsage, exit, "an illegal move")
	looping, err := p.client.Submit(ctx, core.Request{Routine: "hostile/loop"}, 0)
	require.NoError(t, err)
	_, exit = commandLine(t, p, "jobs", "stop", looping.ID)
	assert.Zero(t, exit)
	_, exit = commandLine(t, p, "jobs", "watch", looping.ID)
	assert.Equal(t, exitJobStopped, exit)
	out, exit = commandLine(t, p, "serve", "--data", data, "--listen", "127.0.0.1:0")
	assert.Equal(t, exitServer, exit)
	assert.Contains(t, out, "in use by another process")

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	said := p.said()
	require.NoError(t, p.cmd.Wait(), said)

	p = startProgram(t, data, plugins)
	again, err := p.client.Job(ctx, long.ID)
	require.NoError(t, err)
	assert.False(t, again.Phase.Final(), "it was handed back, and runs again")
	assert.Zero(t, again.Losses)
}

// commandLine runs the program against a server.
func commandLine(t *testing.T, p *program, args ...string) (stdout string, exit int) {
	t.Helper()
	exe, err := built()
	require.NoError(t, err)
	cmd := exec.Command(exe, append([]string{"--server", p.url}, args...)...)
	out, err := cmd.Output()
	var failed *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &failed)
		return string(out) + string(failed.Stderr), failed.ExitCode()
	}
	return string(out), 0
}

// The crash test: kill -9 at random moments under load, again and again. Nothing
// acknowledged is lost, nothing runs without a worker, nothing final changes.
func TestNothingIsLostToKill9(t *testing.T) {
	t.Parallel()
	const rounds = 30
	data, plugins := t.TempDir(), pluginFolder(t)
	acknowledged := map[string]bool{}
	finals := map[string]string{} // id → outcome, as seen
	for round := range rounds {
		p := startProgram(t, data, plugins)
		checkRecovered(t, p, acknowledged, finals)
		load(t, p, acknowledged, finals, rand.N(400*time.Millisecond)+50*time.Millisecond)
		if t.Failed() {
			t.Fatalf("round %d: %s", round, p.said())
		}
	}
	p := startProgram(t, data, plugins)
	checkRecovered(t, p, acknowledged, finals)
	for id := range acknowledged {
		j, err := p.client.Watch(t.Context(), id, func(core.Job) {})
		require.NoError(t, err)
		if j.Phase == job.Failed {
			assert.Equal(t, "lost", j.Outcome.Error.Code, "%s: only for having lost its workers", id)
			assert.Equal(t, job.MaxLosses, j.Losses)
		}
	}
	require.NotEmpty(t, finals)
	t.Logf("%d jobs acknowledged, %d seen to end before a kill", len(acknowledged), len(finals))
}

// load submits from several clients until the server is killed under them.
func load(t *testing.T, p *program, acknowledged map[string]bool, finals map[string]string, after time.Duration) {
	var mu sync.Mutex // guards the maps
	var clients sync.WaitGroup
	for c := range 6 {
		clients.Go(func() {
			for n := 0; ; n++ {
				params := json.RawMessage(fmt.Sprintf(`{"population": %d, "steps": 40}`, 100+n))
				j, err := p.client.Submit(context.Background(), core.Request{Routine: "models/sir", Params: params, Labels: map[string]string{"client": fmt.Sprint(c)}}, 0)
				if err != nil {
					return // killed
				}
				mu.Lock()
				acknowledged[j.ID] = true
				mu.Unlock()
				if n%3 == 0 {
					_, _ = p.client.Ask(context.Background(), j.ID, "stop") // it may be too late
				}
				page, err := p.client.Jobs(context.Background(), url.Values{"limit": {"20"}})
				if err != nil {
					return
				}
				mu.Lock()
				for _, j := range page.Jobs {
					if j.Phase.Final() {
						finals[j.ID] = outcomeText(j)
					}
				}
				mu.Unlock()
			}
		})
	}
	kill := time.AfterFunc(after, func() { _ = p.cmd.Process.Signal(syscall.SIGKILL) })
	defer kill.Stop()
	clients.Wait()
	_ = p.cmd.Wait() // killed
}

func outcomeText(j core.Job) string {
	data, err := json.Marshal(j.Record)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func checkRecovered(t *testing.T, p *program, acknowledged map[string]bool, finals map[string]string) {
	t.Helper()
	for id := range acknowledged {
		j, err := p.client.Job(t.Context(), id)
		if !assert.NoError(t, err, "%s was acknowledged", id) {
			continue
		}
		if before, seen := finals[id]; seen {
			assert.Equal(t, before, outcomeText(j), "a final record does not change")
		}
	}
	var audit core.Audit
	require.NoError(t, p.client.Get(t.Context(), "/api/v1/audit", &audit))
	assert.True(t, audit.Consistent, audit.Breaches)
}
