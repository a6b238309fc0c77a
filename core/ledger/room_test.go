package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Jobs that run keep their outputs while the store takes no writes: they end once it does.
// What is new is refused.
func TestOutputsAreKeptWhileTheStoreTakesNoWrites(t *testing.T) {
	t.Parallel()
	full := fmt.Errorf("%w: %w", ErrDiskFull, syscall.ENOSPC)
	for name, c := range map[string]struct{ begin, end func(l *Ledger) }{
		"full":    {func(l *Ledger) { l.disk.trouble.Store(&full) }, func(l *Ledger) { l.disk.trouble.Store(nil) }},
		"unclear": {func(l *Ledger) { l.unclear.add(full) }, func(l *Ledger) { l.unclear.remove() }},
		"stalled": {
			func(l *Ledger) { l.merging.failed.Store(&full); l.merging.stalled.Store(true) },
			func(l *Ledger) { l.merging.stalled.Store(false) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := Open(t.Context(), Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
			c.begin(l)
			defer c.end(l)
			require.ErrorIs(t, l.Room(), syscall.ENOSPC)
			assert.NoError(t, l.Blobs().Room())
			b, err := l.Blobs().Put(t.Context(), strings.NewReader("output"), 100)
			require.NoError(t, err)
			l.Blobs().Release(b.Digest)
		})
	}
}
