package ledger

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unreadable is a file system whose tables cannot be read while broken.
func unreadable(broken *atomic.Bool) vfs.FS {
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if (op.Kind == errorfs.OpFileReadAt || op.Kind == errorfs.OpFileRead) && strings.HasSuffix(op.Path, ".sst") && broken.Load() {
			return syscall.EIO
		}
		return nil
	}))
}

// A store whose files cannot be merged takes writes for a while, then holds them up:
// whoever writes is told, in the log it is said once, and when files can be merged
// again writes go on.
func TestAStoreThatCannotMergeItsFilesSaysSo(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	var said bytes.Buffer
	l, s := unmergeable(t, &broken, slog.New(slog.NewTextHandler(&said, nil)))
	kept := untilHeldUp(t, s)
	require.ErrorIs(t, l.Able(), syscall.EIO)
	require.ErrorIs(t, l.Able(), ErrStalled, "it goes on without a restart")
	_, err := s.Create(t.Context(), "zz", note{})
	require.ErrorIs(t, err, ErrDisabled, "at once")

	broken.Store(false)
	require.Eventually(t, func() bool { return l.Able() == nil }, waits, tick)
	_, err = s.Create(t.Context(), "zzz", note{})
	require.NoError(t, err)
	for n := range kept {
		e, err := s.Get(t.Context(), fmt.Sprintf("z%06d", n))
		require.NoError(t, err)
		require.Equal(t, n, e.Value.N)
	}
	require.NoError(t, l.Close(t.Context()))
	assert.Equal(t, 1, strings.Count(said.String(), "store cannot merge"), "%s", said.String())
	assert.Less(t, strings.Count(said.String(), "\n"), 20, "%.2000s", said.String())
}

// unmergeable opens a store whose files cannot be read for merging while broken is set,
// as it is when this returns. Its test closes it.
func unmergeable(t *testing.T, broken *atomic.Bool, log *slog.Logger) (*Ledger, *Store[note]) {
	t.Helper()
	l, err := Open(t.Context(), Config{Dir: t.TempDir(), Sync: SyncInterval, Log: log, fs: unreadable(broken)})
	require.NoError(t, err)
	s, err := OpenStore(t.Context(), l, "notes", StoreConfig[note]{})
	require.NoError(t, err)
	fill(t, s, 0, 100, damageNote)
	require.NoError(t, l.db.Flush())
	broken.Store(true)
	return l, s
}

// untilHeldUp writes until that is refused, and returns how many records it wrote.
func untilHeldUp(t *testing.T, s *Store[note]) (kept int) {
	t.Helper()
	text := strings.Repeat("x", 700<<10)
	for ; kept < 2000; kept++ {
		if _, err := s.Create(t.Context(), fmt.Sprintf("z%06d", kept), note{text, kept}); err != nil {
			require.ErrorIs(t, err, ErrDisabled)
			require.ErrorContains(t, err, "merged")
			return kept
		}
	}
	require.Fail(t, "writes are not held up")
	return kept
}

// A ledger can be closed while the store below holds writes up.
func TestALedgerClosesWhileItsFilesCannotBeMerged(t *testing.T) {
	if testing.Short() {
		t.Skip("long: make test-long runs it")
	}
	t.Parallel()
	var broken atomic.Bool
	l, s := unmergeable(t, &broken, slog.New(slog.DiscardHandler))
	untilHeldUp(t, s)
	require.NoError(t, l.Close(t.Context()))
	broken.Store(false) // else its goroutines stay
	require.NoError(t, l.loops.Wait())
	require.NoError(t, l.closeStore())
}
