package registry

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/registry/registrytest"
	"thresher/plugins/sandbox"
)

// world is an engine with a registry that tests look into.
func world(t *testing.T, dir string) (*core.Engine, *Registry) {
	t.Helper()
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: log})
	require.NoError(t, err)
	r := New(host, Config{Log: log, Retry: 50 * time.Millisecond})
	e, err := core.Open(ctx, core.Config{Dir: dir, Sync: ledger.SyncInterval, Log: log}, r)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, e.Close(ctx))
		assert.NoError(t, host.Close(ctx))
	})
	return e, r
}

func pushed(t *testing.T, r *Registry, p registrytest.Plugin) View {
	t.Helper()
	x, err := r.Receive(t.Context(), strings.NewReader(string(p.Wasm())))
	require.NoError(t, err)
	defer x.Release()
	v, err := r.Add(t.Context(), x, Upload{Tenant: core.DefaultTenant, Activate: true})
	require.NoError(t, err)
	v, err = r.Await(t.Context(), core.DefaultTenant, v.Digest)
	require.NoError(t, err)
	require.Equal(t, string(Ready), v.State)
	return v
}

// The auditor finds a version that has lost its bytes, or its module's record.
func TestTheAuditorFindsAVersionThatHasLostItsModule(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, r := world(t, dir)
	v := pushed(t, r, registrytest.Plugin{})
	breaches := func() []core.Breach {
		a, err := e.Audit(t.Context())
		require.NoError(t, err)
		return a.Breaches
	}
	require.Empty(t, breaches())
	path := filepath.Join(dir, "blobs", v.Digest[:2], v.Digest)
	require.NoError(t, os.Rename(path, path+".away"))
	lost := breaches()
	require.Len(t, lost, 1)
	assert.Equal(t, "blob_is_whole", lost[0].Invariant)
	assert.Contains(t, lost[0].Detail, "module of probe@1.0.0: blob "+v.Digest+" is damaged: its file is missing")
	require.NoError(t, os.Rename(path+".away", path))
	require.Empty(t, breaches())
	require.NoError(t, r.removeModule(t.Context(), moduleKey(core.DefaultTenant, v.Digest), func(Module) bool { return true }))
	assert.Equal(t, "version_is_there", breaches()[0].Invariant)
}

// What a crash can leave between two writes is made whole at the next start.
func TestAStartMakesWholeWhatACrashLeft(t *testing.T) {
	t.Parallel()
	accepted := func(t *testing.T, r *Registry) Module {
		v := pushed(t, r, registrytest.Plugin{})
		return v.Module
	}
	for name, c := range map[string]struct {
		leave func(t *testing.T, r *Registry, m Module) // as if killed here
		state string                                    // of the upload; empty: it is gone
	}{
		"accepted_without_its_version": {func(t *testing.T, r *Registry, m Module) {
			_, err := r.plugins.Modify(t.Context(), pluginKey(m.Tenant, "probe"), func(*Plugin) (*Plugin, error) { return nil, nil })
			require.NoError(t, err)
		}, "ready"},
		"accepted_and_its_version_taken": {func(t *testing.T, r *Registry, m Module) {
			_, err := r.plugins.Modify(t.Context(), pluginKey(m.Tenant, "probe"), func(now *Plugin) (*Plugin, error) {
				p := *now
				p.Versions = []Version{{Version: "1.0.0", Digest: "other", State: Deleted}}
				p.Active = ""
				return &p, nil
			})
			require.NoError(t, err)
		}, "rejected"},
		"deleted_but_for_its_module": {func(t *testing.T, r *Registry, m Module) {
			_, err := r.change(t.Context(), m.Tenant, "probe", Delete{"1.0.0", r.cfg.Now().UTC()})
			require.NoError(t, err)
		}, ""},
		"verifying_once_more": {func(t *testing.T, r *Registry, m Module) {
			_, err := r.moduleChange(t.Context(), moduleKey(m.Tenant, m.Digest), func(m Module) (Module, error) {
				m.Phase, m.Report, m.Attempts = Verifying, nil, 1
				return m, nil
			})
			require.NoError(t, err)
		}, "ready"},
		"a_version_without_its_module": {func(t *testing.T, r *Registry, m Module) {
			require.NoError(t, r.removeModule(t.Context(), moduleKey(m.Tenant, m.Digest), func(Module) bool { return true }))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e, r := world(t, dir)
			m := accepted(t, r)
			r.Close() // nobody goes on with it
			c.leave(t, r, m)
			require.NoError(t, e.Close(t.Context()))

			e, r = world(t, dir)
			v, err := r.Await(t.Context(), m.Tenant, m.Digest)
			if c.state == "" {
				assert.ErrorIs(t, err, core.ErrNotFound)
			} else {
				require.NoError(t, err)
				assert.Equal(t, c.state, v.State)
			}
			a, err := e.Audit(t.Context())
			require.NoError(t, err)
			assert.True(t, a.Consistent, a.Breaches)
		})
	}
}
