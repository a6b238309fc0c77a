package ledger

import (
	"os"
	"path/filepath"
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

// streamFolder is where JetStream keeps a stream.
func (l *Ledger) streamFolder(stream string) string {
	return filepath.Join(l.room.dir, "records", "jetstream", "$G", "streams", stream)
}

// unstage leaves the folder of data without links out of it. JetStream must have
// ended.
func (l *Ledger) unstage() {
	for _, dir := range l.staleStaging() {
		_ = os.RemoveAll(dir) // what stays only takes room
	}
	links, _ := filepath.Glob(l.stagingLink("*"))
	for _, link := range links {
		_ = os.Remove(link) // the next start removes what stays
	}
}

// staleStaging finds what a process that was killed left in memory. JetStream needs
// it until it has started.
func (l *Ledger) staleStaging() (dirs []string) {
	links, _ := filepath.Glob(l.stagingLink("*")) // the pattern is well formed
	for _, link := range links {
		target, err := os.Readlink(link)
		if err == nil && strings.HasPrefix(target, filepath.Join(memoryFolder, stagingPrefix)) {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	return dirs
}
