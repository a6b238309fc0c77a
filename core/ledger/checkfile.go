package ledger

import (
	"encoding/binary"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"thresher/core/guard"
)

// checkedFiles are the files of a store that is checked. The store below looks for the
// bit that was flipped whenever it reads a damaged block, which takes half a second: once
// it has seen one, reading that block again is an error at once.
type checkedFiles struct {
	vfs.FS
	blocks *guard.Value[map[blockPlace]struct{}] // that do not match their checksum
}

// blockPlace is where a block is.
type blockPlace struct {
	file       string
	at, length int64
}

func newCheckedFiles() *checkedFiles {
	return &checkedFiles{FS: vfs.Default, blocks: guard.New("damaged blocks", guard.RankBlobs, map[blockPlace]struct{}{})}
}

// Open opens a file for reading.
func (c *checkedFiles) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := c.FS.Open(name, opts...)
	if err != nil || filepath.Ext(name) != ".sst" {
		return f, err
	}
	info, err := f.Stat()
	if err != nil {
		return f, nil //nolint:nilerr // whoever reads it finds out
	}
	return &checkedFile{f, c, filepath.Base(name), info.Size()}, nil
}

type checkedFile struct {
	vfs.File
	files *checkedFiles
	name  string
	size  int64
}

// ReadAt reads a block, which ends with a checksum of its own; or the end of the file,
// which does not.
func (f *checkedFile) ReadAt(p []byte, at int64) (int, error) {
	place := blockPlace{f.name, at, int64(len(p))}
	bad := false
	f.files.blocks.Must(func(blocks *map[blockPlace]struct{}) { _, bad = (*blocks)[place] })
	if bad {
		return 0, fmt.Errorf("%w: %s: the block at byte %d does not match its checksum", pebble.ErrCorruption, f.name, at)
	}
	n, err := f.File.ReadAt(p, at)
	if sum := len(p) - 4; err == nil && sum > 0 && at+int64(n) < f.size && binary.LittleEndian.Uint32(p[sum:]) != chunkSum(p[:sum]) {
		f.files.blocks.Must(func(blocks *map[blockPlace]struct{}) { (*blocks)[place] = struct{}{} })
	}
	return n, err
}
