package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
)

// A start loads no uploaded plugin, so that it takes as long with 50 of them as with
// none: the log has both times. Each can be run at once.
func TestAStartLoadsNoUploads(t *testing.T) {
	t.Parallel()
	data, plugins := t.TempDir(), t.TempDir()
	start := func() (*program, time.Duration) {
		began := time.Now()
		p := startProgram(t, data, plugins)
		return p, time.Since(began)
	}
	p, _ := start() // it compiles what ships, maybe
	p.kill()
	p, without := start()
	for n := range 50 {
		var v registry.View
		require.NoError(t, p.client.Send(t.Context(), "POST", "/api/v1/plugins?wait=60s", "application/wasm",
			bytes.NewReader(registrytest.Plugin{Name: fmt.Sprintf("probe%d", n)}.Wasm()), &v))
		require.True(t, v.Active, v.Report)
	}
	p.kill()
	p, with := start()
	t.Logf("a start took %v without uploads, and %v with 50 active ones", without, with)
	for n := range 50 {
		j, err := p.client.Submit(t.Context(), core.Request{Routine: fmt.Sprintf("probe%d/run", n)}, time.Minute)
		require.NoError(t, err)
		assert.Equal(t, job.Completed, j.Phase)
	}
}
