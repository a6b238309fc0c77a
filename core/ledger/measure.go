package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// SyncTime is how long small writes took to get onto a disk.
type SyncTime struct {
	P50, P99 time.Duration
	Writes   int
}

const (
	measuredWrites = 100
	measuredTime   = 250 * time.Millisecond // at most, so that a slow disk does not hold up the start
	measuredBytes  = 4 << 10
)

// MeasureSync writes to a folder's disk, a few times, as the records are written.
// Where there is no room to write it measures nothing.
func MeasureSync(dir string) (SyncTime, error) {
	f, err := os.Create(filepath.Join(dir, "measure")) // one name: what a crash leaves is written over
	if err != nil {
		return SyncTime{}, tolerated(diskError("measure syncs", err))
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, measuredBytes)
	var took []time.Duration
	for began := time.Now(); len(took) < measuredWrites && time.Since(began) < measuredTime; {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return SyncTime{}, tolerated(diskError("measure syncs", err))
		}
		if err := f.Sync(); err != nil {
			return SyncTime{}, tolerated(diskError("measure syncs", err))
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return SyncTime{P50: took[len(took)/2], P99: took[len(took)*99/100], Writes: len(took)}, nil
}

// tolerated lets a full disk pass: a server starts on one, to free it.
func tolerated(err error) error {
	if errors.Is(err, ErrDiskFull) {
		return nil
	}
	return err
}
