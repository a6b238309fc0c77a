package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The mark is a file beside the store that says up to which revision it was on disk,
// written about once a second and when the ledger is closed. A store that is opened
// with less has lost what was acknowledged, whatever it says itself.
type mark struct {
	path     string
	revision uint64 // as it was written last
}

const (
	markName  = "mark"
	markEvery = time.Second
)

// openMark reads the mark. One that is damaged counts as none: it only guards.
func openMark(dir string) (m *mark, damaged bool, err error) {
	m = &mark{path: filepath.Join(dir, markName)}
	data, err := os.ReadFile(m.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, false, nil
	case err != nil:
		return nil, false, err
	case len(data) != 12 || crc32.Checksum(data[:8], castagnoli) != binary.BigEndian.Uint32(data[8:]):
		return m, true, nil
	}
	m.revision = binary.BigEndian.Uint64(data)
	return m, false, nil
}

// check returns an error if the store has lost what was on disk.
func (m *mark) check(revision uint64) error {
	if revision < m.revision {
		return fmt.Errorf("%w: the records end at revision %d, and revision %d was acknowledged", ErrCorrupt, revision, m.revision)
	}
	return nil
}

// write notes that the store is on disk up to a revision. A full disk is no error: the
// mark is only older then.
func (m *mark) write(revision uint64) error {
	if revision == m.revision {
		return nil
	}
	b := encodeUint(revision)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if err := os.WriteFile(m.path+".new", b, 0o600); err != nil {
		_ = os.Remove(m.path + ".new")
		return tolerated(diskError("write the mark", err))
	}
	if err := os.Rename(m.path+".new", m.path); err != nil {
		return err
	}
	m.revision = revision
	return nil
}
