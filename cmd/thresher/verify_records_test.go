package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
)

// A bit of each of the store's files flips below a server that runs: verify names what is damaged,
// and so do the audit, the metric and the log. A folder whose store cannot be opened
// any more is checked all the same.
func TestVerifyFindsDamagedRecords(t *testing.T) {
	t.Parallel()
	data, plugins := t.TempDir(), pluginFolder(t)
	p := startProgram(t, data, plugins)
	_, err := p.client.Submit(t.Context(), core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	p.kill()
	p = startProgram(t, data, plugins) // what is in the log goes into a table
	out, say, exit := inPipe(t, "--server", p.url, "verify")
	require.Zero(t, exit, "%s%s", out, say)

	logged := p.logs("record damaged")
	flipTables(t, data)
	verify := func(args ...string) {
		out, say, exit := inPipe(t, append(args, "--json")...)
		require.Equal(t, exitDamaged, exit, "%s%s", out, say)
		var found core.Verification
		require.NoError(t, json.Unmarshal([]byte(out), &found), "%s%s", out, say)
		require.NotEmpty(t, found.DamagedRecords)
		assert.Contains(t, say, "restore the newest backup")
	}
	verify("--server", p.url, "verify")
	var audit core.Audit
	require.NoError(t, p.client.Get(t.Context(), "/api/v1/audit", &audit))
	assert.True(t, slices.ContainsFunc(audit.Breaches, func(b core.Breach) bool { return b.Invariant == "record_is_whole" }), audit)
	metrics, err := p.client.Open(t.Context(), "/metrics", "text/plain")
	require.NoError(t, err)
	all, err := io.ReadAll(metrics)
	require.NoError(t, err)
	require.NoError(t, metrics.Close())
	assert.Regexp(t, `\nthresher_records_damaged [1-9]`, string(all))
	select {
	case <-logged:
	case <-time.After(time.Minute):
		require.Fail(t, "the damage was not logged")
	}
	p.kill()
	verify("verify", "--data", data)
}

// flipTables flips a bit of each of the store's tables, far from its end, where it says
// what is in it.
func flipTables(t *testing.T, data string) {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(data, "records", "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, path := range tables {
		require.NoError(t, os.Chmod(path, 0o600))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, err)
		b, at := make([]byte, 1), info.Size()/4
		_, err = f.ReadAt(b, at)
		require.NoError(t, err)
		b[0] ^= 4
		_, err = f.WriteAt(b, at)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}
