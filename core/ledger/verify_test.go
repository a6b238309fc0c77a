package ledger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/ledger/damagetest"
)

// put puts content that is referenced until the test ends.
func put(t *testing.T, b *Blobs, content string) Blob {
	t.Helper()
	blob, err := b.Put(t.Context(), strings.NewReader(content), 1<<30)
	require.NoError(t, err)
	return blob
}

// settle waits until the clock of the file system has moved on from a blob's last
// change: from then on a verdict on it is remembered.
func settle(t *testing.T, b *Blobs, blob Blob) fileState {
	t.Helper()
	var state fileState
	require.Eventually(t, func() bool {
		f, s, err := b.openFile(blob)
		require.NoError(t, err)
		defer f.Close()
		state = s
		return s.settled(time.Now())
	}, 10*time.Second, time.Millisecond)
	return state
}

func TestABlobIsCheckedOnceForEachStateOfItsFile(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	blob := put(t, b, strings.Repeat("grain", 1000))
	state := settle(t, b, blob)
	whole, err := b.known(blob.Digest, state)
	require.NoError(t, err)
	require.False(t, whole, "nobody has read it yet")
	require.NoError(t, b.Check(t.Context(), blob))
	whole, err = b.known(blob.Digest, state)
	assert.NoError(t, err)
	assert.True(t, whole)

	// Written in place, with its old size and time of writing: it is read again.
	path := b.path(blob.Digest)
	before, err := os.Stat(path)
	require.NoError(t, err)
	damagetest.All()[0].To(t, path)
	require.NoError(t, os.Chtimes(path, before.ModTime(), before.ModTime()))
	assert.ErrorIs(t, b.Check(t.Context(), blob), ErrDamaged)
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	v := verdicts{whole: map[string]fileState{}, older: map[string]fileState{}, damaged: map[string]Damage{}}
	for i := range 5 * rememberWhole {
		v.foundWhole(fmt.Sprint(i), fileState{inode: uint64(i)})
		v.foundDamaged(Damage{Damaged: Damaged{Digest: fmt.Sprint("damaged", i)}})
	}
	assert.LessOrEqual(t, len(v.whole)+len(v.older), 2*rememberWhole)
	assert.LessOrEqual(t, len(v.damaged), rememberDamaged)
	_, ok := v.whole[fmt.Sprint(5*rememberWhole-1)]
	assert.True(t, ok, "the newest is remembered")
}

// slow puts a blob that takes some reading.
func slow(t *testing.T, b *Blobs) Blob { return put(t, b, strings.Repeat("x", 64<<20)) }

func TestThoseWhoReadAtOnceShareOneCheck(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	blob := slow(t, b)
	first, err := b.join(blob)
	require.NoError(t, err)
	second, err := b.join(blob)
	require.NoError(t, err)
	assert.Same(t, first, second)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() { assert.NoError(t, b.Check(t.Context(), blob)) })
	}
	readers.Wait()
	<-first.done
	assert.NoError(t, first.err)
}

func TestAReaderWhoGivesUpDoesNotSpoilItForOthers(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	blob := slow(t, b)
	stays, err := b.join(blob)
	require.NoError(t, err)
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrClosedPipe)
	assert.ErrorIs(t, b.Check(gone, blob), io.ErrClosedPipe)
	<-stays.done
	assert.NoError(t, stays.err)

	other := put(t, b, strings.Repeat("y", 64<<20))
	alone, err := b.join(other)
	require.NoError(t, err)
	b.verdicts.Must(func(*verdicts) { alone.asking-- }) // as if nobody else had asked
	assert.ErrorIs(t, b.Check(gone, other), io.ErrClosedPipe)
	<-alone.done
	assert.ErrorIs(t, alone.err, context.Canceled, "who nobody waits for is ended")
	assert.Empty(t, b.Damaged())
	assert.NoError(t, b.Check(t.Context(), other), "and the next begins anew")
}

