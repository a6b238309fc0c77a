//go:build !linux

package ledger

import "os"

// syncData puts on disk what was written to a file.
func syncData(f *os.File) error { return f.Sync() }
