package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"thresher/core/guard"
)

// Blob names sealed content.
type Blob struct {
	Digest string // SHA-256, hex
	Bytes  int64
}

// ErrTooLarge is returned by Put for content over its limit.
var ErrTooLarge = errors.New("content is over its limit")

// Blobs is a folder of sealed files named after their content. A file is complete
// and on disk before it has its name, and never changes afterwards, so it may be
// mapped. What a disk or a hand made of it meanwhile is found before it is read: see
// [Blobs.Open]. Its methods may be called concurrently.
//
// Every blob is needed by someone: whoever put it, until it is released; the records
// that name it, as [StoreConfig] Blobs says. A blob that nobody needs is removed.
type Blobs struct {
	dir        string
	temp       string
	room       room
	references *references
	verdicts   *guard.Value[verdicts]
	durable    [folders]atomic.Bool // the folders of blobs that are there, also after a power cut
	syncFolder func(dir string) error
	scrubbed   atomic.Pointer[ScrubState]

	life     context.Context // ends when checks must
	quit     func()          // ends it
	checking sync.WaitGroup  // checks under way
}

func openBlobs(dir string, r room, named, needed func(digest string) (bool, error), log *slog.Logger) (*Blobs, error) {
	b := &Blobs{dir: dir, temp: filepath.Join(dir, "temp"), room: r, verdicts: newVerdicts(), syncFolder: syncFolder}
	life, end := context.WithCancelCause(context.Background())
	b.life, b.quit = life, func() { end(ErrClosed) }
	b.references = newReferences(named, needed, b.remove, log)
	if err := os.RemoveAll(b.temp); err != nil { // what a crash left half written
		return nil, fmt.Errorf("blobs: %w", err)
	}
	if err := os.MkdirAll(b.temp, 0o700); err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	return b, syncFolder(dir)
}

// Room returns an error that wraps ErrDiskFull where less than the reserve is free.
// Whoever writes to Temp asks now and then.
func (b *Blobs) Room() error { return b.room.check() }

// Temp is a folder for files on their way to Adopt. It is emptied at the start.
func (b *Blobs) Temp() string { return b.temp }

// path returns where the blob of that digest is, or would be. It is not exported:
// whoever reads a blob opens it with [Blobs.Open], which checks it.
func (b *Blobs) path(digest string) string {
	if !validDigest(digest) {
		return filepath.Join(b.dir, "not-a-digest")
	}
	return filepath.Join(b.dir, digest[:2], digest)
}

func validDigest(s string) bool {
	if len(s) != hex.EncodedLen(sha256.Size) {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Has reports whether there is something under that digest. Whether it is the blob is
// found when it is opened.
func (b *Blobs) Has(digest string) bool {
	_, err := os.Lstat(b.path(digest))
	return err == nil
}

// Put keeps what r yields, up to limit bytes, and holds it for the caller. More
// returns ErrTooLarge and keeps nothing.
func (b *Blobs) Put(ctx context.Context, r io.Reader, limit int64) (Blob, error) {
	if err := b.Room(); err != nil {
		return Blob{}, fmt.Errorf("put blob: %w", err)
	}
	f, err := os.CreateTemp(b.temp, "put-")
	if err != nil {
		return Blob{}, diskError("put blob", err)
	}
	defer os.Remove(f.Name()) // gone already once adopted
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), &untilDone{ctx, io.LimitReader(r, max(limit, limit+1))}) // limit+1 may be too much
	if err != nil {
		return Blob{}, diskError("put blob", err)
	}
	if n > limit {
		return Blob{}, fmt.Errorf("put blob: %w of %d bytes", ErrTooLarge, limit)
	}
	if err := f.Sync(); err != nil {
		return Blob{}, diskError("put blob", err)
	}
	return b.Adopt(f.Name(), hex.EncodeToString(sum.Sum(nil)))
}

