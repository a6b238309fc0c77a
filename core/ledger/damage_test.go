package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const damageRecords = 1000

func damageNote(i int) note {
	return note{fmt.Sprintf("text %d %s", i%50, strings.Repeat("x", i%300)), i}
}

// aFolder makes a folder with all kinds of files that a store has, as a closed ledger
// leaves it or as a killed one does, and returns it.
func aFolder(t *testing.T, killed bool) string {
	t.Helper()
	dir := t.TempDir()
	l, s := open(t, dir, byText)
	fill(t, s, 0, damageRecords/2, damageNote)
	require.NoError(t, l.db.Flush())
	fill(t, s, damageRecords/2, damageRecords/2, damageNote)
	require.Eventually(t, func() bool { m, _, err := openMark(dir); return err == nil && m.revision == l.Revision() }, waits, tick)
	if killed {
		dead := t.TempDir()
		require.NoError(t, os.CopyFS(dead, os.DirFS(dir)))
		return dead
	}
	require.NoError(t, l.Close(t.Context()))
	return dir
}

// read opens a folder and reads all of it, and says what is wrong with what was read.
func readAll(ctx context.Context, dir string) (wrong string, err error) {
	l, err := Open(ctx, Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.Close(ctx)) }()
	s, err := OpenStore(ctx, l, "notes", byText)
	if err != nil {
		return "", err
	}
	for i := range damageRecords {
		e, err := s.Get(ctx, fmt.Sprintf("k%06d", i))
		if err != nil {
			return fmt.Sprintf("record %d: %v", i, err), err
		}
		if e.Value != damageNote(i) {
			return fmt.Sprintf("record %d is %v", i, e.Value), nil
		}
	}
	n, err := s.CountQuery(ctx, Query{Terms: []string{"even=true"}})
	if err == nil && n != damageRecords/2 {
		return fmt.Sprintf("%d records are even", n), nil
	}
	return "", err
}

// One bit is flipped in any file of the folder: the start is refused, or the record
// that is hit, or nothing is lost; and whatever is refused is called damage.
func TestOneFlippedBitIsNeverServedAndNeverSilent(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"closed": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := aFolder(t, killed)
			wrong, err := readAll(t.Context(), clone(t, dir))
			require.NoError(t, err)
			require.Empty(t, wrong)
			hit := map[string]int{}
			for _, path := range files(t, dir) {
				rel, err := filepath.Rel(dir, path)
				require.NoError(t, err)
				for _, bit := range bitsOf(t, path) {
					hit[kindOf(rel)] += flipOne(t, dir, rel, bit)
				}
			}
			t.Logf("flips that were refused, by kind of file: %v", hit)
			assert.NotZero(t, hit["log"])
			assert.NotZero(t, hit["sst"])
			assert.NotZero(t, hit["MANIFEST"])
		})
	}
}

// The store below compares the names in its options: another name is damage too.
func TestAFlippedBitInTheNamesOfTheOptionsIsDamage(t *testing.T) {
	t.Parallel()
	dir := aFolder(t, false)
	found, err := filepath.Glob(filepath.Join(dir, "records", "OPTIONS-*"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	text, err := os.ReadFile(found[0])
	require.NoError(t, err)
	rel, err := filepath.Rel(dir, found[0])
	require.NoError(t, err)
	for _, name := range []string{comparer.Name, "pebble.concatenate"} {
		at := bytes.Index(text, []byte(name))
		require.Positive(t, at, name)
		assert.Equal(t, 1, flipOne(t, dir, rel, int64(8*at)), name)
		assert.Equal(t, 1, flipOne(t, dir, rel, int64(8*(at+len(name)))), "the end of the line of %s", name)
	}
}

// flipOne flips a bit in a copy of a folder and reads that. It returns 1 where that was
// refused.
func flipOne(t *testing.T, dir, rel string, bit int64) int {
	t.Helper()
	hurt := clone(t, dir)
	defer os.RemoveAll(hurt)
	flip(t, filepath.Join(hurt, rel), bit)
	wrong, err := readAll(t.Context(), hurt)
	if err == nil {
		require.Empty(t, wrong, "%s, bit %d: served", rel, bit)
		return 0
	}
	known := errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNewerFormat)
	require.True(t, known, "%s, bit %d: not called damage: %v", rel, bit, err)
	require.NotErrorIs(t, err, ErrNotFound, "%s, bit %d", rel, bit)
	text := err.Error()
	require.NotContains(t, text, "stack trace", "%s, bit %d", rel, bit)
	require.NotContains(t, text, "<corruption", "%s, bit %d: what the store attaches to its error", rel, bit)
	if strings.HasPrefix(text, "open store ") {
		require.Contains(t, text, "Restore the newest backup", "%s, bit %d: it does not say what to do", rel, bit)
	}
	return 1
}

// clone copies a folder.
func clone(t *testing.T, dir string) string {
	t.Helper()
	to, err := os.MkdirTemp(t.TempDir(), "clone")
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// flip flips one bit of a file.
func flip(t *testing.T, path string, bit int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data[bit/8] ^= 1 << (bit % 8)
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

// bitsOf chooses bits of a file: at its start, at its end, and some between.
func bitsOf(t *testing.T, path string) (bits []int64) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	n := 8 * info.Size()
	if n == 0 {
		return nil
	}
	bits = []int64{0, n - 1, n - 100}
	for range flips() {
		bits = append(bits, rand.N(n))
	}
	for i, bit := range bits {
		bits[i] = max(bit, 0)
	}
	return bits
}

func kindOf(rel string) string {
	name := filepath.Base(rel)
	if kind, _, ok := strings.Cut(name, "-"); ok {
		return kind
	}
	return strings.TrimPrefix(filepath.Ext(name), ".")
}

// flips is how many bits of a file are chosen at random.
func flips() int {
	if testing.Short() {
		return 1
	}
	return 20
}
