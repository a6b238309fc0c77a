// Package servertest starts real servers for tests: a real engine in a temporary
// folder, the plugins that ship built from source, a real port.
package servertest

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
	"thresher/core"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/registry"
	"thresher/plugins/sandbox"
	"thresher/samples"
	"thresher/server"
	"thresher/server/openapitest"
)

// Server is a running server.
type Server struct {
	URL    string
	Client *client.Client
	Engine *core.Engine
	Dir    string // its data folder
}

// Start starts a server that ends with the test. Guests are import paths of
// plugins beside those that ship.
func Start(t testing.TB, limits core.Limits, guests ...string) *Server {
	t.Helper()
	return StartWith(t, server.Config{}, limits, guests...)
}

// StartWith starts a server that is set up otherwise.
func StartWith(t testing.TB, cfg server.Config, limits core.Limits, guests ...string) *Server {
	t.Helper()
	host, err := loaded(t, guests)
	require.NoError(t, err)
	return StartOn(t, host, cfg, registry.Config{}, limits)
}

// StartOn starts a server whose modules run in a host of the caller's.
func StartOn(t testing.TB, host *sandbox.Host, cfg server.Config, keeps registry.Config, limits core.Limits) *Server {
	t.Helper()
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	keeps.Log = log
	plugins := registry.New(host, keeps)
	dir := t.TempDir()
	e, err := core.Open(ctx, core.Config{Dir: dir, Limits: limits, Log: log}, plugins)
	require.NoError(t, err)
	l, checked := listen(t)
	cfg.Version, cfg.Log, cfg.MaxUpload = "test", log, cmp.Or(cfg.MaxUpload, 64<<20)
	s := server.New(cfg, e, plugins)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	url := "http://" + l.Addr().String()
	t.Cleanup(func() {
		audit, err := e.Audit(ctx)
		assert.NoError(t, err)
		assert.True(t, audit.Consistent, audit.Breaches)
		now, cancel := context.WithCancel(ctx)
		cancel() // hand running jobs back at once
		assert.NoError(t, e.Close(now))
		assert.NoError(t, s.Shutdown(ctx))
		assert.NoError(t, <-served)
		checked()
	})
	return &Server{URL: url, Client: client.New(url), Engine: e, Dir: dir}
}

// measured is a test of what a server costs.
type measured struct{ testing.TB }

// Measured returns a test whose servers' answers are not held against the OpenAPI
// document: that takes time and memory, which the test counts.
func Measured(t testing.TB) testing.TB { return measured{t} }

// listen returns a listener, and a function that reports the answers over it that the
// OpenAPI document does not describe.
func listen(t testing.TB) (l net.Listener, checked func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	switch t.(type) {
	case *testing.B, measured:
		return l, func() {}
	}
	reading := openapitest.Listen(t, l)
	return reading, func() { reading.Stop(t) }
}

// hosts has a sandbox for each set of guests, made at the first use: vetting and
// compiling the plugins is most of a short test's time. They end with the process.
var hosts sync.Map // guests, joined → func() (*sandbox.Host, error)

// loaded returns a sandbox that has the plugins that ship, and these guests.
func loaded(t testing.TB, guests []string) (*sandbox.Host, error) {
	host, _ := hosts.LoadOrStore(strings.Join(guests, " "), sync.OnceValues(func() (*sandbox.Host, error) { return load(t, guests) }))
	return host.(func() (*sandbox.Host, error))()
}

func load(t testing.TB, guests []string) (*sandbox.Host, error) {
	ctx := context.Background()
	h, err := sandbox.New(ctx, sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	for _, wasm := range guesttest.Builtins(t) {
		if _, err := h.Load(ctx, wasm, true); err != nil {
			return nil, err
		}
	}
	for _, guest := range guests {
		if _, err := h.Load(ctx, guesttest.Build(t, guest), false); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// Sample imports a sample file under a name.
func (s *Server) Sample(t testing.TB, name, file string) {
	t.Helper()
	f, err := samples.Files.Open(file)
	require.NoError(t, err)
	defer f.Close()
	_, err = s.Client.PutDataset(t.Context(), name, filepath.Ext(file)[1:], f)
	require.NoError(t, err)
}
