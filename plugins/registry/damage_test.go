package registry

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger/damagetest"
	"thresher/plugins/registry/registrytest"
)

// slots changes how many jobs of the plugin may run.
func slots(t *testing.T, e *core.Engine, n int) {
	t.Helper()
	_, err := e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) {
		l.PluginSlots = map[string]int{"probe": n}
		return l, nil
	})
	require.NoError(t, err)
}

func waitsOn(t *testing.T, e *core.Engine, id, want string) {
	t.Helper()
	require.Eventually(t, func() bool {
		j, err := e.Job(t.Context(), id)
		return err == nil && j.Waiting != nil && j.Waiting.On == want
	}, 20*time.Second, 5*time.Millisecond, want)
}

// The bytes of a module are gone, and its plugin is not: a new job of it is checked,
// accepted and waits. It goes on when the bytes are back, or can be stopped.
func TestANewJobWaitsForBytesThatAreGone(t *testing.T) {
	t.Parallel()
	for _, back := range []string{"put_back", "pushed_again", "stopped"} {
		t.Run(back, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e, r := world(t, dir)
			v := pushed(t, r, registrytest.Plugin{})
			require.NoError(t, r.host.Unload(v.Digest))
			path := damagetest.Path(dir, v.Digest)
			require.NoError(t, os.Rename(path, path+".away"))

			_, err := e.Submit(t.Context(), core.Request{Routine: "probe/none"})
			assert.Equal(t, "invalid", core.Code(err), "it is checked all the same: %v", err)
			j, err := e.Submit(t.Context(), core.Request{Routine: "probe/run", Cache: "off"})
			require.NoError(t, err)
			waitsOn(t, e, j.ID, "plugin probe@1.0.0 is missing")
			want := job.Completed
			switch back {
			case "put_back":
				require.NoError(t, os.Rename(path+".away", path))
			case "pushed_again":
				pushed(t, r, registrytest.Plugin{})
			case "stopped":
				want = job.Stopped
				_, err := e.Stop(t.Context(), j.ID)
				require.NoError(t, err)
				require.NoError(t, os.Rename(path+".away", path)) // or the audit says so
			}
			require.Eventually(t, func() bool {
				now, err := e.Job(t.Context(), j.ID)
				return err == nil && now.Phase == want
			}, time.Minute, 5*time.Millisecond)
		})
	}
}

// A module that is damaged is never loaded: the jobs that need it wait, and go on when
// it is whole. One that is loaded runs on.
func TestADamagedModuleIsNotRunAndItsJobsWait(t *testing.T) {
	t.Parallel()
	for _, damage := range damagetest.All() {
		t.Run(damage.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e, r := world(t, dir)
			v := pushed(t, r, registrytest.Plugin{})
			slots(t, e, 0)
			j, err := e.Submit(t.Context(), core.Request{Routine: "probe/run", Cache: "off"})
			require.NoError(t, err)
			require.Eventually(t, func() bool { return r.Compiling() == nil }, time.Minute, 5*time.Millisecond, "or it is loaded after this")
			require.NoError(t, r.host.Unload(v.Digest))
			putBack := damage.To(t, damagetest.Path(dir, v.Digest))
			slots(t, e, 4)
			lack := "plugin probe@1.0.0 is damaged"
			if !r.blobs.Has(v.Digest) {
				lack = "plugin probe@1.0.0 is missing"
			}
			waitsOn(t, e, j.ID, lack)
			_, err = r.bytesOf(t.Context(), v.Digest)
			assert.Equal(t, "blob_damaged", core.Code(err))

			a, err := e.Audit(t.Context())
			require.NoError(t, err)
			require.Len(t, a.Breaches, 1)
			assert.Contains(t, a.Breaches[0].Detail, "module of probe@1.0.0: blob "+v.Digest)
			_, err = e.Backup(t.Context(), io.Discard, core.Backing{})
			assert.ErrorContains(t, err, "module of probe@1.0.0")
			var archive bytes.Buffer
			_, err = e.Backup(t.Context(), &archive, core.Backing{SkipDamaged: true})
			require.NoError(t, err)
			into := filepath.Join(t.TempDir(), "new")
			_, err = core.Restore(t.Context(), bytes.NewReader(archive.Bytes()), into, core.Restoring{})
			assert.ErrorContains(t, err, "module of probe@1.0.0")
			_, err = core.Restore(t.Context(), bytes.NewReader(archive.Bytes()), into, core.Restoring{SkipDamaged: true})
			require.NoError(t, err)
			elsewhere, _ := world(t, into)
			waitsOn(t, elsewhere, j.ID, "plugin probe@1.0.0 is missing")
			_, err = elsewhere.Stop(t.Context(), j.ID)
			assert.NoError(t, err, "a job that waits can be stopped")

			putBack()
			done, err := e.Wait(t.Context(), j.ID)
			require.NoError(t, err)
			assert.Equal(t, job.Completed, done.Phase)
		})
	}
}

// Pushing the same module again repairs it.
func TestPushingADamagedModuleAgainRepairsIt(t *testing.T) {
	t.Parallel()
	for _, damage := range damagetest.All() {
		t.Run(damage.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e, r := world(t, dir)
			v := pushed(t, r, registrytest.Plugin{})
			require.NoError(t, r.host.Unload(v.Digest))
			damage.To(t, damagetest.Path(dir, v.Digest))
			x, err := r.Receive(t.Context(), strings.NewReader(string(registrytest.Plugin{}.Wasm())))
			require.NoError(t, err)
			x.Release()
			j, err := e.Submit(t.Context(), core.Request{Routine: "probe/run", Cache: "off"})
			require.NoError(t, err)
			done, err := e.Wait(t.Context(), j.ID)
			require.NoError(t, err)
			assert.Equal(t, job.Completed, done.Phase)
		})
	}
}
