package conform_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/table"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/conform"
	"thresher/plugins/sandbox"
)

func newHost(t *testing.T) *sandbox.Host {
	t.Helper()
	host, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, host.Close(t.Context())) })
	return host
}

func check(t *testing.T, pkg string, o conform.Options) conform.Report {
	t.Helper()
	report, err := conform.Check(t.Context(), newHost(t), guesttest.Build(t, pkg), o)
	require.NoError(t, err)
	return report
}

// states are the checks' states by routine and name.
func states(r conform.Report) map[string]string {
	all := map[string]string{}
	for _, row := range r.Rows {
		all[strings.TrimPrefix(row.Routine+": "+row.Check, ": ")] = row.State
	}
	return all
}

func TestThePluginsThatShipKeepTheContract(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"formats", "models", "tabular"} {
		r := check(t, "thresher/plugins/builtin/"+name, conform.Options{})
		assert.Zero(t, r.Failures(), "%+v", r.Rows)
	}
	r := check(t, "thresher/plugins/builtin/models", conform.Options{})
	assert.Equal(t, conform.Passed, states(r)["sir: steps of any size"])
	assert.Equal(t, conform.Passed, states(r)["sir: pauses between steps"])
}

// A routine that wants a table of its own kind is not run with a made one; it is with
// the one that is given.
func TestARoutineCanBeGivenItsInput(t *testing.T) {
	t.Parallel()
	const pkg = "thresher/plugins/builtin/agentfarm"
	assert.Equal(t, conform.Skipped, states(check(t, pkg, conform.Options{}))["population: runs"])
	f, err := openSample(t)
	require.NoError(t, err)
	r := check(t, pkg, conform.Options{Inputs: map[string]*table.File{"steps": f}})
	assert.Equal(t, conform.Passed, states(r)["population: runs"], "%+v", r.Rows)
	assert.Zero(t, r.Failures(), "%+v", r.Rows)
}

func openSample(t *testing.T) (*table.File, error) {
	var text strings.Builder
	text.WriteString("step,total_agents\n")
	for i := range 30 {
		text.WriteString(strings.Repeat("1", 1+i%9) + "," + "5\n")
	}
	sealed, err := table.Import(t.Context(), strings.NewReader(text.String()), table.CSV, t.TempDir(), nil)
	if err != nil {
		return nil, err
	}
	f, err := table.Open(sealed.Path)
	t.Cleanup(func() { _ = f.Close() })
	return f, err
}

// Each breach is seen by the check that is about it.
func TestWhatBreaksTheContractIsSeen(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]string{
		"module":                              conform.Passed,
		"describes itself the same each time": conform.Failed,
		"allocates":                           conform.Failed,
		"knows no other routine":              conform.Failed,
		"silent: fails with a reason":         conform.Failed,
		"silent: runs":                        conform.Failed,
		"eager: fails with a reason":          conform.Skipped,
		"eager: runs":                         conform.Passed,
		"eager: same seed, same bytes":        conform.Passed,
		"eager: progress":                     conform.Failed,
		"eager: outputs":                      conform.Failed,
		"eager: output limit":                 conform.Passed,
		"eager: steps of any size":            conform.Failed,
		"eager: pauses between steps":         conform.Passed,
	}, states(check(t, "thresher/plugins/conform/guest", conform.Options{})))
}

func TestAModuleThatIsRefusedHasOneRow(t *testing.T) {
	t.Parallel()
	r, err := conform.Check(t.Context(), newHost(t), []byte("no module"), conform.Options{})
	require.NoError(t, err)
	require.Len(t, r.Rows, 1)
	assert.Equal(t, conform.Failed, r.Rows[0].State)
	assert.Contains(t, r.Rows[0].Detail, "not_wasm")
}

// A program of WASI keeps another contract: it is refused as such, not faulted for each export.
func TestAProgramIsRefused(t *testing.T) {
	t.Parallel()
	wasm, err := sandbox.WithManifest([]byte("\x00asm\x01\x00\x00\x00"+ // what follows: type, function, memory, exports, code
		"\x01\x04\x01\x60\x00\x00"+"\x03\x02\x01\x00"+"\x05\x03\x01\x00\x01"+
		"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00"+"\x0a\x04\x01\x02\x00\x0b"),
		[]byte(`{"name": "idle", "version": "1.0.0", "routines": [{"name": "idle", "kind": "analysis", "params": {"type": "object"}}]}`))
	require.NoError(t, err)
	_, err = conform.Check(t.Context(), newHost(t), wasm, conform.Options{})
	assert.ErrorIs(t, err, conform.ErrProgram)
}
