package ledger

import (
	"fmt"
	"log/slog"
	"runtime"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// Memory of the store below, in bytes.
const (
	blockCache = 32 << 20
	memTable   = 8 << 20
)

// blockSizeOnDisk is how many bytes are compressed together: records of jobs are much
// alike, and a page of a list reads some fifty neighbours.
const blockSizeOnDisk = 16 << 10

func (l *Ledger) options() *pebble.Options {
	o := &pebble.Options{
		FS:                 l.disk,
		Comparer:           comparer,
		Logger:             storeLog{l},
		CacheSize:          blockCache,
		MemTableSize:       memTable,
		MaxOpenFiles:       1000,
		FormatMajorVersion: pebble.FormatWALSyncChunks, // whose logs tell a torn end from damage
		EventListener: &pebble.EventListener{
			BackgroundError: l.backgroundError,
			DataCorruption:  func(info pebble.DataCorruptionInfo) { l.foundDamage(info.Path, info.Details) },
		},
	}
	l.merging.listen(o.EventListener)
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].BlockSize = blockSizeOnDisk
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionGood })
	return o
}

// backgroundError logs an error of the store's background work, which is tried again.
func (l *Ledger) backgroundError(err error) {
	if !pebble.IsCorruptionError(err) && l.merging.failed.Load() == nil { // those are logged elsewhere
		l.log.Error("store", "error", reasonOf(err)) // the error itself logs its stack traces
	}
}

// foundDamage notes a file that does not match its checksums, once.
func (l *Ledger) foundDamage(path string, why error) {
	known := false
	l.damage.Must(func(files *map[string]string) {
		if _, known = (*files)[path]; !known {
			(*files)[path] = why.Error()
		}
	})
	if !known {
		l.log.Error("store damaged: restore the newest backup", "file", path, "error", reasonOf(why))
	}
}

// Damage lists the files of the store that were found to be damaged since the ledger
// was opened, and how.
func (l *Ledger) Damage() (list []string) {
	l.damage.Must(func(files *map[string]string) {
		for path, why := range *files {
			list = append(list, path+": "+why)
		}
	})
	slices.Sort(list)
	return list
}

// storeLog passes the log of the store below on. What it says of its work is of no
// interest to an operator.
type storeLog struct{ l *Ledger }

func (s storeLog) Infof(format string, args ...any) {
	s.l.log.Debug("store", "says", lazily{format, args})
}

func (s storeLog) Errorf(format string, args ...any) {
	s.l.log.Error("store", "says", lazily{format, args})
}

// Fatalf ends the goroutine: the store below must not end the program, and must not
// go on either. Whatever it holds, writers hear of it.
func (s storeLog) Fatalf(format string, args ...any) {
	s.l.disk.disable(fmt.Errorf(format, args...))
	runtime.Goexit()
}

// lazily is formatted only where it is logged.
type lazily struct {
	format string
	args   []any
}

func (t lazily) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf(t.format, t.args...)) }
