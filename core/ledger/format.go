package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The folder's format is a number in a file of its own. Format 1 was not written down:
// its records are in a message broker's files.
const (
	formatName = "format"
	format     = 2
)

// Formats that cannot be opened.
var (
	ErrNewerFormat = errors.New("the data folder was written by a newer version of thresher")
	ErrOlderFormat = errors.New("the data folder was written by an older version of thresher")
)

// checkFormat refuses a folder of another format, and writes the format of a new one
// down.
func checkFormat(dir string) error {
	path := filepath.Join(dir, formatName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newFormat(dir, path)
	}
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(string(data), "\n"))
	switch {
	case err != nil || n < 2:
		return fmt.Errorf("%w: %s holds %.20q: want the number %d and a line feed, unless you know that another version wrote the folder", ErrCorrupt, path, data, format)
	case n > format:
		return fmt.Errorf("%w: its format is %d, this version reads %d: use the newer version", ErrNewerFormat, n, format)
	}
	return nil
}

func newFormat(dir, path string) error {
	if _, err := os.Stat(filepath.Join(dir, storeFolder, "jetstream")); err == nil {
		return fmt.Errorf("%w: %s: with that version, run `thresher serve --data %s` and, beside it, `thresher backup FILE`; then stop it and, with this version, run `thresher restore FILE --data NEW_FOLDER`", ErrOlderFormat, dir, dir)
	}
	if _, err := os.Stat(filepath.Join(dir, storeFolder)); err == nil {
		return fmt.Errorf("%w: %s is missing beside records: write the number %d and a line feed into it, unless you know that another version wrote the folder", ErrCorrupt, path, format)
	}
	f, err := os.Create(path + ".new") // what is interrupted is done again by the next start
	if err != nil {
		return diskError("write the format", err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, format); err != nil {
		return diskError("write the format", err)
	}
	if err := f.Sync(); err != nil {
		return diskError("write the format", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return diskError("write the format", err)
	}
	return syncFolder(dir)
}
