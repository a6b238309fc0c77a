package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"thresher/core/guard"
)

// AnySize is the size of a blob whose record does not say it.
const AnySize = -1

// Unsized is a blob of which only the digest is known.
func Unsized(digest string) Blob { return Blob{digest, AnySize} }

// ErrDamaged is wrapped by every [Damaged].
var ErrDamaged = errors.New("the blob is damaged")

// Damaged is the error of a blob whose file is not what its digest says.
type Damaged struct {
	Digest string
	Reason string // what is wrong with the file
	Owner  string // what is kept in it, where that is known, such as "dataset NAME table T"
}

func (e *Damaged) Error() string {
	if e.Owner == "" {
		return fmt.Sprintf("blob %s is damaged: %s", e.Digest, e.Reason)
	}
	return fmt.Sprintf("%s is damaged: %s (blob %s)", e.Owner, e.Reason, e.Digest)
}

func damaged(digest, reason string) *Damaged { return &Damaged{Digest: digest, Reason: reason} }

// Owned adds what a blob holds to the error of damage. Other errors stay as they are.
func Owned(err error, owner string) error {
	var d *Damaged
	if !errors.As(err, &d) {
		return err
	}
	return &Damaged{d.Digest, d.Reason, owner}
}

// Unwrap returns ErrDamaged.
func (e *Damaged) Unwrap() error { return ErrDamaged }

// fileState tells a file that was checked from one that has changed since, without
// reading it. The time of the last change of the inode is part of it, because the
// time of the last write can be set to any value.
type fileState struct {
	device, inode  uint64
	size           int64
	written, moved int64 // mtime and ctime, ns since 1970
}

// stateOf returns the state of an open file, and its type: one of unix.S_IF….
func stateOf(f *os.File) (s fileState, kind uint32, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return s, 0, os.NewSyscallError("fstat", err)
	}
	return fileState{uint64(st.Dev), st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}, uint32(st.Mode) & unix.S_IFMT, nil
}

// sameContent reports whether nobody has written to the file in between.
func (s fileState) sameContent(other fileState) bool {
	s.moved = other.moved
	return s == other
}

// settled reports whether a later write would change the state: the clock of a file
// system may stand still for some milliseconds.
func (s fileState) settled(now time.Time) bool {
	const tick = 20 * time.Millisecond
	return now.Sub(time.Unix(0, s.moved)).Abs() > tick
}

// openFile opens a blob's file without following links, and does not read it. A file
// that cannot be the blob is a *[Damaged]; one that is missing is damage only if
// someone references the blob, and ErrNotFound otherwise.
func (b *Blobs) openFile(blob Blob) (*os.File, fileState, error) {
	guard.Blocking("read of a blob")
	if !validDigest(blob.Digest) {
		return nil, fileState{}, fmt.Errorf("blob %s: %w", blob.Digest, ErrNotFound)
	}
	f, err := openBeneath(b.dir, blob.Digest)
	if err != nil {
		return nil, fileState{}, b.unopened(blob.Digest, err)
	}
	state, kind, err := stateOf(f)
	if reason := unfit(state, kind, blob.Bytes); err == nil && reason != "" {
		err = damaged(blob.Digest, reason)
	}
	if err != nil {
		_ = f.Close() // nothing was read
		return nil, state, err
	}
	return f, state, nil
}

// unfit says why a file of that type and size cannot be a blob, or nothing.
func unfit(s fileState, kind uint32, want int64) string {
	switch {
	case kind == unix.S_IFDIR:
		return "a folder stands in its place"
	case kind != unix.S_IFREG:
		return "a pipe, a socket or a device stands in its place"
	case want >= 0 && s.size != want:
		return fmt.Sprintf("its file has %d bytes, and its record says %d", s.size, want)
	}
	return ""
}

// openBeneath opens dir/xx/xxyy… where neither the folder xx nor the file may be a
// link. It does not wait where the file is a pipe.
func openBeneath(dir, digest string) (*os.File, error) {
	folder, err := openFolder(dir, digest)
	if err != nil {
		return nil, err
	}
	defer folder.Close() // only read
	fd, err := retryInterrupted(func() (int, error) {
		return unix.Openat(int(folder.Fd()), digest, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir, digest[:2], digest)), nil
}

// openFolder opens the folder that a blob is in. The folder of all blobs may be a
// link, to another disk for example; what is in it may not.
func openFolder(dir, digest string) (*os.File, error) {
	path := filepath.Join(dir, digest[:2])
	fd, err := retryInterrupted(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

func retryInterrupted(open func() (int, error)) (fd int, err error) {
	for {
		if fd, err = open(); !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// unopened is the error for a file that could not be opened: damage, unless the
// process lacks something, or nobody references the blob.
func (b *Blobs) unopened(digest string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		if !b.Referenced(digest) {
			return fmt.Errorf("blob %s: %w", digest, ErrNotFound)
		}
		return damaged(digest, "its file is missing")
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("open blob %s: %w", digest, err)
	case errors.Is(err, unix.ELOOP):
		return damaged(digest, "a symbolic link stands in its place")
	case errors.Is(err, unix.ENOTDIR):
		return damaged(digest, "its folder is no folder, or a symbolic link")
	}
	return damaged(digest, fmt.Sprintf("its file cannot be opened: %v", err))
}

// Referenced reports whether a record refers to the blob, or somebody holds it. One that
// is only retained is not referenced.
func (b *Blobs) Referenced(digest string) bool { return b.references.needs(digest) }

// Naming lists the newest records that refer to a blob or retain it.
func (s *Store[T]) Naming(ctx context.Context, digest string, limit int) ([]Entry[T], error) {
	found, _, err := s.List(ctx, Query{AnyOf: [][]string{{blobTerm(digest), retainTerm(digest)}}, Limit: limit})
	return found, err
}
