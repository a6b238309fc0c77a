package ledger

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropCached lets the kernel forget what it holds in memory of a file, so that the
// disk is read. It is advice: what is mapped stays.
func dropCached(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
