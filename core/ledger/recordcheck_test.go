package ledger

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// checked is a ledger with two kinds: one with sealed blocks, and one of few records.
func checked(t *testing.T, dir string) (*Ledger, *Store[note]) {
	t.Helper()
	cfg := byText
	cfg.Sums = func(n note) []Sum { return []Sum{{"all", 1, int64(n.N)}} }
	l, err := Open(t.Context(), Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close(t.Context())) })
	s, err := OpenStore(t.Context(), l, "notes", cfg)
	require.NoError(t, err)
	few, err := OpenStore(t.Context(), l, "few", StoreConfig[note]{})
	require.NoError(t, err)
	if n, err := s.Count(t.Context(), ""); err == nil && n == 0 {
		fill(t, s, 0, 2*blockSize+10, func(i int) note { return note{fmt.Sprint("text ", i%50), i} })
		_, err = few.Create(t.Context(), "one", note{"only", 1})
		require.NoError(t, err)
		for i := range 20 { // a part of a sealed block changes and goes
			_, err := s.Modify(t.Context(), fmt.Sprintf("k%06d", 10*i), func(n *note) (*note, error) {
				if i%2 == 0 {
					return nil, nil
				}
				return &note{"other", n.N + 1}, nil
			})
			require.NoError(t, err)
		}
		require.Eventually(t, func() bool {
			sealed := 0
			l.view.Must(func(v *view) {
				for _, b := range v.kinds["notes"].seals {
					sealed += count(b.id != 0)
				}
			})
			return sealed == 2
		}, waits, tick)
	}
	return l, s
}

func verified(t *testing.T, l *Ledger) []RecordDamage {
	t.Helper()
	require.NoError(t, l.VerifyRecords(t.Context(), RecordCheck{}))
	return l.DamagedRecords()
}

// A store that nothing happened to is whole: while it is open, and when it was closed.
func TestACheckOfRecordsFindsNothingInAStoreThatIsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := checked(t, dir)
	assert.Empty(t, verified(t, l))
	kinds, err := l.Kinds()
	require.NoError(t, err)
	assert.Equal(t, []string{"few", "notes"}, kinds)
	left, err := os.ReadDir(filepath.Join(dir, checkFolder))
	require.NoError(t, err)
	assert.Empty(t, left)
	require.NoError(t, l.Close(t.Context()))
	read := int64(0)
	found, err := VerifyStopped(t.Context(), dir, RecordCheck{Progress: func(n int64) { read = n }})
	require.NoError(t, err)
	assert.Empty(t, found)
	assert.Positive(t, read)
}

// One bit is flipped in each kind of entry, behind the checksums of the store below: as
// memory that fails does. It is named by kind, part and key, and nothing else is.
func TestOneFlippedBitInAnyKindOfEntryIsNamed(t *testing.T) {
	t.Parallel()
	notes, few := &kind{name: "notes"}, &kind{name: "few"}
	tests := map[string]struct {
		key  func(t *testing.T, l *Ledger) []byte
		bit  int // from the end
		want RecordDamage
	}{
		"a_record":          {at(notes, "k000001"), 9, RecordDamage{Kind: "notes", Part: PartRecord, Key: "k000001"}},
		"a_record_of_few":   {at(few, "one"), 9, RecordDamage{Kind: "few", Part: PartRecord, Key: "one"}},
		"a_key":             {is(notes.keyKey("k000001")), 1, RecordDamage{Kind: "notes", Part: PartKey, Key: "k000001"}},
		"a_key_of_few":      {is(few.keyKey("one")), 1, RecordDamage{Kind: "few", Part: PartKey, Key: "one"}},
		"an_index_entry":    {is(notes.indexKey("even=true", 1)), 1, RecordDamage{Kind: "notes", Part: PartIndex, Key: `"even=true" of block 1`}},
		"an_entry_of_a_few": {is(notes.indexKey("text=other", 0)), 1, RecordDamage{Kind: "notes", Part: PartIndex, Key: `"text=other" of block 0`}},
		"a_sum":             {is(notes.sumKey("all")), 1, RecordDamage{Kind: "notes", Part: PartSum, Key: "all"}},
	}
	dir := t.TempDir()
	l, _ := checked(t, dir)
	require.NoError(t, l.Close(t.Context()))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hurt := clone(t, dir)
			l, _ := checked(t, hurt)
			key := test.key(t, l)
			flipEntry(t, l.db, key, test.bit)
			found := verified(t, l)
			require.NotEmpty(t, found)
			for _, d := range found {
				assert.NotEmpty(t, d.Reason)
				d.Reason = ""
				assert.Equal(t, test.want, d)
			}
			flipEntry(t, l.db, key, test.bit)
			assert.Empty(t, verified(t, l), "it is whole again")
		})
	}
}

func is(key []byte) func(*testing.T, *Ledger) []byte {
	return func(*testing.T, *Ledger) []byte { return key }
}

// at returns where the record of a key is.
func at(k *kind, key string) func(*testing.T, *Ledger) []byte {
	return func(t *testing.T, l *Ledger) []byte {
		position, err := k.positionOf(l.db, key)
		require.NoError(t, err)
		return k.recordKey(position)
	}
}

