package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/plugins/registry/registrytest"
)

// Every command prints what docs/cli.md says that it prints with --json: one
// document, or a line of JSON for each thing.
func TestEveryCommandPrintsJSON(t *testing.T) {
	t.Parallel()
	p := startProgram(t, t.TempDir(), pluginFolder(t))
	dir := t.TempDir()
	csv, batch := filepath.Join(dir, "a.csv"), filepath.Join(dir, "batch.json")
	require.NoError(t, os.WriteFile(csv, []byte("a,b\n1,x\n2,y\n"), 0o600))
	require.NoError(t, os.WriteFile(batch, []byte(`{"jobs": [{"routine": "models/sir", "params": {"steps": 2}}]}`), 0o600))
	probe, newer := moduleFile(t, dir, registrytest.Plugin{Version: "1.0.0"}), moduleFile(t, dir, registrytest.Plugin{Version: "1.1.0"})
	secret, public := keyFiles(t, dir, "key")
	sim, err := p.client.Submit(t.Context(), core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	logged, err := p.client.Submit(t.Context(), core.Request{Routine: "hostile/panic"}, time.Minute)
	require.NoError(t, err)

	printed := func(args ...string) []byte {
		t.Helper()
		out, exit := commandLine(t, p, append(args, "--json")...)
		require.Zero(t, exit, "%v: %s", args, out)
		return []byte(out)
	}
	var made core.Batch
	require.NoError(t, json.Unmarshal(printed("batches", "submit", batch), &made))
	for _, args := range [][]string{
		{"version"}, {"stats"}, {"verify"}, {"limits"}, {"limits", "slots=3"}, {"locks"}, {"routines"}, {"routines", "models/sir"},
		{"datasets", "put", "a", csv}, {"datasets", "ls"}, {"datasets", "show", "a"},
		{"jobs", "ls"}, {"jobs", "get", sim.ID}, {"jobs", "watch", sim.ID}, {"jobs", "result", sim.ID}, {"jobs", "save", sim.ID, dir},
		{"jobs", "bulk", "stop", "--all", "--preview"}, {"jobs", "bulk", "unpin", "--batch", made.ID}, {"bulk", "ls"},
		{"batches", "ls"}, {"batches", "show", made.ID}, {"batches", "watch", made.ID},
		{"run", "tabular/describe", "-i", "data=" + csv, "--remote"},
		{"plugins", "check", probe}, {"plugins", "push", probe}, {"plugins", "push", newer}, {"plugins", "ls"}, {"plugins", "show", "probe"},
		{"plugins", "show", "probe@1.0.0"}, {"plugins", "rollback", "probe"}, {"plugins", "activate", "probe@1.1.0"},
		{"plugins", "disable", "probe@1.0.0"}, {"plugins", "enable", "probe@1.0.0"}, {"plugins", "deprecate", "probe@1.0.0", "old"},
		{"keys", "trust", public}, {"keys", "ls"},
		{"backup", filepath.Join(dir, "backup.tar")}, {"restore", filepath.Join(dir, "backup.tar"), "--data", filepath.Join(dir, "restored")},
	} {
		assert.True(t, json.Valid(printed(args...)), "%v", args)
	}
	for _, c := range []struct {
		args  []string
		lines int // 0: any
	}{
		{[]string{"jobs", "table", sim.ID, "steps"}, 201}, {[]string{"jobs", "logs", logged.ID}, 0}, {[]string{"jobs", "logs", "-f", logged.ID}, 0},
		{[]string{"jobs", "pin", sim.ID, logged.ID}, 2}, {[]string{"jobs", "unpin", sim.ID}, 1}, {[]string{"jobs", "retry", logged.ID}, 1},
		{[]string{"plugins", "rm", "probe@1.0.0"}, 1}, {[]string{"plugins", "sign", probe, "--key", secret}, 1},
		{[]string{"datasets", "rm", "a"}, 1}, {[]string{"jobs", "rm", sim.ID, logged.ID}, 2},
	} {
		lines := strings.Split(strings.TrimSuffix(string(printed(c.args...)), "\n"), "\n")
		for _, line := range lines {
			assert.True(t, json.Valid([]byte(line)), "%v: %s", c.args, line)
		}
		if c.lines > 0 {
			assert.Len(t, lines, c.lines, "%v", c.args)
		}
	}
}