// untilDone stops a copy when its context ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// Adopt moves a complete file, which must be on disk already and in Temp, to its
// place under its digest, and holds it for the caller, who vouches for the digest.
func (b *Blobs) Adopt(path, digest string) (Blob, error) {
	if !validDigest(digest) {
		return Blob{}, fmt.Errorf("adopt %s: %q is not a SHA-256", path, digest)
	}
	info, err := os.Stat(path)
	if err != nil {
		return Blob{}, fmt.Errorf("adopt blob: %w", err)
	}
	blob := Blob{Digest: digest, Bytes: info.Size()}
	b.references.claim(digest, true)
	if err := b.place(path, digest); err != nil {
		b.Release(digest)
		return Blob{}, err
	}
	return blob, nil
}

// place moves a file to its place. A file that is there already stays if it is known
// to be whole; otherwise it is replaced, so that putting content again repairs it.
func (b *Blobs) place(path, digest string) error {
	folder, err := b.makeFolder(digest)
	if err != nil {
		return diskError("adopt blob", err)
	}
	defer folder.Close()  // only synced
	if b.intact(digest) { // whoever put it may not have made its name durable yet
		return errors.Join(os.Remove(path), syncFile(folder))
	}
	if err := os.Chmod(path, 0o400); err != nil {
		return fmt.Errorf("adopt blob: %w", err)
	}
	err = unix.Renameat(unix.AT_FDCWD, path, int(folder.Fd()), digest)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) { // a folder stands there
		err = errors.Join(
			os.Rename(b.path(digest), filepath.Join(b.temp, "folder-"+digest)), // gone with the next start
			unix.Renameat(unix.AT_FDCWD, path, int(folder.Fd()), digest))
	}
	if err != nil {
		return diskError("adopt blob", err)
	}
	return syncFile(folder)
}

// makeFolder opens the folder that a blob belongs in, and makes it, durably, if needed.
// Another process, or a caller that has not yet returned, may have made it without that;
// and somebody may have removed it since.
func (b *Blobs) makeFolder(digest string) (*os.File, error) {
	first, err := strconv.ParseUint(digest[:2], 16, 8)
	if err != nil {
		return nil, err
	}
	durable := &b.durable[first]
	folder, err := openFolder(b.dir, digest)
	if err == nil && durable.Load() {
		return folder, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		durable.Store(false)
		folder, err = b.newFolder(digest)
	}
	if err != nil {
		return nil, err
	}
	if err := b.syncFolder(b.dir); err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	durable.Store(true)
	return folder, nil
}

func (b *Blobs) newFolder(digest string) (*os.File, error) {
	if err := os.Mkdir(filepath.Join(b.dir, digest[:2]), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return openFolder(b.dir, digest)
}

func syncFile(f *os.File) error {
	if err := f.Sync(); err != nil {
		return diskError("sync folder", err)
	}
	return nil
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	return syncFile(d)
}

func (b *Blobs) remove(digest string) error {
	defer b.forget(digest)
	if err := os.Remove(b.path(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove blob: %w", err)
	}
	return nil
}

// Sweep removes every blob that nobody needs, which is what a crash left between
// sealing an output and recording it; and from when it is called, a blob is removed
// when the last who needs it lets go. Every store whose records name blobs must be
// open by then.
func (b *Blobs) Sweep(ctx context.Context) error {
	b.references.state.Must(func(s *referenceCounts) { s.active = true })
	return filepath.WalkDir(b.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			return nil
		case err != nil:
			return fmt.Errorf("sweep blobs: %w", err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case entry.IsDir() && path == b.temp:
			return fs.SkipDir
		case !entry.IsDir() && validDigest(entry.Name()):
			b.references.drop(entry.Name())
		}
		return nil
	})
}

// close ends the checks under way, and waits for removals.
func (b *Blobs) close() {
	b.endChecks()
	b.references.pending.Wait()
}

// diskError tells a full disk from other failures.
func diskError(deed string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s: %w: %w", deed, ErrDiskFull, err)
	}
	return fmt.Errorf("%s: %w", deed, err)
}