func TestClosingEndsChecks(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	blob := slow(t, b)
	c, err := b.join(blob)
	require.NoError(t, err)
	b.close()
	<-c.done
	assert.ErrorIs(t, b.Check(t.Context(), blob), ErrClosed)
	assert.Empty(t, b.Damaged())
}

// Every damage is found by whoever comes first: a reader, a copy, the scrubber; it is
// remembered until the file is whole; and putting the content again repairs it.
func TestEveryDamageIsFoundByEveryone(t *testing.T) {
	t.Parallel()
	finders := map[string]func(t *testing.T, b *Blobs, blob Blob) error{
		"a_reader": func(t *testing.T, b *Blobs, blob Blob) error { return b.Check(t.Context(), blob) },
		"a_reader_who_does_not_know_the_size": func(t *testing.T, b *Blobs, blob Blob) error {
			return b.Check(t.Context(), Unsized(blob.Digest))
		},
		"a_copy": func(t *testing.T, b *Blobs, blob Blob) error {
			var to bytes.Buffer
			size := int64(-1)
			err := b.Copy(t.Context(), Unsized(blob.Digest), func(n int64) (io.Writer, error) { size = n; return &to, nil })
			if size >= 0 {
				assert.EqualValues(t, size, to.Len(), "what was announced was written")
			}
			return err
		},
		"the_scrubber": func(t *testing.T, b *Blobs, blob Blob) error {
			if err := b.VerifyAll(t.Context(), func(Verified) {}); err != nil {
				return err
			}
			if len(b.Damaged()) == 0 {
				return b.Look(blob) // it is missing
			}
			return &b.Damaged()[0].Damaged
		},
	}
	for _, damage := range damagetest.All() {
		for name, find := range finders {
			t.Run(damage.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				b := newBlobs(t)
				content := strings.Repeat("grain", 100_000)
				blob := put(t, b, content)
				settle(t, b, blob)
				require.NoError(t, find(t, b, blob))
				require.Empty(t, b.Damaged())
				putBack := damage.To(t, b.path(blob.Digest))
				assert.ErrorIs(t, find(t, b, blob), ErrDamaged)
				require.Len(t, b.Damaged(), 1)
				assert.Equal(t, blob.Digest, b.Damaged()[0].Digest)
				assert.ErrorIs(t, b.LookAgain(t.Context(), b.Damaged()[0]), ErrDamaged)
				_, err := b.Open(t.Context(), blob)
				assert.ErrorIs(t, err, ErrDamaged)

				putBack()
				assert.NoError(t, b.LookAgain(t.Context(), b.Damaged()[0]))
				assert.Empty(t, b.Damaged())

				damage.To(t, b.path(blob.Digest))
				put(t, b, content)
				f, err := b.Open(t.Context(), blob)
				require.NoError(t, err, "putting it again repairs it")
				got, err := io.ReadAll(f)
				require.NoError(t, err)
				assert.Equal(t, content, string(got))
				assert.NoError(t, f.Close())
			})
		}
	}
}

func TestAFolderThatIsALinkIsNotFollowed(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	blob := put(t, b, "grain")
	folder := filepath.Dir(b.path(blob.Digest))
	require.NoError(t, os.Rename(folder, folder+".elsewhere"))
	require.NoError(t, os.Symlink(folder+".elsewhere", folder))
	assert.ErrorIs(t, b.Check(t.Context(), blob), ErrDamaged)
	_, err := b.Put(t.Context(), strings.NewReader("grain"), 100)
	assert.Error(t, err, "nothing is written behind a link")
}

func TestWhatNobodyReferencesIsNotDamaged(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	require.NoError(t, b.Sweep(t.Context()))
	blob := put(t, b, "grain")
	require.NoError(t, os.Remove(b.path(blob.Digest)))
	assert.ErrorIs(t, b.Look(blob), ErrDamaged)
	b.Release(blob.Digest)
	b.references.pending.Wait()
	assert.ErrorIs(t, b.Look(blob), ErrNotFound)
	assert.Empty(t, b.Damaged(), "it went with who referenced it")
}
