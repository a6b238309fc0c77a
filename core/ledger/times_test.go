package ledger

import (
	"context"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTimesAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	full := make([]int64, blockSize)
	for i := range full {
		full[i] = time.Unix(1_700_000_000, int64(i)*1_000_003).UnixNano()
	}
	for _, times := range [][]int64{full, {0}, {5, 5, 5}, {math.MinInt64, math.MaxInt64, math.MinInt64, -1, 1}} {
		b := encodeTimes(times)
		got, err := decodeTimes(b)
		require.NoError(t, err)
		assert.Equal(t, times, got)
		for _, damaged := range [][]byte{nil, append(b, 0x80), append(encodeTimes(full), 1)} {
			_, err := decodeTimes(damaged)
			assert.ErrorIs(t, err, ErrCorrupt)
		}
	}
}

// Years that do not fit are before, or after, all that do.
func TestTimesOfAnyYearHaveTheirOrder(t *testing.T) {
	t.Parallel()
	last := int64(math.MinInt64)
	for _, year := range []int{1, 1677, 1700, 1970, 2262, 2300, 9999} {
		at := stamp(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		assert.GreaterOrEqual(t, at, last, year)
		assert.Less(t, at, int64(math.MaxInt64), "which is no bound")
		last = at
	}
	assert.Equal(t, int64(math.MinInt64), stamp(time.Time{}))
}

// A query of some time looks at the blocks of that time only, also where the clock was
// set back since.
func TestAQueryOfSomeTimeLooksAtItsBlocks(t *testing.T) {
	t.Parallel()
	cfg := byText
	cfg.Time = func(n note) time.Time { return time.Unix(int64(n.N), 0) }
	l, err := Open(t.Context(), Config{Dir: t.TempDir(), Sync: SyncInterval, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
	s, err := OpenStore(t.Context(), l, "notes", cfg)
	require.NoError(t, err)
	const back = 2*blockSize + 100 // where the clock is set back by that much
	for at := range 6 {
		fill(t, s, at*blockSize, blockSize, func(i int) note {
			if i < back {
				return note{"a", i}
			}
			return note{"b", i - back}
		})
	}
	require.Equal(t, 6, sealed(t, l, "notes"))
	for _, c := range []struct {
		name        string
		from, to    int64
		first, last uint32
		records     int
	}{
		{"all", 0, 10 * blockSize, 0, 5, 6 * blockSize},
		{"newest", 3*blockSize + 1000, 10 * blockSize, 5, 5, blockSize - 1100},
		{"once", back + 200, back + 210, 4, 4, 10},
		{"twice", 10, 20, 0, 2, 20},
		{"none", 10 * blockSize, 11 * blockSize, 0, 0, 0},
	} {
		for _, ascending := range []bool{false, true} {
			q := Query{From: time.Unix(c.from, 0), To: time.Unix(c.to, 0), Ascending: ascending}
			n, err := s.CountQuery(t.Context(), q)
			require.NoError(t, err)
			assert.Equal(t, c.records, n, c.name)
			f, err := l.search(t.Context(), s.kind, q)
			require.NoError(t, err)
			first, last, some := f.sealed()
			f.close()
			if assert.Equal(t, c.records > 0, some, c.name) && some {
				assert.Equal(t, []uint32{c.first, c.last}, []uint32{first, last}, c.name)
			}
		}
	}
	_, other := open(t, t.TempDir(), byText)
	_, err = other.Find(t.Context(), Query{From: time.Unix(1, 0)})
	assert.ErrorContains(t, err, "no time")
}

// The check of all records finds times that are not those of the records.
func TestACheckFindsDamagedTimes(t *testing.T) {
	t.Parallel()
	cfg := byText
	cfg.Time = func(n note) time.Time { return time.Unix(int64(n.N), 0) }
	l, s := open(t, t.TempDir(), cfg)
	fill(t, s, 0, blockSize, damageNote)
	require.Equal(t, 1, sealed(t, l, "notes"))
	require.Empty(t, verified(t, l))
	key := s.kind.timesKey(0)
	times, err := s.kind.readTimes(l.db, 0)
	require.NoError(t, err)
	times[7]++
	for what, damage := range map[string]func() error{
		"another": func() error { return l.db.Set(key, encodeTimes(times), pebble.Sync) },
		"cut":     func() error { return l.db.Set(key, encodeTimes(times)[:100], pebble.Sync) },
		"none":    func() error { return l.db.Delete(key, pebble.Sync) },
	} {
		require.NoError(t, damage())
		found := verified(t, l)
		if assert.Len(t, found, 1, what) {
			assert.Equal(t, PartTimes, found[0].Part, what)
			assert.Equal(t, "of block 0", found[0].Key, what)
		}
	}
}
