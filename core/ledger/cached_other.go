//go:build !linux

package ledger

import "os"

// dropCached does nothing: not every system can forget what it holds of a file.
func dropCached(*os.File) {}
