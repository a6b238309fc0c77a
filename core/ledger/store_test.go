package ledger

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashFolder) != "" {
		writeUntilKilled(os.Getenv(crashFolder))
		return
	}
	if os.Getenv(powerFolder) != "" {
		replaceUntilCut(os.Getenv(powerFolder))
		return
	}
	if os.Getenv(fullFolder) != "" {
		closeWhileFull(os.Getenv(fullFolder))
		return
	}
	goleak.VerifyTestMain(m)
}

type note struct {
	Text string
	N    int
}

var byText = StoreConfig[note]{Index: func(_ string, n note) []string {
	return []string{"text=" + n.Text, fmt.Sprintf("even=%v", n.N%2 == 0)}
}}

func open(t testing.TB, dir string, cfg StoreConfig[note]) (*Ledger, *Store[note]) {
	t.Helper()
	l, err := Open(t.Context(), Config{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
	s, err := OpenStore(t.Context(), l, "notes", cfg)
	require.NoError(t, err)
	return l, s
}

// fill creates n records, k000000 and so on, and returns when all are there.
func fill(t testing.TB, s *Store[note], from, n int, of func(i int) note) {
	t.Helper()
	var writers errgroup.Group
	writers.SetLimit(256)
	for i := from; i < from+n; i++ {
		writers.Go(func() error {
			_, err := s.Create(t.Context(), fmt.Sprintf("k%06d", i), of(i))
			return err
		})
	}
	require.NoError(t, writers.Wait())
}

// sealed waits until no block is being sealed, and returns how many are.
func sealed(t testing.TB, l *Ledger, kind string) (n int) {
	t.Helper()
	for busy := true; busy; {
		require.NoError(t, l.call(t.Context(), func() error { busy = len(l.sealing) > 0; return nil }))
	}
	l.view.Must(func(v *view) {
		for _, s := range v.kinds[kind].seals {
			if s.id != 0 {
				n++
			}
		}
	})
	return n
}

func TestBlocksAreSealedAndFoundAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, s := open(t, dir, byText)
	const records = 2*blockSize + 100
	fill(t, s, 0, records, func(i int) note { return note{fmt.Sprint(i % 10), i} })
	assert.Equal(t, 2, sealed(t, l, "notes"))
	check := func(s *Store[note], seven int) {
		n, err := s.Count(t.Context(), "text=7")
		require.NoError(t, err)
		assert.Equal(t, seven, n)
		n, err = s.Count(t.Context(), "")
		require.NoError(t, err)
		assert.Equal(t, records-(records+2)/10+seven, n)
		seen := 0
		for q := (Query{Terms: []string{"text=7"}, Limit: 100}); ; {
			page, next, err := s.List(t.Context(), q)
			require.NoError(t, err)
			for _, e := range page {
				assert.Equal(t, "7", e.Value.Text)
			}
			if seen += len(page); next == "" {
				break
			}
			q.Before = next
		}
		assert.Equal(t, seven, seen)
	}
	check(s, (records+2)/10)
	_, err := s.Modify(t.Context(), "k000007", func(*note) (*note, error) { return nil, nil })
	require.NoError(t, err)
	check(s, (records+2)/10-1)
	require.NoError(t, l.Close(t.Context()))
	_, s = open(t, dir, byText)
	check(s, (records+2)/10-1)
}

func TestKeysThatAreNotTokensAreRefused(t *testing.T) {
	t.Parallel()
	_, s := open(t, t.TempDir(), byText)
	for _, key := range []string{"", "a.b", "a b", "*", ">", "é", strings.Repeat("k", 161)} {
		_, err := s.Create(t.Context(), key, note{})
		assert.ErrorContains(t, err, "want up to 160", "%q", key)
	}
}

// What was written without an index, or with another, is found after it was opened
// with the right one.
func TestAnotherIndexIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const records = blockSize + 10
	of := func(i int) note { return note{fmt.Sprint(i % 10), i} }
	l, s := open(t, dir, StoreConfig[note]{Unindexed: true})
	fill(t, s, 0, records, of)
	require.NoError(t, l.Close(t.Context()))
	for version := range uint64(3) {
		cfg := StoreConfig[note]{
			Version: version + 1,
			Index:   func(_ string, n note) []string { return []string{fmt.Sprintf("v%d=%s", version, n.Text)} },
			Sums:    func(n note) []Sum { return []Sum{{Name: n.Text, Records: 1, Amount: int64(version)}} },
		}
		var told [][2]uint64
		l, err := Open(t.Context(), Config{Dir: dir, Reading: func(kind string, read, of uint64) {
			require.Equal(t, "notes", kind)
			told = append(told, [2]uint64{read, of})
		}})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
		s, err := OpenStore(t.Context(), l, "notes", cfg)
		require.NoError(t, err)
		require.Equal(t, [][2]uint64{{0, records}, {blockSize, records}}, told)
		for v := range uint64(3) {
			n, err := s.Count(t.Context(), fmt.Sprintf("v%d=3", v))
			require.NoError(t, err)
			want := 0
			if v == version {
				want = (records + 6) / 10
			}
			require.Equal(t, want, n, "version %d, term of %d", version, v)
		}
		require.Equal(t, Sum{"3", (records + 6) / 10, (records + 6) / 10 * int64(version)}, s.Sums()["3"])
		require.Equal(t, 1, sealed(t, l, "notes"))
		require.NoError(t, l.Close(t.Context()))
	}
}
