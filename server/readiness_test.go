package server_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/ledger/disktest"
	"thresher/server"
)

// Each reason against readiness: /readyz is 503 with its code, new work is refused with
// the same one, and the documentation lists it. What is read is read all the same.
func TestEveryReasonAgainstReadinessIsSaidAndRefusesWork(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	tests := map[string]struct {
		dir   func(t *testing.T) (dir string, fail func())
		cfg   core.Config
		after func(t *testing.T, e *core.Engine, url string)
		code  string
		reads bool
	}{
		"ready": {dir: anyDir, reads: true},
		"disk_full": {
			dir: anyDir, cfg: core.Config{Reserve: 1 << 60}, code: "disk_full", reads: true,
		},
		"store_stalled": {dir: dyingDisk, code: "store_stalled", reads: true, after: func(t *testing.T, e *core.Engine, _ string) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := e.ChangeLimits(ctx, func(l core.Limits) (core.Limits, error) { l.Slots++; return l, nil })
			assert.Equal(t, "store_stalled", core.Code(err), "%v", err)
		}},
		"shutting_down": {dir: anyDir, code: "shutting_down", after: func(t *testing.T, e *core.Engine, _ string) {
			require.NoError(t, e.Close(t.Context()))
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, fail := test.dir(t)
			cfg := test.cfg
			cfg.Dir, cfg.Log = filepath.Join(dir, "data"), slog.New(slog.DiscardHandler)
			e, err := core.Open(t.Context(), cfg, noPlugins{})
			require.NoError(t, err)
			t.Cleanup(func() { _ = e.Close(context.Background()) }) // on a disk that may be gone
			url := serveEngine(t, e)
			fail()
			if test.after != nil {
				test.after(t, e, url)
			}
			a := request(t, "GET", url+"/readyz", "")
			var r core.Readiness
			require.NoError(t, json.Unmarshal([]byte(a.body), &r), a.body)
			assert.Equal(t, test.code, r.Code)
			assert.Equal(t, test.code == "", r.Ready)
			assert.Equal(t, test.code == "", a.status == 200, a.status)
			work := request(t, "POST", url+"/api/v1/datasets?name=d", "a,b\n1,2\n", "Content-Type", "text/csv")
			if test.code == "" {
				assert.Equal(t, 201, work.status, work.body)
			} else {
				assert.NotEmpty(t, r.Reason)
				assert.Contains(t, work.body, `"code":"`+test.code+`"`)
				assert.Contains(t, string(docs), "`"+test.code+"`")
			}
			if test.reads {
				assert.Equal(t, 200, request(t, "GET", url+"/api/v1/jobs", "").status)
			}
		})
	}
}

func anyDir(t *testing.T) (dir string, fail func()) { return t.TempDir(), func() {} }

// dyingDisk is a disk that takes no writes any more once it failed.
func dyingDisk(t *testing.T) (dir string, fail func()) {
	d := disktest.New(t)
	return d.Dir, d.Cut
}

// serveEngine serves an engine until the test ends.
func serveEngine(t *testing.T, e *core.Engine) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := server.New(server.Config{Log: slog.New(slog.DiscardHandler)}, e, nil)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		assert.NoError(t, s.Shutdown(context.Background()))
		assert.NoError(t, <-served)
	})
	return "http://" + l.Addr().String()
}
