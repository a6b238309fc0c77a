package ledger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// JetStream writes an atomic batch twice: into a store of its own, with folders and
// files that are made, synced and removed; and then into the stream, with one sync
// for all of it. Only the second makes it durable. The first serves to complete a
// batch that a crash cut short: nobody has been told of its writes yet, and each of
// them may stand or not, so we can do without. It is therefore kept in memory,
// which halves the time of a batch; where that is not possible it stays where it is.

// memoryFolder is a file system in memory.
const memoryFolder = "/dev/shm"

const stagingPrefix = "thresher-batches-"

// stageInMemory puts what JetStream stages for a stream into memory, and reports
// whether it could. The stream must be there and not written to.
func (l *Ledger) stageInMemory(stream string) bool {
	if l.staging == "" {
		dir, err := os.MkdirTemp(memoryFolder, stagingPrefix)
		if err != nil {
			return false
		}
		if l.unlockStaging, err = lockFolder(dir); err != nil {
			_ = os.Remove(dir)
			return false
		}
		l.staging = dir
	}
	link, target := l.stagingLink(stream), filepath.Join(l.staging, stream)
	if _, err := os.Stat(filepath.Dir(link)); err != nil {
		return false // JetStream keeps its streams elsewhere
	}
	if err := os.RemoveAll(link); err != nil {
		return false
	}
	return os.Mkdir(target, 0o700) == nil && os.Symlink(target, link) == nil
}

func (l *Ledger) stagingLink(stream string) string {
	return filepath.Join(l.streamFolder(stream), "batches")
}

// streams lists the streams that JetStream keeps: none before its first start.
func (l *Ledger) streams() (names []string, err error) {
	entries, err := os.ReadDir(l.streamFolder(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.IsDir() { // others are not JetStream's
			names = append(names, e.Name())
		}
	}
	return names, err
}

// streamFolder is where JetStream keeps a stream.
func (l *Ledger) streamFolder(stream string) string {
	return filepath.Join(l.room.dir, "records", "jetstream", "$G", "streams", stream)
}

// unstage leaves the folder of data without links out of it. JetStream must have
// ended.
func (l *Ledger) unstage() {
	if l.staging == "" {
		return
	}
	streams, _ := l.streams() // the next start removes what stays
	for _, stream := range streams {
		if _, err := os.Readlink(l.stagingLink(stream)); err == nil {
			_ = os.Remove(l.stagingLink(stream))
		}
	}
	_ = os.RemoveAll(l.staging) // what stays only takes room
	_ = l.unlockStaging()
}

// staleStaging finds what a process that was killed left in memory. JetStream needs
// it until it has started. The links in a copy that was made of the folder of a
// process that runs lead to what is that one's: they are removed.
func (l *Ledger) staleStaging() (dirs []string, err error) {
	streams, err := l.streams()
	if err != nil {
		return nil, err
	}
	for _, stream := range streams {
		target, err := os.Readlink(l.stagingLink(stream))
		if err != nil || !strings.HasPrefix(target, filepath.Join(memoryFolder, stagingPrefix)) {
			continue
		}
		dir := filepath.Dir(target)
		if slices.Contains(dirs, dir) {
			continue
		}
		unlock, err := lockFolder(dir)
		switch {
		case err == nil:
			dirs = append(dirs, dir)
			_ = unlock()
		case errors.Is(err, ErrLocked):
			if err := os.Remove(l.stagingLink(stream)); err != nil {
				return nil, err
			}
		}
	}
	return dirs, nil
}
