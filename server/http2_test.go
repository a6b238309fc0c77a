package server_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server"
	"thresher/server/openapitest"
	"thresher/server/problem"
	"thresher/server/servertest"
)

// A client with prior knowledge of HTTP/2 is answered in HTTP/2, whatever it asks for and
// also while the server starts; others on the same port are served.
func TestAClientOfHTTP2IsToldWhatIsSpoken(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"ready": servertest.Start(t, core.Limits{}).URL, "starting": starting(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h2 http.Protocols
			h2.SetUnencryptedHTTP2(true)
			transport := &http.Transport{Protocols: &h2}
			defer transport.CloseIdleConnections()
			for _, method := range []string{"GET", "POST"} {
				req, err := http.NewRequestWithContext(t.Context(), method, url+"/api/v1/jobs", strings.NewReader(`{"routine":"a/b"}`))
				require.NoError(t, err)
				resp, err := (&http.Client{Transport: transport}).Do(req)
				require.NoError(t, err)
				var p problem.Problem
				require.NoError(t, json.NewDecoder(resp.Body).Decode(&p))
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, 2, resp.ProtoMajor)
				assert.Equal(t, http.StatusHTTPVersionNotSupported, resp.StatusCode)
				assert.Equal(t, "http_version", p.Code)
				assert.Contains(t, p.Detail, "HTTP/1.1")
			}
			assert.Equal(t, http.StatusOK, request(t, "GET", url+"/healthz", "").status)
		})
	}
}

// starting returns the URL of a server that has no engine yet.
func starting(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := server.Starting(server.Config{Log: slog.New(slog.DiscardHandler)})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		assert.NoError(t, s.Shutdown(context.Background()))
		assert.NoError(t, <-served)
	})
	return openapitest.Relay(t, "http://"+l.Addr().String())
}
