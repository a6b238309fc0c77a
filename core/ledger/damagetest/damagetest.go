// Package damagetest damages files as disks and hands do, for tests of what notices.
package damagetest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Damage is one way in which the file of a blob is no longer what it was.
type Damage struct {
	Name   string
	Reason string // what is said of it
	do     func(path string, content []byte) error
}

// All is every way. Root can read everything: it is not told of unreadable files.
func All() []Damage {
	const mismatch, size = "its content does not match its digest", "and its record says"
	all := []Damage{
		{"a_bit_at_the_start", mismatch, flip(func(int) int { return 0 })},
		{"a_bit_in_the_middle", mismatch, flip(func(n int) int { return n / 2 })},
		{"a_bit_at_the_end", mismatch, flip(func(n int) int { return n - 1 })},
		{"cut", "", func(path string, content []byte) error { return rewrite(path, content[:len(content)/2]) }},
		{"emptied", "", func(path string, _ []byte) error { return rewrite(path, nil) }},
		{"grown", "", func(path string, content []byte) error { return rewrite(path, append(content, 'x')) }},
		{"replaced_by_other_content", mismatch, func(path string, content []byte) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			other := make([]byte, len(content))
			return os.WriteFile(path, other, 0o400)
		}},
		{"replaced_by_a_link", "a symbolic link", func(path string, content []byte) error {
			elsewhere := path + ".elsewhere" // with the right content, even
			if err := os.Rename(path, elsewhere); err != nil {
				return err
			}
			return os.Symlink(elsewhere, path)
		}},
		{"replaced_by_a_folder", "a folder", func(path string, _ []byte) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.MkdirAll(filepath.Join(path, "within"), 0o700)
		}},
		{"replaced_by_a_pipe", "a pipe", func(path string, _ []byte) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return unix.Mkfifo(path, 0o600)
		}},
		{"removed", "its file is missing", func(path string, _ []byte) error { return os.Remove(path) }},
	}
	for i := range all {
		if all[i].Reason == "" {
			all[i].Reason = size
		}
	}
	if os.Geteuid() != 0 {
		all = append(all, Damage{"unreadable", "permission denied", func(path string, _ []byte) error { return os.Chmod(path, 0) }})
	}
	return all
}

// Path is where a blob is in a data folder.
func Path(dir, digest string) string { return filepath.Join(dir, "blobs", digest[:2], digest) }

// To damages a file. The function that it returns puts a whole one in its place, as an
// operator does from a backup.
func (d Damage) To(t *testing.T, path string) (putBack func()) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, d.do(path, content))
	return func() {
		t.Helper()
		require.NoError(t, os.RemoveAll(path))
		require.NoError(t, os.WriteFile(path, content, 0o400))
	}
}

func flip(at func(size int) int) func(string, []byte) error {
	return func(path string, content []byte) error {
		changed := append([]byte{}, content...)
		changed[at(len(changed))] ^= 1
		return rewrite(path, changed)
	}
}

// rewrite changes a file in place.
func rewrite(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(content)
	return err
}
