package ledger

import (
	"cmp"
	"fmt"

	"golang.org/x/sys/unix"
)

// DefaultReserve is the space on disk that new work leaves free, for stops,
// outcomes and deletions to be written in.
const DefaultReserve = 64 << 20

// Room returns why the store takes no writes, or an error that wraps ErrDiskFull where less
// than the reserve is free: nothing new may be begun then. What frees space or ends work is
// still written.
func (l *Ledger) Room() error { return cmp.Or(l.Able(), l.room.check()) }

// room watches the space on the disk of a folder.
type room struct {
	dir     string
	reserve int64 // bytes
}

// Free returns how much of the disk is free, and how much of that new work leaves.
func (l *Ledger) Free() (free, reserve int64, err error) {
	free, err = l.room.free()
	return free, l.room.reserve, err
}

func (r room) free() (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(r.dir, &fs); err != nil {
		return 0, fmt.Errorf("look for room: %w", err)
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil
}

func (r room) check() error {
	free, err := r.free()
	if err != nil {
		return err
	}
	if free < r.reserve {
		return fmt.Errorf("%w: %d MiB are free, %d MiB are kept in reserve", ErrDiskFull, free>>20, r.reserve>>20)
	}
	return nil
}
