package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nobody is the records that name no blob.
func nobody(string) (bool, error) { return false, nil }

func newBlobs(t *testing.T) *Blobs {
	t.Helper()
	b, err := openBlobs(filepath.Join(t.TempDir(), "blobs"), room{t.TempDir(), 1}, nobody, nobody, slog.Default())
	require.NoError(t, err)
	return b
}

func TestABlobIsNamedAfterItsContentAndSealed(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	blob, err := b.Put(t.Context(), strings.NewReader("grain"), 100)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte("grain"))
	assert.Equal(t, Blob{hex.EncodeToString(sum[:]), 5}, blob)

	again, err := b.Put(t.Context(), strings.NewReader("grain"), 5)
	require.NoError(t, err)
	assert.Equal(t, blob, again)

	f, err := b.Open(t.Context(), Unsized(blob.Digest))
	require.NoError(t, err)
	defer f.Close()
	content, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "grain", string(content))
	info, err := f.Stat()
	require.NoError(t, err)
	assert.EqualValues(t, 0o400, info.Mode().Perm())
	assert.Empty(t, files(t, b.Temp()))
}

func TestTooMuchIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	_, err := b.Put(t.Context(), strings.NewReader("chaff"), 4)
	assert.ErrorIs(t, err, ErrTooLarge)
	assert.Empty(t, files(t, b.dir))
}

func TestTheLargestLimitIsALimit(t *testing.T) {
	t.Parallel()
	_, err := newBlobs(t).Put(t.Context(), strings.NewReader("grain"), math.MaxInt64)
	assert.NoError(t, err)
}

func TestADigestCannotLeaveTheFolder(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	for _, digest := range []string{"", "..", "../../etc/passwd", strings.Repeat("A", 64), strings.Repeat("0", 63)} {
		_, err := b.Open(t.Context(), Unsized(digest))
		assert.ErrorIs(t, err, ErrNotFound, "%q", digest)
		_, err = b.Adopt(filepath.Join(b.Temp(), "x"), digest)
		assert.Error(t, err, "%q", digest)
	}
}

func TestABlobIsRemovedWhenTheLastWhoHoldsItLetsGo(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	require.NoError(t, b.Sweep(t.Context()))
	blob, err := b.Put(t.Context(), strings.NewReader("grain"), 100)
	require.NoError(t, err)
	require.True(t, b.Hold(blob.Digest))
	b.Release(blob.Digest)
	b.close()
	assert.True(t, b.Has(blob.Digest))
	b.Release(blob.Digest)
	b.close()
	assert.False(t, b.Has(blob.Digest))
	assert.False(t, b.Hold(blob.Digest), "what is gone cannot be held")
}

func TestSweepingKeepsWhatIsHeld(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	kept, err := b.Put(t.Context(), strings.NewReader("kept"), 100)
	require.NoError(t, err)
	gone, err := b.Put(t.Context(), strings.NewReader("gone"), 100)
	require.NoError(t, err)
	b.Release(gone.Digest)
	assert.True(t, b.Has(gone.Digest), "not before the records are read")
	require.NoError(t, b.Sweep(t.Context()))
	assert.True(t, b.Has(kept.Digest))
	assert.False(t, b.Has(gone.Digest))
}

// Putting what is just being removed, from many sides: whoever has put or held a
// blob can read it until it is released.
func TestPuttingRacesRemovalWithoutHarm(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	require.NoError(t, b.Sweep(t.Context()))
	var sides sync.WaitGroup
	for range 8 {
		sides.Go(func() {
			for n := range 100 {
				blob, err := b.Put(t.Context(), strings.NewReader(fmt.Sprint("grain", n%3)), 100)
				if !assert.NoError(t, err) {
					return
				}
				held := b.Hold(blob.Digest)
				assert.True(t, held && b.Has(blob.Digest))
				b.Release(blob.Digest)
				assert.True(t, b.Has(blob.Digest))
				b.Release(blob.Digest)
			}
		})
	}
	sides.Wait()
	b.close()
	assert.Empty(t, files(t, b.dir))
}

func TestHalfWrittenFilesGoAtTheNextStart(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.Temp(), "half"), []byte("x"), 0o600))
	b, err := openBlobs(b.dir, b.room, nobody, nobody, slog.Default())
	require.NoError(t, err)
	assert.Empty(t, files(t, b.Temp()))
}

// files lists the files in a folder and below.
func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			list = append(list, path)
		}
		return err
	}))
	return list
}
