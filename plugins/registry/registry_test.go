package registry_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
	"thresher/plugins/sandbox"
)

// world is an engine with a registry, in a folder.
type world struct {
	*core.Engine
	reg  *registry.Registry
	host *sandbox.Host // of some tests
	dir  string
}

func openIn(t *testing.T, dir string, cfg registry.Config) *world {
	t.Helper()
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: log})
	require.NoError(t, err)
	cfg.Log = log
	w := &world{reg: registry.New(host, cfg), dir: dir}
	w.Engine, err = core.Open(ctx, core.Config{Dir: dir, Sync: ledger.SyncInterval, Log: log}, w.reg)
	require.NoError(t, err)
	t.Cleanup(func() {
		w.consistent(t)
		w.close(t)
		assert.NoError(t, host.Close(ctx))
	})
	return w
}

func setUp(t *testing.T, cfg registry.Config) *world { return openIn(t, t.TempDir(), cfg) }

func (w *world) close(t *testing.T) {
	t.Helper()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	assert.NoError(t, w.Close(now))
}

func (w *world) consistent(t *testing.T) {
	t.Helper()
	if audit, err := w.Audit(context.Background()); err == nil { // closed by the test, maybe
		assert.True(t, audit.Consistent, audit.Breaches)
	}
}

// push uploads a module and waits until it is decided on.
func (w *world) push(t *testing.T, wasm []byte, u registry.Upload) registry.View {
	t.Helper()
	v, err := w.tryPush(t, wasm, u)
	require.NoError(t, err)
	return v
}

func (w *world) tryPush(t *testing.T, wasm []byte, u registry.Upload) (registry.View, error) {
	t.Helper()
	if u.Tenant == "" {
		u.Tenant = core.DefaultTenant
	}
	x, err := w.reg.Receive(t.Context(), bytes.NewReader(wasm))
	require.NoError(t, err)
	defer x.Release()
	v, err := w.reg.Add(t.Context(), x, u)
	if err != nil {
		return v, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	v, err = w.reg.Await(ctx, u.Tenant, v.Digest)
	require.NoError(t, err)
	require.True(t, v.Decided())
	return v, nil
}

// until waits until an upload is in a state, as its events tell.
func (w *world) until(t *testing.T, digest, state string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	sub, err := w.Subscribe(ctx, 0, "")
	require.NoError(t, err)
	defer sub.Close()
	for {
		v, err := w.reg.Module(ctx, core.DefaultTenant, digest)
		require.NoError(t, err)
		if v.State == state {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("it is %s, and never was %s", v.State, state)
		case <-sub.More():
		}
		for _, ok := sub.Next(); ok; _, ok = sub.Next() {
		}
	}
}

// run submits a job and waits for its end.
func (w *world) run(t *testing.T, routine string) core.Job {
	t.Helper()
	j, err := w.Submit(t.Context(), core.Request{Routine: routine, Cache: "off"})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	j, err = w.Wait(ctx, j.ID)
	require.NoError(t, err)
	return j
}

var active = registry.Upload{Activate: true}

// The thin path: uploaded, verified, run, still there after a restart.
func TestAnUploadIsVerifiedRunAndKept(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	p := registrytest.Plugin{Version: "1.0.0"}
	v := w.push(t, p.Wasm(), registry.Upload{Activate: true, By: "ada"})
	require.Nil(t, v.Report.Refusal)
	assert.Equal(t, "ready", v.State)
	assert.True(t, v.Active)
	assert.Equal(t, "ada", v.Uploaded.By)
	assert.Equal(t, "run", v.Report.Examples[0].Routine)
	assert.True(t, v.Report.Examples[0].Passed)

	j := w.run(t, p.Routine())
	require.Equal(t, job.Completed, j.Phase, j.Outcome.Error)
	assert.JSONEq(t, p.Result(), string(j.Outcome.Result))
	assert.Equal(t, v.Digest, j.Spec.Digest)

	w.close(t)
	again := openIn(t, w.dir, registry.Config{})
	kept, err := again.reg.Module(t.Context(), core.DefaultTenant, v.Digest)
	require.NoError(t, err)
	assert.Equal(t, "ready", kept.State)
	assert.Equal(t, v.Report.Plugin, kept.Report.Plugin)
	assert.Equal(t, job.Completed, again.run(t, p.Routine()).Phase)
}

// A version that is deleted cannot be submitted; what it ran can be repeated, and its
// number stays taken. An archive has all of that.
func TestAnArchiveHasUploadsAndWhatJobsNeed(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	one, two := registrytest.Plugin{Version: "1.0.0"}, registrytest.Plugin{Version: "2.0.0"}
	first := w.push(t, one.Wasm(), active)
	ran := w.run(t, one.Routine())
	second := w.push(t, two.Wasm(), active)
	require.NoError(t, w.reg.Delete(t.Context(), core.DefaultTenant, "probe", "1.0.0"))
	_, err := w.Submit(t.Context(), core.Request{Routine: "probe@1.0.0/run"})
	assert.Equal(t, "invalid", core.Code(err))

	var archive bytes.Buffer
	_, err = w.Backup(t.Context(), &archive, core.Backing{})
	require.NoError(t, err)
	dir := t.TempDir() + "/restored"
	_, err = core.Restore(t.Context(), &archive, dir, core.Restoring{})
	require.NoError(t, err)

	for _, w := range []*world{w, openIn(t, dir, registry.Config{})} {
		assert.JSONEq(t, two.Result(), string(w.run(t, two.Routine()).Outcome.Result))
		again, err := w.Retry(t.Context(), ran.ID, false)
		require.NoError(t, err)
		again, err = w.Wait(t.Context(), again.ID)
		require.NoError(t, err)
		assert.Equal(t, first.Digest, again.Spec.Digest)
		assert.JSONEq(t, one.Result(), string(again.Outcome.Result))
		listed, err := w.reg.Named(t.Context(), core.DefaultTenant, "probe")
		require.NoError(t, err)
		assert.Len(t, listed.Versions, 1)
		assert.Equal(t, second.Digest, listed.Digest)

		other := one
		other.Salt = "other bytes"
		taken := w.push(t, other.Wasm(), active)
		assert.Equal(t, "rejected", taken.State)
		assert.Equal(t, "version_taken", taken.Report.Refusal.Code)
		same := w.push(t, one.Wasm(), active)
		assert.Equal(t, "ready", same.State, "the same bytes may come back")
		assert.False(t, same.Active, "a newer one is active")
	}
}
