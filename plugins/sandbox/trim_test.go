package sandbox

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/vet"
)

func TestWhatWasNotUsedForTheLongestIsDeletedFirst(t *testing.T) {
	t.Parallel()
	h := &Host{cacheDir: t.TempDir()}
	require.NoError(t, os.Mkdir(filepath.Join(h.cacheDir, "runtime"), 0o700))
	names := []string{"a", "runtime/b", "c", "runtime/d"}
	for i, name := range names {
		path, day := filepath.Join(h.cacheDir, name), time.Date(2001, 1, i+1, 0, 0, 0, 0, time.UTC)
		require.NoError(t, os.WriteFile(path, make([]byte, 100), 0o600))
		require.NoError(t, os.Chtimes(path, day, day))
	}
	h.used("runtime/b")

	left := func() (left []string) {
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(h.cacheDir, name)); err == nil {
				left = append(left, name)
			}
		}
		return left
	}
	require.NoError(t, trim(h.cacheDir, 400))
	assert.Equal(t, names, left(), "no more than it may be")
	require.NoError(t, trim(h.cacheDir, 299))
	assert.Equal(t, []string{"runtime/b", "runtime/d"}, left())
	require.NoError(t, trim(h.cacheDir, 100))
	assert.Equal(t, []string{"runtime/b"}, left())
}

// A plugin whose code was deleted is compiled again.
func TestAPluginOutlivesItsCompiledCode(t *testing.T) {
	t.Parallel()
	folder, wasm := t.TempDir(), hostile.Module{Run: hostile.LoopForever}.Encode()
	_, first := stepsOf(t, folder, vet.Limits{}, wasm)
	require.NoError(t, trim(folder, 0))
	again, steps := stepsOf(t, folder, vet.Limits{}, wasm)
	assert.True(t, again.Accepted)
	assert.Equal(t, first, steps)
}
