package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/work"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
	"thresher/plugins/sandbox"
)

// openCounting opens an engine whose compiler counts, and which keeps few modules
// loaded. What is compiled is kept in the folder.
func openCounting(t *testing.T, dir string, compiled *atomic.Int64) *world {
	t.Helper()
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: dir + "/cache", Log: log, Loaded: 3, Compiler: func(ctx context.Context, wasm []byte, folder string) error {
		compiled.Add(1)
		return sandbox.Compile(ctx, wasm, folder)
	}})
	require.NoError(t, err)
	w := &world{reg: registry.New(host, registry.Config{Log: log}), host: host, dir: dir}
	w.Engine, err = core.Open(ctx, core.Config{Dir: dir, Sync: ledger.SyncInterval, Log: log}, w.reg)
	require.NoError(t, err)
	t.Cleanup(func() {
		w.close(t)
		assert.NoError(t, host.Close(ctx))
	})
	return w
}

// However often the same bytes come, and however many jobs want them first, they are
// compiled once; and a server that starts again compiles nothing. Of many plugins few
// stay loaded, and each still runs.
func TestAModuleIsCompiledOnce(t *testing.T) {
	t.Parallel()
	var compiled atomic.Int64
	dir := t.TempDir()
	w := openCounting(t, dir, &compiled)
	const plugins = 12
	var all sync.WaitGroup
	for n := range plugins {
		wasm := registrytest.Plugin{Name: fmt.Sprintf("probe%d", n), Salt: strings.Repeat("x", n+1)}.Wasm() // no two have the same code
		for range 5 {
			all.Go(func() {
				x, err := w.reg.Receive(t.Context(), bytes.NewReader(wasm))
				if !assert.NoError(t, err) {
					return
				}
				defer x.Release()
				v, err := w.reg.Add(t.Context(), x, registry.Upload{Tenant: core.DefaultTenant, Activate: true})
				if !assert.NoError(t, err) {
					return
				}
				v, err = w.reg.Await(t.Context(), core.DefaultTenant, v.Digest)
				assert.NoError(t, err)
				assert.Equal(t, "ready", v.State)
			})
		}
	}
	all.Wait()
	assert.EqualValues(t, plugins, compiled.Load())

	runAll := func(w *world) {
		var jobs []core.Job
		for range 3 {
			for n := range plugins {
				j, err := w.Submit(t.Context(), core.Request{Routine: fmt.Sprintf("probe%d/run", n), Cache: "off"})
				require.NoError(t, err)
				jobs = append(jobs, j)
			}
		}
		for _, j := range jobs {
			j, err := w.Wait(t.Context(), j.ID)
			require.NoError(t, err)
			require.Equal(t, job.Completed, j.Phase, j.Outcome.Error)
		}
	}
	runAll(w)
	w.close(t)
	runAll(openCounting(t, dir, &compiled))
	assert.EqualValues(t, plugins, compiled.Load(), "nothing is compiled again")
}

// A module that was loaded for a job stays until the job is done with it, whatever else is
// loaded meanwhile; one that cannot be loaded is not ready, and its job waits.
func TestAModuleStaysLoadedForItsJob(t *testing.T) {
	t.Parallel()
	var compiled atomic.Int64
	w := openCounting(t, t.TempDir(), &compiled) // it keeps three loaded
	var plugins []registrytest.Plugin
	for n := range 8 {
		plugins = append(plugins, registrytest.Plugin{Name: fmt.Sprintf("probe%d", n), Salt: strings.Repeat("x", n+1)})
	}
	mine := w.push(t, plugins[0].Wasm(), active)
	release, err := w.reg.LoadModule(t.Context(), mine.Digest)
	require.NoError(t, err)
	load := func(others []registrytest.Plugin) {
		for _, p := range others {
			w.push(t, p.Wasm(), active)
			require.Equal(t, job.Completed, w.run(t, p.Routine()).Phase)
		}
	}
	load(plugins[1:5])
	assert.True(t, w.host.Has(mine.Digest))
	release()
	load(plugins[5:])
	assert.False(t, w.host.Has(mine.Digest))

	_, err = w.reg.LoadModule(t.Context(), strings.Repeat("0", 64))
	assert.ErrorIs(t, err, work.ErrUnready)
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the user gave up"))
	_, err = w.reg.LoadModule(gone, mine.Digest)
	assert.ErrorContains(t, err, "the user gave up")
	assert.NotErrorIs(t, err, work.ErrUnready)
}

// A tenant's own plugins come before those that everyone has, and are nobody else's.
func TestATenantsOwnPluginsComeFirst(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	mine := registrytest.Plugin{Version: "1.0.0", Salt: "mine"}
	v := w.push(t, mine.Wasm(), registry.Upload{Tenant: "acme", Activate: true})
	_, err := w.Submit(t.Context(), core.Request{Routine: mine.Routine()})
	assert.Equal(t, "invalid", core.Code(err), "it is not the default tenant's")
	theirs := registrytest.Plugin{Version: "1.0.0", Salt: "theirs"}
	other := w.push(t, theirs.Wasm(), active)
	require.Equal(t, "ready", other.State, "the same version of another tenant is another plugin")
	j, err := w.Submit(t.Context(), core.Request{Routine: mine.Routine(), Tenant: "acme"})
	require.NoError(t, err)
	assert.Equal(t, v.Digest, j.Spec.Digest)
	list, err := w.Routines(t.Context(), "acme")
	require.NoError(t, err)
	assert.Len(t, list, 1)
	require.NoError(t, w.reg.Delete(t.Context(), "acme", "probe", "1.0.0"))
	list, err = w.Routines(t.Context(), "acme")
	require.NoError(t, err)
	assert.Empty(t, list)
	assert.JSONEq(t, theirs.Result(), string(w.run(t, theirs.Routine()).Outcome.Result))
}

// The bytes of a version go once it is deleted and no job that is kept has run on them.
func TestBytesGoWhenNothingNeedsThem(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	p := registrytest.Plugin{}
	v := w.push(t, p.Wasm(), active)
	j := w.run(t, p.Routine())
	require.NoError(t, w.reg.Delete(t.Context(), core.DefaultTenant, "probe", "1.0.0"))
	assert.NoError(t, w.reg.Hold(t.Context(), v.Digest), "the job has run on them")
	w.reg.Release(v.Digest)
	require.NoError(t, w.Delete(t.Context(), j.ID))
	assert.ErrorIs(t, w.reg.Hold(t.Context(), v.Digest), core.ErrNotFound)
	w.close(t) // removals under way end
	assert.NoFileExists(t, w.dir+"/blobs/"+v.Digest[:2]+"/"+v.Digest)
}

// What is rejected leaves its report and no bytes; the same bytes again are verified
// anew.
func TestWhatIsRejectedIsVerifiedAgain(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	one, two := registrytest.Plugin{Salt: "one"}, registrytest.Plugin{Salt: "two"}
	w.push(t, one.Wasm(), active)
	v := w.push(t, two.Wasm(), active)
	require.Equal(t, "rejected", v.State)
	assert.Equal(t, "version_taken", v.Report.Refusal.Code)
	assert.ErrorIs(t, w.reg.Hold(t.Context(), v.Digest), core.ErrNotFound)
	again := w.push(t, two.Wasm(), active)
	assert.Equal(t, "rejected", again.State)
	assert.True(t, again.Uploaded.At.After(v.Uploaded.At))
}
