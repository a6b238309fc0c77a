package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
)

// Everything in the cache folder is derived from the bytes of modules. Nothing there is
// trusted: each file is held against a checksum before it is used, and one that is
// damaged, or that another version left, is dropped, logged and made again.

// openCache opens the folder. One that cannot be used is made anew; where even that
// fails, the host has a folder of its own until it is closed.
func (h *Host) openCache(dir string) (err error) {
	if dir == "" {
		h.cache, err = newCache("")
		return err
	}
	if h.cache, err = usableCache(dir); err == nil {
		h.cacheDir = dir
		h.clearLeftovers()
		return nil
	}
	h.log.Warn("cache folder unusable: compiled code is kept in a temporary folder and made again at the next start", "folder", dir, "error", err)
	if h.cacheDir, err = os.MkdirTemp("", "thresher-cache-"); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	h.ownCache = true
	h.cache, err = newCache(h.cacheDir)
	return err
}

// closeCache closes what openCache opened.
func (h *Host) closeCache(ctx context.Context) error {
	err := h.cache.Close(ctx)
	if h.ownCache {
		err = errors.Join(err, os.RemoveAll(h.cacheDir))
	}
	return err
}

// usableCache opens a cache in a folder that it has written to, and clears away what
// stands where a folder should be.
func usableCache(dir string) (cache wazero.CompilationCache, err error) {
	for range 2 {
		if err = makeFolder(dir); err != nil {
			continue
		}
		if cache, err = newCache(dir); err == nil {
			return cache, nil
		}
		clearFiles(dir, "wazero-*")
	}
	return nil, err
}

// makeFolder makes a folder that can be read and written.
func makeFolder(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() || err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(dir) // the next line says what is wrong
	} else if err != nil {
		_ = os.Remove(dir) // a link to nothing, maybe
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for range 2 {
		if err = tryFolder(dir); err == nil {
			return nil
		}
		_ = os.Chmod(dir, 0o700) // as above
	}
	return err
}

func tryFolder(dir string) error {
	if _, err := os.ReadDir(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "trying-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// clearFiles removes what is no folder.
func clearFiles(dir, pattern string) {
	found, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is good
	for _, path := range found {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			_ = os.Remove(path) // whoever needs the place says that it is taken
		}
	}
}

// leftoverAge is how old a temporary folder is before nobody can be using it: other
// processes may use the cache as well.
const leftoverAge = time.Hour

// clearLeftovers removes what a process left that was killed while it compiled.
func (h *Host) clearLeftovers() {
	for _, pattern := range []string{"compiling-*", "rewriting-*", "trying-*"} {
		found, _ := filepath.Glob(filepath.Join(h.cacheDir, pattern)) // the pattern is good
		for _, path := range found {
			if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > leftoverAge {
				_ = os.RemoveAll(path) // the next start tries again
			}
		}
	}
}

// place moves a file that is whole to where it belongs in the cache, and clears away
// what is in its place.
func (h *Host) place(from, entry string) error {
	target := filepath.Join(h.cacheDir, entry)
	var err error
	for range 2 {
		if err = errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.Rename(from, target)); err == nil {
			return nil
		}
		h.log.Warn("cache file in the way is removed", "file", target, "error", err)
		if parent := filepath.Dir(target); parent != h.cacheDir {
			if info, err := os.Stat(parent); err != nil || !info.IsDir() {
				_ = os.Remove(parent) // the second try says what is wrong, here and below
			}
			_ = os.Chmod(parent, 0o700)
		}
		_ = os.RemoveAll(target)
	}
	return err
}

// errOtherVersion is wrapped by the error of a file that another version made.
var errOtherVersion = errors.New("made by another version")

// otherForm is the error of a file that does not begin as this version's do.
func otherForm(data []byte) error {
	if bytes.HasPrefix(data, []byte("thresher-")) {
		return errOtherVersion
	}
	return errors.New("it does not begin as it must")
}

// lost logs that a file of the cache cannot be used. That another version made it is
// what an upgrade looks like; anything else is damage.
func (h *Host) lost(what string, err error) {
	level := slog.LevelWarn
	if errors.Is(err, errOtherVersion) {
		level = slog.LevelInfo
	}
	h.log.Log(context.Background(), level, what, "error", err)
}

// drop removes a file of the cache that cannot be used.
func (h *Host) drop(entry string) {
	if err := os.RemoveAll(filepath.Join(h.cacheDir, entry)); err != nil {
		h.log.Warn("damaged cache file not removed", "file", entry, "error", err)
	}
}

// sealForm says which files seals are in.
const sealForm = "thresher-cache/3"

// seal returns the content of a mark: its name, and the files that belong together, with
// the checksum of each.
func (h *Host) seal(mark string, entries []string) (string, error) {
	var text strings.Builder
	fmt.Fprintln(&text, sealForm)
	fmt.Fprintln(&text, mark)
	for _, entry := range entries {
		sum, err := checksum(filepath.Join(h.cacheDir, entry))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&text, sum, entry)
	}
	return text.String(), nil
}

// marked returns the files that a mark names, or an error that says what is wrong with
// the mark or with one of them.
func (h *Host) marked(mark string) (entries []string, err error) {
	f, err := os.Open(filepath.Join(h.cacheDir, mark))
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	lines := bufio.NewScanner(f)
	if !lines.Scan() {
		return nil, errors.Join(fmt.Errorf("%s is empty", mark), lines.Err())
	}
	if lines.Text() != sealForm {
		return nil, otherForm(lines.Bytes())
	}
	if !lines.Scan() || lines.Text() != mark {
		return nil, fmt.Errorf("%s is damaged, or of another module", mark)
	}
	for lines.Scan() {
		want, entry, ok := strings.Cut(lines.Text(), " ")
		if !ok || !filepath.IsLocal(entry) {
			return entries, fmt.Errorf("%s is damaged", mark)
		}
		entries = append(entries, entry)
		if got, err := checksum(filepath.Join(h.cacheDir, entry)); err != nil {
			return entries, err
		} else if got != want {
			return entries, fmt.Errorf("%s is damaged: its checksum is %s, want %s", entry, got, want)
		}
	}
	if len(entries) == 0 {
		return nil, errors.Join(fmt.Errorf("%s names no file", mark), lines.Err())
	}
	return entries, lines.Err()
}

func checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
