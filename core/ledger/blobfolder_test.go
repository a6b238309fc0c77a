package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// powerless stands for a disk that keeps a folder of blobs only once the folder that it is in
// was synced. ext4 keeps it as soon as anything in it is synced: there a power cut shows nothing.
type powerless struct {
	*Blobs
	mu   sync.Mutex
	kept map[string]bool // folders that a power cut leaves
	sync func() error    // called first
}

func newPowerless(t *testing.T) *powerless {
	p := &powerless{Blobs: newBlobs(t), kept: map[string]bool{}, sync: func() error { return nil }}
	p.syncFolder = func(dir string) error {
		if err := p.sync(); err != nil {
			return err
		}
		return p.keep(dir)
	}
	return p
}

func (p *powerless) keep(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		p.kept[e.Name()] = true
	}
	return err
}

// put returns an error also where the blob would not be there after a power cut.
func (p *powerless) put(ctx context.Context, content string) (Blob, error) {
	blob, err := p.Put(ctx, strings.NewReader(content), 100)
	if err != nil {
		return blob, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.kept[blob.Digest[:2]] {
		return blob, fmt.Errorf("the folder of %s is lost in a power cut", blob.Digest)
	}
	return blob, nil
}

// putAndRemove removes the folder that a blob was put in.
func (p *powerless) putAndRemove(t *testing.T) {
	t.Helper()
	blob, err := p.put(t.Context(), "grain")
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Dir(p.path(blob.Digest))))
	delete(p.kept, blob.Digest[:2])
}

func TestTheFolderOfABlobIsDurableBeforeTheBlobIsAcknowledged(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(t *testing.T, p *powerless, folder string){
		"new":            func(*testing.T, *powerless, string) {},
		"made_by_others": func(t *testing.T, _ *powerless, folder string) { require.NoError(t, os.Mkdir(folder, 0o700)) },
		"full_disk_when_synced": func(t *testing.T, p *powerless, _ string) {
			p.sync = func() error { return syscall.ENOSPC }
			_, err := p.put(t.Context(), "grain")
			require.ErrorIs(t, err, ErrDiskFull)
			p.sync = func() error { return nil }
		},
		"removed_since": func(t *testing.T, p *powerless, _ string) { p.putAndRemove(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPowerless(t)
			before(t, p, filepath.Join(p.dir, fmt.Sprintf("%x", sha256.Sum256([]byte("grain")))[:2]))
			blob, err := p.put(t.Context(), "grain")
			require.NoError(t, err)
			assert.NoError(t, p.Check(t.Context(), blob))
		})
	}
}

// Nobody relies on a folder that another caller has made and is still about to sync.
func TestCallersDoNotRelyOnAFolderThatIsNotYetDurable(t *testing.T) {
	t.Parallel()
	for _, removed := range []bool{false, true} {
		t.Run(fmt.Sprintf("removed_%t", removed), func(t *testing.T) {
			t.Parallel()
			p := newPowerless(t)
			if removed {
				p.putAndRemove(t)
			}
			making, done := make(chan struct{}), make(chan struct{})
			var syncs atomic.Int32
			p.sync = func() error {
				if syncs.Add(1) == 1 {
					close(making)
					<-done
				}
				return nil
			}
			made := make(chan error, 1)
			go func() {
				_, err := p.put(t.Context(), "grain")
				made <- err
			}()
			select {
			case <-making:
			case err := <-made:
				require.NoError(t, err)
				t.Fatal("the folder was not synced")
			}
			_, err := p.put(t.Context(), "grain")
			close(done)
			assert.NoError(t, err)
			assert.NoError(t, <-made)
		})
	}
}
