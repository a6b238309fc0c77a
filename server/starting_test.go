package server_test

import (
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/routine"
	"thresher/core/work"
	"thresher/server"
	"thresher/server/openapitest"
)

// noPlugins is what an engine runs that runs nothing.
type noPlugins struct{ work.Runner }

func (noPlugins) List() []core.Plugin { return nil }

var _ = routine.Analysis

// While the engine is opened the port is open already, and turns work away.
func TestAServerThatStartsSaysSo(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := server.Starting(server.Config{Log: log})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	url := openapitest.Relay(t, "http://"+l.Addr().String())
	assert.Contains(t, request(t, "GET", url+"/readyz", "").body, `"reason":"starting"`)
	s.Recovering("jobs", 4096, 10000)
	recovering := request(t, "GET", url+"/readyz", "")
	assert.Equal(t, 503, recovering.status)
	assert.JSONEq(t, `{"ready":false,"code":"recovering","reason":"indexing jobs: 4096 of 10000 records read","recovery":{"kind":"jobs","read":4096,"of":10000}}`, recovering.body)
	assert.Equal(t, 200, request(t, "GET", url+"/healthz", "").status)
	refused := request(t, "POST", url+"/api/v1/jobs", `{"routine": "models/sir"}`)
	assert.Equal(t, 503, refused.status)
	assert.Contains(t, refused.body, `"code":"starting"`)
	assert.Equal(t, "1", refused.header.Get("Retry-After"))

	e, err := core.Open(t.Context(), core.Config{Dir: dir, Log: log}, noPlugins{})
	require.NoError(t, err)
	s.Open(e, nil)
	assert.JSONEq(t, `{"ready":true}`, request(t, "GET", url+"/readyz", "").body)
	require.NoError(t, e.Close(t.Context()))
	ended := request(t, "GET", url+"/readyz", "")
	assert.Equal(t, 503, ended.status)
	assert.Contains(t, ended.body, `"code":"shutting_down"`)
	require.NoError(t, s.Shutdown(t.Context()))
	require.NoError(t, <-served)
}
