package main

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProfilesAreServedWhereTheyAreAskedFor(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	p := startProgram(t, t.TempDir(), t.TempDir(), "--pprof", address)
	for _, c := range []struct{ url, has string }{
		{"http://" + address + "/debug/pprof/heap?debug=1", "heap profile:"},
		{"http://" + address + "/debug/pprof/goroutine?debug=2", "goroutine 1"},
		{p.url + "/debug/pprof/heap", "not_found"}, // not at the public address
	} {
		resp, err := http.Get(c.url)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Contains(t, string(body), c.has)
	}
}
