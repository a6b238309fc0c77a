package registry_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"aead.dev/minisign"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/table"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
	"thresher/plugins/sandbox"
)

// openFlipping opens an engine that flips one bit of each record, behind its checksum,
// on its way to the disk.
func openFlipping(t *testing.T, dir string) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	host, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: log})
	require.NoError(t, err)
	w := &world{reg: registry.New(host, registry.Config{Log: log}), dir: dir}
	flip := func(_, _ string, record []byte) []byte {
		record[len(record)-2] ^= 1
		return record
	}
	w.Engine, err = core.Open(t.Context(), core.Config{Dir: dir, Log: log, Faults: core.Faults{Ledger: ledger.Faults{Stored: flip}}}, w.reg)
	require.NoError(t, err)
	t.Cleanup(func() {
		w.close(t)
		assert.NoError(t, host.Close(context.Background()))
	})
	return w
}

// writeAllKinds writes a record of each kind that there is.
func writeAllKinds(t *testing.T, w *world) {
	t.Helper()
	ctx := t.Context()
	w.push(t, registrytest.Plugin{}.Wasm(), registry.Upload{Activate: true}) // modules, plugins
	public, _, err := minisign.GenerateKey(nil)
	require.NoError(t, err)
	_, err = w.reg.Trust(ctx, public.String(), "ada", "test") // keys
	require.NoError(t, err)
	_, err = w.PutDataset(ctx, "d", table.CSV, strings.NewReader("a\n1\n"), nil)
	require.NoError(t, err)
	_, err = w.SubmitBatch(ctx, core.BatchRequest{ // batches, jobs
		Template: &core.Request{Routine: "probe/run"},
		Grid:     map[string][]json.RawMessage{"seed": {json.RawMessage("1"), json.RawMessage("2")}},
	})
	require.NoError(t, err)
	_, err = w.StartBulk(ctx, "resume", core.Filter{Phase: job.Paused}, false)
	require.NoError(t, err)
	_, err = w.ChangeLimits(ctx, func(l core.Limits) (core.Limits, error) { l.Slots = 3; return l, nil }) // settings
	require.NoError(t, err)
}

// One bit flips in a record of each kind that the ledger has: a check names it by kind
// and key, on a server that runs and on a folder whose store cannot be opened any more.
// A kind that writeAllKinds forgets fails here.
func TestADamagedRecordOfEveryKindIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := openFlipping(t, dir)
	writeAllKinds(t, w)
	kinds, err := w.Kinds()
	require.NoError(t, err)
	check, err := w.Verify()
	require.NoError(t, err)
	found, err := check(t.Context(), func(ledger.Verified) {})
	require.NoError(t, err)
	requireEveryKind(t, kinds, found)

	audit, err := w.Audit(t.Context())
	require.NoError(t, err)
	assert.False(t, audit.Consistent)
	text, err := json.Marshal(audit)
	require.NoError(t, err)
	for _, d := range found.DamagedRecords {
		assert.Contains(t, string(text), d.Kind+": record "+d.Key+" is damaged")
	}
	stats, err := w.Stats(t.Context())
	require.NoError(t, err)
	assert.Equal(t, len(found.DamagedRecords), stats.RecordsDamaged)
	w.close(t)

	again, err := core.VerifyFolder(t.Context(), dir, registry.OpenModules, func(ledger.Verified) {})
	require.NoError(t, err)
	requireEveryKind(t, kinds, again)
}

func requireEveryKind(t *testing.T, kinds []string, found core.Verification) {
	t.Helper()
	named := map[string]bool{}
	for _, d := range found.DamagedRecords {
		assert.Equal(t, ledger.PartRecord, d.Part, d)
		assert.NotEmpty(t, d.Key, d)
		assert.Contains(t, d.Reason, "checksum", d)
		named[d.Kind] = true
	}
	for _, kind := range kinds {
		assert.True(t, named[kind], "no damaged record of kind %s is named: does writeAllKinds write one?", kind)
	}
}

// A server whose records are whole says so.
func TestACheckOfAllKindsFindsNothingWhereAllIsWhole(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	writeAllKinds(t, w)
	check, err := w.Verify()
	require.NoError(t, err)
	found, err := check(t.Context(), func(ledger.Verified) {})
	require.NoError(t, err)
	assert.Empty(t, found.DamagedRecords)
	assert.NotZero(t, found.Records)
	w.close(t)
	again, err := core.VerifyFolder(t.Context(), w.dir, registry.OpenModules, func(ledger.Verified) {})
	require.NoError(t, err)
	assert.Empty(t, again.DamagedRecords)
}