func flipEntry(t *testing.T, db *pebble.DB, key []byte, bit int) {
	t.Helper()
	stored, closer, err := db.Get(key)
	require.NoError(t, err)
	value := append([]byte{}, stored...)
	require.NoError(t, closer.Close())
	value[len(value)-1-bit/8] ^= 1 << (bit % 8)
	require.NoError(t, db.Set(key, value, pebble.Sync))
}

// An entry that is gone, or that should not be there, is named too.
func TestAnEntryThatIsGoneOrTooManyIsNamed(t *testing.T) {
	t.Parallel()
	notes := &kind{name: "notes"}
	tests := map[string]struct {
		do   func(t *testing.T, l *Ledger) error
		want RecordDamage
	}{
		"record_gone": {
			func(t *testing.T, l *Ledger) error { return l.db.Delete(at(notes, "k000001")(t, l), pebble.Sync) },
			RecordDamage{Kind: "notes", Part: PartRecord, Key: "k000001"},
		},
		"key_gone": {
			func(_ *testing.T, l *Ledger) error { return l.db.Delete(notes.keyKey("k000001"), pebble.Sync) },
			RecordDamage{Kind: "notes", Part: PartKey, Key: "k000001"},
		},
		"entry_gone": {
			func(_ *testing.T, l *Ledger) error { return l.db.Delete(notes.indexKey("even=true", 1), pebble.Sync) },
			RecordDamage{Kind: "notes", Part: PartIndex, Key: `"even=true" of block 1`},
		},
		"entry_too_many": {
			func(_ *testing.T, l *Ledger) error {
				var id uint64
				l.view.Must(func(v *view) { id = v.kinds["notes"].seals[1].id })
				return l.db.Set(notes.indexKey("odd", 1), (&places{few: []uint16{7}}).encode(id), pebble.Sync)
			},
			RecordDamage{Kind: "notes", Part: PartIndex, Key: `"odd" of block 1`},
		},
		"kind_that_nobody_opened": {
			func(_ *testing.T, l *Ledger) error {
				stray := &kind{name: "stray"}
				return errors.Join(l.db.Set(stray.nextKey(), encodeUint(1), pebble.Sync), l.db.Set(stray.keyKey("lost"), encodeUint(0), pebble.Sync))
			},
			RecordDamage{Kind: "stray", Part: PartRecord, Key: "lost"},
		},
	}
	dir := t.TempDir()
	l, _ := checked(t, dir)
	require.NoError(t, l.Close(t.Context()))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, _ := checked(t, clone(t, dir))
			require.NoError(t, test.do(t, l))
			var named []string
			for _, d := range verified(t, l) {
				d.Reason = ""
				named = append(named, d.String())
			}
			assert.Contains(t, named, test.want.String())
			for _, n := range named { // a record that is gone is missed by the index, too
				assert.Contains(t, n, test.want.Kind)
			}
		})
	}
}

// One bit is flipped in a file of a store that is open and has just read it. The check
// reads the file again: it names what is in the damaged block, and names nothing that
// is whole.
func TestAFlippedBitInAFileOfAnOpenStoreIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := checked(t, dir)
	require.NoError(t, l.db.Flush())
	require.NoError(t, l.Close(t.Context()))
	for range 1 + flips() {
		hurt := clone(t, dir)
		l, s := checked(t, hurt)
		require.Empty(t, verified(t, l))
		path := largestTable(t, hurt)
		flipInPlace(t, path)
		found := verified(t, l)
		require.NotEmpty(t, found, path)
		stopped := clone(t, hurt)
		require.NoError(t, l.Close(t.Context()))
		again, err := VerifyStopped(t.Context(), stopped, RecordCheck{})
		require.NoError(t, err)
		require.NotEmpty(t, again)
		requireLost(t, stopped, s.kind, again)
	}
}

// requireLost fails where a record that is called damaged can be read from its file.
func requireLost(t *testing.T, dir string, k *kind, found []RecordDamage) {
	t.Helper()
	db, err := pebble.Open(filepath.Join(dir, storeFolder), &pebble.Options{
		FS: newCheckedFiles(), ReadOnly: true, Comparer: comparer, Logger: silent{}, FormatMajorVersion: pebble.FormatWALSyncChunks,
		EventListener: &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}},
	})
	require.NoError(t, err)
	defer db.Close()
	for _, d := range found {
		if d.Kind == "notes" && d.Part == PartRecord && keyPattern.MatchString(d.Key) { // not a place without a record
			_, err = k.read(db, d.Key)
			require.ErrorIs(t, err, ErrCorrupt, d)
		}
	}
}

func largestTable(t *testing.T, dir string) (path string) {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, storeFolder, "*.sst"))
	require.NoError(t, err)
	largest := int64(-1)
	for _, p := range tables {
		if info, err := os.Stat(p); err == nil && info.Size() > largest {
			path, largest = p, info.Size()
		}
	}
	require.NotEmpty(t, path)
	return path
}

// flipInPlace flips a bit of the first half of a file, where its records are, in the
// file itself: other names of it see that.
func flipInPlace(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Chmod(path, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	b := make([]byte, 1)
	at := rand.N(size / 2)
	_, err = f.ReadAt(b, at)
	require.NoError(t, err)
	b[0] ^= 1 << (at % 8)
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
}
