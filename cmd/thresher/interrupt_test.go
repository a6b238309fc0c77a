package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os/exec"
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

// SIGTERM at any moment of a first start ends the program by itself, well within its
// drain time: when it has just begun, when it first answers, and while a plugin is
// compiled that a job waits for. The next start goes on from there.
func TestAStartCanBeInterrupted(t *testing.T) {
	t.Parallel()
	exe, err := built()
	require.NoError(t, err)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	c := client.New("http://" + address)
	waiting := core.Job{}
	moments := map[string]func(t *testing.T){
		"at_once": func(*testing.T) {},
		"when_it_answers": func(t *testing.T) {
			require.Eventually(t, func() bool {
				resp, err := http.Get("http://" + address + "/healthz")
				return err == nil && resp.Body.Close() == nil
			}, time.Minute, time.Millisecond)
		},
		"while_a_plugin_compiles": func(t *testing.T) {
			require.Eventually(t, func() bool {
				waiting, err = c.Submit(t.Context(), core.Request{Routine: "models/sir"}, 0)
				return err == nil
			}, time.Minute, time.Millisecond)
			require.Eventually(t, func() bool {
				j, err := c.Job(t.Context(), waiting.ID)
				return err == nil && j.Waiting != nil && strings.HasSuffix(j.Waiting.On, "is compiling")
			}, time.Minute, time.Millisecond)
		},
	}
	for name, moment := range moments {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			cmd := exec.Command(exe, "serve", "--listen", address, "--data", data, "--drain", "1m")
			var said strings.Builder
			cmd.Stderr = &said
			require.NoError(t, cmd.Start())
			moment(t)
			asked := time.Now()
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			cut := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
			err := cmd.Wait()
			require.True(t, cut.Stop(), "it has not ended by itself: %s", said.String())
			t.Logf("ended %v after SIGTERM", time.Since(asked))
			if name == "at_once" {
				return // the signal may have come before anyone listened for it
			}
			require.NoError(t, err, said.String())
			if name != "while_a_plugin_compiles" {
				return
			}
			p := startServing(t, exec.Command(exe, "serve", "--listen", "127.0.0.1:0", "--data", data))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			require.NoError(t, p.client.Follow(ctx, waiting.ID, func(e client.Event) bool {
				var j core.Job
				return json.Unmarshal(e.Data, &j) != nil || !j.Phase.Final()
			}))
			j, err := p.client.Job(t.Context(), waiting.ID)
			require.NoError(t, err)
			assert.Equal(t, job.Completed, j.Phase)
		})
	}
}
