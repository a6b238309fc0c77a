package main

import (
	"io"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger/disktest"
)

// rested waits until a server writes nothing of its own: its plugins are in the ledger.
func rested(t *testing.T, p *program) {
	t.Helper()
	require.Eventually(t, func() bool {
		var now core.Readiness
		return p.client.Get(t.Context(), "/readyz", &now) == nil && now.Compiling == nil
	}, 5*time.Minute, 10*time.Millisecond)
}

func status(t *testing.T, err error) int {
	t.Helper()
	var p *client.Problem
	require.ErrorAs(t, err, &p)
	return p.Status
}

// metric reads a metric that has no labels.
func metric(t *testing.T, p *program, name string) float64 {
	t.Helper()
	r, err := p.client.Open(t.Context(), "/metrics", "*/*")
	require.NoError(t, err)
	defer r.Close()
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	require.NotNil(t, found, name)
	value, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(t, err)
	return value
}

// A full disk refuses new work and nothing else, and needs no restart.
func TestAFullDiskRefusesNewWorkOnly(t *testing.T) {
	data := disktest.Small(t, 400)
	p := startProgram(t, data, pluginFolder(t))
	ctx := t.Context()
	own := func(routine string) core.Request { return core.Request{Routine: routine, Cache: "off"} }
	done, err := p.client.Submit(ctx, own("models/sir"), time.Minute)
	require.NoError(t, err)
	for range 3 { // for retention to delete
		_, err := p.client.Submit(ctx, own("models/sir"), time.Minute)
		require.NoError(t, err)
	}
	endless, err := p.client.Submit(ctx, own("hostile/loop"), 0)
	require.NoError(t, err)

	rested(t, p)
	empty := disktest.Leave(t, data, 32<<20) // within the reserve
	_, err = p.client.Submit(ctx, own("hostile/nothing"), 0)
	assert.Equal(t, 507, status(t, err))
	_, err = p.client.PutDataset(ctx, "d", "csv", &lines{left: 1 << 20})
	assert.Equal(t, 507, status(t, err))
	j, err := p.client.Job(ctx, done.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Completed, j.Phase)
	_, err = p.client.Ask(ctx, endless.ID, "stop")
	require.NoError(t, err, "a stop is written in the reserve")
	j, err = p.client.Watch(ctx, endless.ID, func(core.Job) {})
	require.NoError(t, err)
	assert.Equal(t, job.Stopped, j.Phase)
	require.NoError(t, p.client.Delete(ctx, endless.ID))
	var limits core.Limits
	before := metric(t, p, "thresher_disk_free_bytes")
	assert.Less(t, before, metric(t, p, "thresher_disk_reserve_bytes"))
	err = p.client.Patch(ctx, "/api/v1/limits", map[string]any{"retention": map[string]any{"*": map[string]any{"count": 1}}}, &limits)
	require.NoError(t, err, "the first change of limits is a new record, which frees space")
	require.Equal(t, 1, limits.Retention["*"].Count)
	require.Eventually(t, func() bool { return metric(t, p, "thresher_jobs_pruned_total") >= 3 }, time.Minute, 50*time.Millisecond)
	require.Eventually(t, func() bool { return metric(t, p, "thresher_disk_free_bytes") > before }, time.Minute, 50*time.Millisecond)
	empty()
	j, err = p.client.Submit(ctx, own("hostile/nothing"), time.Minute)
	require.NoError(t, err, "it recovers by itself")
	assert.Equal(t, job.Completed, j.Phase)
	var audit core.Audit
	require.NoError(t, p.client.Get(ctx, "/api/v1/audit", &audit))
	assert.True(t, audit.Consistent, audit.Breaches)
}

// Where something else fills the disk to the last byte, writes fail with the reason once
// what the log has allocated is used up, reads go on, writes do too once there is room,
// and nothing acknowledged is lost at the next start.
func TestADiskWithoutAByteLeftLosesNothing(t *testing.T) {
	data := disktest.Small(t, 400)
	plugins := pluginFolder(t)
	p := startProgram(t, data, plugins)
	ctx := t.Context()
	done, err := p.client.Submit(ctx, core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	rested(t, p)
	empty := disktest.Fill(t, data)
	for n := 0; err == nil && n < 50_000; n++ {
		_, err = p.client.Ask(ctx, done.ID, []string{"pin", "unpin"}[n%2])
	}
	assert.Contains(t, []int{503, 507}, status(t, err), "%v", err)
	_, err = p.client.Job(ctx, done.ID)
	require.NoError(t, err)
	assert.ErrorContains(t, p.client.Get(ctx, "/readyz", nil), "503")
	empty()
	require.Eventually(t, func() bool { return p.client.Get(ctx, "/readyz", nil) == nil }, time.Minute, 10*time.Millisecond)
	written, err := p.client.Ask(ctx, done.ID, "pin")
	require.NoError(t, err)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	said := p.said()
	require.NoError(t, p.cmd.Wait(), said)
	p = startProgram(t, data, plugins)
	again, err := p.client.Job(ctx, done.ID)
	require.NoError(t, err)
	assert.Equal(t, recordText(written), recordText(again))
}
