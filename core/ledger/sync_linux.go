package ledger

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData puts on disk what was written to a file. The time of it, which would take
// a write of the file system's journal, may come later.
func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
