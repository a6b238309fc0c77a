package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func needsMemoryFolder(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(memoryFolder); err != nil {
		t.Skip("SKIPPED: this machine has no file system in memory, so nothing is staged there")
	}
}

// copyOf is a copy of the folder of an open ledger, links and all.
func copyOf(t *testing.T, l *Ledger) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(l.room.dir)))
	return dir
}

func TestBatchesAreStagedInMemoryAndLeaveNothingThere(t *testing.T) {
	t.Parallel()
	needsMemoryFolder(t)
	dir := t.TempDir()
	l, err := Open(t.Context(), Config{Dir: dir})
	require.NoError(t, err)
	_, err = OpenStore(t.Context(), l, "notes", StoreConfig[note]{})
	require.NoError(t, err)
	first := l.staging
	target, err := os.Readlink(l.stagingLink("notes"))
	require.NoError(t, err)
	assert.DirExists(t, target)
	require.NoError(t, l.Close(t.Context()))
	assert.NoDirExists(t, first)

	// A process that was killed leaves its folder: the next one removes it.
	require.NoError(t, os.MkdirAll(target, 0o700))
	assert.NoFileExists(t, l.stagingLink("notes"))
	require.NoError(t, os.Symlink(target, l.stagingLink("notes")))
	l, s := open(t, dir, StoreConfig[note]{})
	assert.NoDirExists(t, first)
	assert.NotEqual(t, first, l.staging)

	// The memory of the machine is gone: the store goes on without.
	require.NoError(t, os.RemoveAll(l.staging))
	round := make([]*write[note], 2*batchFrom)
	for i := range round {
		value := note{N: i}
		round[i] = &write[note]{key: string(rune('a' + i)), value: &value, data: marshal(value), done: make(chan struct{})}
	}
	s.commit(round)
	for _, w := range round {
		<-w.done
		assert.NoError(t, w.err)
	}
}

// A copy of the folder of a server that runs has links to where that one stages.
func TestACopyOfAnOpenFolderLeavesTheOriginalAlone(t *testing.T) {
	t.Parallel()
	needsMemoryFolder(t)
	original, s := open(t, t.TempDir(), StoreConfig[note]{})
	_, err := s.Create(t.Context(), "a", note{N: 1})
	require.NoError(t, err)
	dir := copyOf(t, original)
	link := filepath.Join(dir, strings.TrimPrefix(original.stagingLink("notes"), original.room.dir))
	target, err := os.Readlink(link)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(original.staging, "notes"), target)

	_, s = open(t, dir, StoreConfig[note]{})
	assert.Equal(t, 1, count(t, s, ""))
	assert.DirExists(t, filepath.Join(original.staging, "notes"))
	target, err = os.Readlink(link)
	require.NoError(t, err)
	assert.NotEqual(t, filepath.Join(original.staging, "notes"), target)
}
