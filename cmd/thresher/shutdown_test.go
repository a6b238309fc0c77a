package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
	"thresher/core"
)

// connect opens a connection to the program and sends the head of a request.
func connect(t *testing.T, p *program, head string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = fmt.Fprintf(c, "%s\r\nHost: localhost\r\n\r\n", head)
	require.NoError(t, err)
	return c
}

// SIGTERM amid streams, uploads that do not end, connections that idle, a job that
// does not end, and submits: the program ends by itself, streams are told, and every
// submit that was accepted is there at the next start.
func TestShutdownEndsEverythingAndLosesNothing(t *testing.T) {
	const drain = 2 * time.Second
	data, plugins := t.TempDir(), pluginFolder(t)
	p := startProgram(t, data, plugins, "--drain", drain.String())
	_, err := p.client.Submit(t.Context(), core.Request{Routine: "hostile/loop"}, 0)
	require.NoError(t, err)

	var busy sync.WaitGroup
	streams, submits := 100, 200
	if testing.Short() {
		streams, submits = 20, 60
	}
	farewells := make(chan bool, streams)
	for range cap(farewells) {
		resp, err := http.ReadResponse(bufio.NewReader(connect(t, p, "GET /api/v1/events HTTP/1.1")), nil)
		require.NoError(t, err)
		busy.Go(func() {
			said, err := io.ReadAll(resp.Body)
			farewells <- err == nil && strings.Contains(string(said), "event: shutdown")
		})
	}
	for n := range 10 {
		c := connect(t, p, fmt.Sprintf("POST /api/v1/datasets?name=d%d&format=csv HTTP/1.1\r\nContent-Length: 1000000000", n))
		busy.Go(func() {
			pace := time.NewTicker(10 * time.Millisecond) // so that it lasts, and does not take all of the processor
			defer pace.Stop()
			for row := range pace.C {
				if _, err := fmt.Fprintf(c, "%d\n", row.UnixNano()); err != nil {
					return
				}
			}
		})
	}
	for range 50 {
		c := connect(t, p, "GET /healthz HTTP/1.1")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
	}
	accepted := make(chan string, 100_000)
	enough := make(chan struct{})
	var once sync.Once
	for range 6 {
		busy.Go(func() {
			for {
				j, err := p.client.Submit(t.Context(), core.Request{Routine: "hostile/nothing", Cache: "off"}, 0)
				if err != nil {
					var refused *client.Problem
					if errors.As(err, &refused) {
						assert.Equal(t, 503, refused.Status, err)
					} else {
						assert.ErrorIs(t, err, client.ErrUnreachable)
					}
					return
				}
				if accepted <- j.ID; len(accepted) >= submits {
					once.Do(func() { close(enough) })
				}
			}
		})
	}
	<-enough
	asked := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	cut := time.AfterFunc(2*time.Minute, func() { _ = p.cmd.Process.Kill() })
	said := p.said()
	require.True(t, cut.Stop(), "it has not ended by itself: %s", said)
	require.NoError(t, p.cmd.Wait(), said)
	t.Logf("ended %v after SIGTERM, with a drain time of %v; %d submits accepted", time.Since(asked), drain, len(accepted))
	busy.Wait()
	for range cap(farewells) {
		require.True(t, <-farewells, "each stream is told why it ends")
	}

	p = startProgram(t, data, plugins)
	close(accepted)
	for id := range accepted {
		_, err := p.client.Job(t.Context(), id)
		require.NoError(t, err, "it was accepted")
	}
	var audit core.Audit
	require.NoError(t, p.client.Get(t.Context(), "/api/v1/audit", &audit))
	assert.True(t, audit.Consistent, audit.Breaches)
}
