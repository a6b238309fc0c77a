package registry_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
	"thresher/plugins/sandbox"
)

// refusing is a ledger whose disk can begin to refuse writes after some.
type refusing struct {
	on     atomic.Bool
	after  atomic.Int32 // writes that are still taken, if on
	refuse atomic.Int32 // writes that are then refused
}

func (r *refusing) send(next uint64, send func() (uint64, error)) (uint64, error) {
	if r.on.Load() && r.after.Add(-1) < 0 && r.refuse.Add(-1) >= 0 {
		return next, fmt.Errorf("%w: %w", ledger.ErrDiskFull, syscall.ENOSPC)
	}
	return send()
}

func openRefusing(t *testing.T) (*world, *refusing) {
	t.Helper()
	ctx, log, disk := context.Background(), slog.New(slog.DiscardHandler), &refusing{}
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: log})
	require.NoError(t, err)
	w := &world{reg: registry.New(host, registry.Config{Log: log, Retry: 5 * time.Millisecond}), dir: t.TempDir()}
	w.Engine, err = core.Open(ctx, core.Config{
		Dir: w.dir, Sync: ledger.SyncInterval, Log: log, Faults: core.Faults{Ledger: ledger.Faults{Send: disk.send}},
	}, w.reg)
	require.NoError(t, err)
	t.Cleanup(func() {
		w.consistent(t)
		w.close(t)
		assert.NoError(t, host.Close(ctx))
	})
	return w, disk
}

// Wherever the disk begins to refuse the writes of an upload that was received, the
// version is there once it takes them again, without a new start.
func TestAnUploadThatTheDiskRefusedHalfWayIsFinished(t *testing.T) {
	t.Parallel()
	for taken := range int32(4) {
		t.Run(fmt.Sprint("write_", taken), func(t *testing.T) {
			t.Parallel()
			w, disk := openRefusing(t)
			disk.after.Store(taken)
			disk.refuse.Store(3)
			disk.on.Store(true)
			_, err := w.tryPush(t, registrytest.Plugin{}.Wasm(), active)
			if taken == 0 {
				require.Equal(t, "disk_full", core.Code(err))
				return
			}
			require.NoError(t, err)
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				_, err := w.reg.Resolve(t.Context(), core.DefaultTenant, routine.Ref{Plugin: "probe", Routine: "run"})
				assert.NoError(c, err)
			}, time.Minute, 10*time.Millisecond)
		})
	}
}

// A deletion that the disk refuses is none, and can be repeated.
func TestADeletionThatTheDiskRefusedIsRepeated(t *testing.T) {
	t.Parallel()
	for taken := range int32(2) {
		t.Run(fmt.Sprint("write_", taken), func(t *testing.T) {
			t.Parallel()
			w, disk := openRefusing(t)
			v := w.push(t, registrytest.Plugin{}.Wasm(), active)
			disk.after.Store(taken)
			disk.refuse.Store(3)
			disk.on.Store(true)
			err := w.reg.Delete(t.Context(), core.DefaultTenant, "probe", "1.0.0")
			disk.on.Store(false)
			if err != nil {
				require.Equal(t, "disk_full", core.Code(err))
				require.NoError(t, w.reg.Delete(t.Context(), core.DefaultTenant, "probe", "1.0.0"))
			}
			modules, err := w.reg.Modules(t.Context())
			require.NoError(t, err)
			assert.Empty(t, modules, "%s goes with its version", v.Digest)
		})
	}
}
