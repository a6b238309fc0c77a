package sandbox

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin/guesttest"
)

// BenchmarkLoad loads a plugin that ships, as a start does whose code has been
// compiled before: as it was kept, and vetted and rewritten anew.
func BenchmarkLoad(b *testing.B) {
	wasm := guesttest.Build(b, "thresher/plugins/builtin/tabular")
	dir := b.TempDir()
	load := func() {
		h, err := New(b.Context(), Config{CacheDir: dir, Log: slog.New(slog.DiscardHandler)})
		require.NoError(b, err)
		_, err = h.Load(b.Context(), wasm, false)
		require.NoError(b, err)
		require.NoError(b, h.Close(context.Background()))
	}
	load()
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			load()
		}
	})
	b.Run("anew", func(b *testing.B) {
		for b.Loop() {
			kept, err := filepath.Glob(filepath.Join(dir, "rewritten-*"))
			require.NoError(b, err)
			require.Len(b, kept, 1)
			require.NoError(b, os.Remove(kept[0]))
			load()
		}
	})
}
