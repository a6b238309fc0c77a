package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
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
	"thresher/server/openapitest"
)

// program is the real program, serving in a process of its own.
type program struct {
	cmd    *exec.Cmd
	client *client.Client
	url    string
	said   func() string                     // all, once it has ended
	logs   func(text string) <-chan struct{} // closed when a later line has the text
}

// built builds the program as `make build` does: without the race detector, which
// the other packages' tests run under.
var built = sync.OnceValues(func() (string, error) {
	exe := filepath.Join(programFolder, "thresher")
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
			p.url = openapitest.Relay(t, m[1])
			break
		}
	}
	p.client = client.New(p.url)
	var rest sync.WaitGroup
	var awaited sync.Map // text → chan struct{}
	rest.Go(func() {
		for {
			line, err := lines.ReadString('\n')
			all.WriteString(line)
			if err != nil {
				return
			}
			awaited.Range(func(text, seen any) bool {
				if strings.Contains(line, text.(string)) {
					awaited.Delete(text)
					close(seen.(chan struct{}))
				}
				return true
			})
		}
	})
	p.logs = func(text string) <-chan struct{} {
		seen := make(chan struct{})
		awaited.Store(text, seen)
		return seen
	}
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
