package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// deletions makes large records under some keys and deletes every third, so that the
// blocks of many of those stay as they are.
func deletions(t *testing.T, s *Store[note], from, to int) {
	t.Helper()
	text := strings.Repeat("x", 8000)
	var writers errgroup.Group
	for w := range 32 {
		writers.Go(func() error {
			for i := from + w; i < to; i += 32 {
				revision, err := s.Create(t.Context(), fmt.Sprint(i), note{text, i})
				if err == nil && i%3 == 0 {
					err = s.Delete(t.Context(), fmt.Sprint(i), revision)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, writers.Wait())
}

// crashed is a copy of the folder as a crash would leave it: without what JetStream
// says is in the blocks.
func crashed(t *testing.T, l *Ledger) string {
	t.Helper()
	dir := copyOf(t, l)
	err := os.Remove(filepath.Join(dir, "records", "jetstream", "$G", "streams", "notes", "msgs", "index.db"))
	if !errors.Is(err, fs.ErrNotExist) { // it is not there yet
		require.NoError(t, err)
	}
	return dir
}

func TestADeletedRecordStaysDeletedThroughSweepsAndCrashes(t *testing.T) {
	t.Parallel()
	l, s := open(t, t.TempDir(), byText)
	deletions(t, s, 0, 3000)
	cleared, err := s.sweep(t.Context())
	require.NoError(t, err)
	assert.Less(t, cleared, 1000, "what the blocks still have stays hidden")
	deletions(t, s, 3000, 4000) // blocks are written anew meanwhile

	want := count(t, s, "")
	_, again := open(t, crashed(t, l), byText)
	assert.Equal(t, want, count(t, again, ""))
}

func TestATombstoneUnderWhichNothingIsLeftIsClearedAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, s := open(t, dir, byText)
	deletions(t, s, 0, 1500)
	for i := range 1500 { // nothing is left in the first blocks, which go
		if e, err := s.Get(t.Context(), fmt.Sprint(i)); err == nil {
			require.NoError(t, s.Delete(t.Context(), e.Key, e.Revision))
		}
	}
	require.EqualValues(t, 1500, s.tombstones.Load())
	cleared, err := s.sweep(t.Context())
	require.NoError(t, err)
	assert.Greater(t, cleared, 500)

	revision, err := s.Create(t.Context(), "0", note{"used again", 1})
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
	_, s = open(t, dir, byText)
	e, err := s.Get(t.Context(), "0")
	require.NoError(t, err)
	assert.Equal(t, revision, e.Revision)
	assert.InDelta(t, 1500-cleared, s.tombstones.Load(), 1, "the rest is counted, but for the one that is used again")
	assert.Equal(t, 1, count(t, s, ""))
}
