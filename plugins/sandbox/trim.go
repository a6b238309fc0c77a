package sandbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// mostCompiled is how many bytes the folder of compiled code may keep. All in it can be
// made again, from a plugin's bytes.
const mostCompiled = 2 << 30

// trim deletes the files that were not used for the longest from a folder, until the
// rest is no more than most bytes. Who has one open may read on.
func trim(folder string, most int64) error {
	type file struct {
		path string
		size int64
		used time.Time
	}
	var files []file
	total := int64(0)
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		files = append(files, file{path, info.Size(), info.ModTime()})
		total += info.Size()
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range files {
		if total <= most {
			return nil
		}
		if err := ignoreGone(os.Remove(f.path)); err != nil {
			return err
		}
		total -= f.size
	}
	return nil
}

// ignoreGone: others use the folder as well.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// trim keeps the folder of compiled code within its bound.
func (h *Host) trim() {
	if h.cacheDir == "" {
		return
	}
	if err := trim(h.cacheDir, mostCompiled); err != nil {
		h.log.Warn("trim compilation cache failed", "folder", h.cacheDir, "err", err)
	}
}

// used notes that files of the folder were used. That it cannot is no harm: they may be
// made once more.
func (h *Host) used(entries ...string) {
	now := time.Now()
	for _, entry := range entries {
		_ = os.Chtimes(filepath.Join(h.cacheDir, entry), now, now)
	}
}
