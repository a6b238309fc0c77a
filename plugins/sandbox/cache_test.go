package sandbox

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/hostile"
)

// cacheOf fills a cache folder, and returns its files.
func cacheOf(t *testing.T, wasm []byte) (dir string, files []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "cache")
	loadIn(t, dir, wasm)
	files = filesIn(t, dir)
	require.Len(t, files, 4, "the rewritten module, its code, the mark, and the manifest")
	return dir, files
}

// filesIn are all files in a folder, in the order of their names.
func filesIn(t *testing.T, dir string) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// loadIn inspects and loads a module on a host with a cache, runs it, and returns what the host
// logged.
func loadIn(t *testing.T, dir string, wasm []byte) (said string) {
	t.Helper()
	var log bytes.Buffer
	h, err := New(t.Context(), Config{CacheDir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	r, err := h.Inspect(t.Context(), wasm, nil)
	require.NoError(t, err)
	p, err := h.Load(t.Context(), wasm, false)
	require.NoError(t, err)
	require.Equal(t, p, *r.Plugin)
	c, _ := forgedCall(t, p.Digest)
	_, err = h.Run(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, h.Close(context.Background()))
	return log.String()
}

// Whatever becomes of a file of the cache, the module is loaded and runs, the damage is
// logged, and the next host finds a cache that is whole.
func TestADamagedCacheIsMadeAgain(t *testing.T) {
	t.Parallel()
	wasm := hostile.Module{}.Encode()
	damages := map[string]func(t *testing.T, path string, content []byte){
		"empty": func(t *testing.T, path string, _ []byte) { require.NoError(t, os.WriteFile(path, nil, 0o600)) },
		"cut": func(t *testing.T, path string, content []byte) {
			require.NoError(t, os.WriteFile(path, content[:len(content)/2], 0o600))
		},
		"longer": func(t *testing.T, path string, content []byte) {
			require.NoError(t, os.WriteFile(path, append(content, 'x'), 0o600))
		},
		"other": func(t *testing.T, path string, content []byte) {
			require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("no"), len(content)), 0o600))
		},
		"folder": func(t *testing.T, path string, _ []byte) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.MkdirAll(filepath.Join(path, "in", "it"), 0o700))
		},
		"loop": func(t *testing.T, path string, _ []byte) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Symlink(path, path))
		},
		"unreadable": func(t *testing.T, path string, _ []byte) {
			if os.Geteuid() == 0 {
				t.Skip("root reads every file")
			}
			require.NoError(t, os.Chmod(path, 0))
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, files := cacheOf(t, wasm)
			for _, path := range files {
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				damage(t, path, content)
				assert.Contains(t, loadIn(t, dir, wasm), "again", path)
				assert.Empty(t, loadIn(t, dir, wasm), "%s: it is whole", path)
			}
		})
	}
}

// One flipped bit, anywhere in any file of the cache, is noticed before the file is
// used.
func TestAFlippedBitInTheCacheIsNoticed(t *testing.T) {
	t.Parallel()
	wasm := hostile.Module{}.Encode()
	dir, files := cacheOf(t, wasm)
	for _, path := range files {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		for n := range 40 {
			at := n * (len(content) - 1) / 39
			flipped := bytes.Clone(content)
			flipped[at] ^= 1 << (n % 8)
			require.NoError(t, os.WriteFile(path, flipped, 0o600))
			assert.Contains(t, loadIn(t, dir, wasm), "again", "%s: byte %d", path, at)
		}
	}
}

// Files of another module, in the place of a module's own, are not used, though each is
// whole: one of them, some, or all.
func TestFilesOfAnotherModuleAreNotUsed(t *testing.T) {
	t.Parallel()
	mine, other := hostile.Module{}.Encode(), hostile.Module{Run: hostile.Code(hostile.I32Const(0), hostile.Drop, hostile.Unreachable)}.Encode()
	dir, files := cacheOf(t, mine)
	others := cacheOfCrashing(t, other)
	require.Len(t, others, len(files))
	for all := 1; all < 1<<len(files); all++ {
		for i, path := range files {
			if all&(1<<i) == 0 {
				continue
			}
			content, err := os.ReadFile(others[i])
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}
		assert.Contains(t, loadIn(t, dir, mine), "again")
		assert.Empty(t, loadIn(t, dir, mine), "it is whole")
	}
}

// cacheOfCrashing returns the files of cacheOf for a module that does not run to its end.
func cacheOfCrashing(t *testing.T, wasm []byte) (files []string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	h, err := New(t.Context(), Config{CacheDir: dir})
	require.NoError(t, err)
	_, err = h.Inspect(t.Context(), wasm, nil)
	require.NoError(t, err)
	require.NoError(t, h.Close(context.Background()))
	return filesIn(t, dir)
}

// What is missing is made without a word: it may never have been there.
func TestAMissingCacheFileIsMade(t *testing.T) {
	t.Parallel()
	wasm := hostile.Module{}.Encode()
	dir, files := cacheOf(t, wasm)
	for _, path := range files {
		require.NoError(t, os.Remove(path))
		loadIn(t, dir, wasm)
		assert.FileExists(t, path)
	}
	require.NoError(t, os.RemoveAll(dir))
	assert.Empty(t, loadIn(t, dir, wasm))
}

// A folder that something else stands in the way of is made, and one that cannot be
// made is done without.
func TestACacheFolderThatCannotBeUsedStopsNothing(t *testing.T) {
	t.Parallel()
	wasm := hostile.Module{}.Encode()
	for name, c := range map[string]struct {
		in   func(t *testing.T, dir string) // puts something in the place of the folder
		says string
	}{
		"a_file": {func(t *testing.T, dir string) { require.NoError(t, os.WriteFile(dir, []byte("x"), 0o600)) }, ""},
		"a_link_to_nothing": {func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink(filepath.Join(filepath.Dir(dir), "nothing"), dir))
		}, ""},
		"below_a_file": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Dir(dir), []byte("x"), 0o600))
		}, "cache folder unusable"},
		"no_place_for_the_runtimes": {func(t *testing.T, dir string) {
			loadIn(t, dir, wasm)
			found, err := filepath.Glob(filepath.Join(dir, "wazero-*"))
			require.NoError(t, err)
			require.NoError(t, os.RemoveAll(found[0]))
			require.NoError(t, os.WriteFile(found[0], []byte("x"), 0o600))
		}, "again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "above", "cache")
			if name != "below_a_file" {
				require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o700))
			}
			c.in(t, dir)
			assert.Contains(t, loadIn(t, dir, wasm), c.says)
		})
	}
}
