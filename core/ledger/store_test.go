package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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

func count(t *testing.T, s *Store[note], term string) int {
	t.Helper()
	n, err := s.Count(t.Context(), term)
	require.NoError(t, err)
	return n
}

func TestARecordChangesOnlyAtTheRevisionItWasReadAt(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, s := open(t, t.TempDir(), byText)
	first, err := s.Create(ctx, "a", note{"x", 1})
	require.NoError(t, err)
	_, err = s.Create(ctx, "a", note{"y", 2})
	assert.ErrorIs(t, err, ErrExists)

	second, err := s.Update(ctx, "a", first, note{"y", 2})
	require.NoError(t, err)
	assert.Greater(t, second, first)
	_, err = s.Update(ctx, "a", first, note{"z", 3})
	assert.ErrorIs(t, err, ErrConflict)
	assert.ErrorIs(t, s.Delete(ctx, "a", first), ErrConflict)

	got, err := s.Get(ctx, "a")
	require.NoError(t, err)
	assert.Equal(t, Entry[note]{"a", second, note{"y", 2}}, got)
}

func TestANameCanBeUsedAgainAfterADelete(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	l, s := open(t, dir, byText)
	for round := range 3 {
		revision, err := s.Create(ctx, "a", note{"x", round})
		require.NoError(t, err)
		require.NoError(t, s.Delete(ctx, "a", revision))
		_, err = s.Get(ctx, "a")
		require.ErrorIs(t, err, ErrNotFound)
	}
	require.NoError(t, l.Close(ctx))
	_, s = open(t, dir, byText)
	_, err := s.Create(ctx, "a", note{"after a restart", 9})
	assert.NoError(t, err)
}

func TestPagesFollowTheKeysAndEveryTerm(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, s := open(t, t.TempDir(), byText)
	for i := range 20 {
		_, err := s.Create(ctx, fmt.Sprintf("k%02d", i), note{[]string{"a", "b"}[i/10], i})
		require.NoError(t, err)
	}
	for name, c := range map[string]struct {
		q    Query
		want string
		next string
	}{
		"newest_first":        {Query{Limit: 3}, "k19 k18 k17", "k17"},
		"next_page":           {Query{Limit: 3, Before: "k17"}, "k16 k15 k14", "k14"},
		"last_page":           {Query{Limit: 3, Before: "k02"}, "k01 k00", ""},
		"ascending":           {Query{Limit: 2, Ascending: true, Before: "k05"}, "k06 k07", "k07"},
		"one_term":            {Query{Limit: 2, Terms: []string{"text=a"}}, "k09 k08", "k08"},
		"all_terms_must_hold": {Query{Terms: []string{"text=b", "even=true"}}, "k18 k16 k14 k12 k10", ""},
		"no_such_term":        {Query{Terms: []string{"text=c", "even=true"}}, "", ""},
		"exactly_the_rest":    {Query{Limit: 2, Before: "k02"}, "k01 k00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			page, next, err := s.List(ctx, c.q)
			require.NoError(t, err)
			var keys []string
			for _, e := range page {
				keys = append(keys, e.Key)
			}
			assert.Equal(t, c.want, strings.Join(keys, " "))
			assert.Equal(t, c.next, next)
		})
	}
	assert.Equal(t, 10, count(t, s, "text=a"))
	assert.Equal(t, 20, count(t, s, ""))
}

func TestOpeningAgainBringsEverythingBack(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	l, s := open(t, dir, byText)
	for i := range 50 {
		revision, err := s.Create(ctx, fmt.Sprint(i), note{"x", i})
		require.NoError(t, err)
		if i%3 == 0 {
			require.NoError(t, s.Delete(ctx, fmt.Sprint(i), revision))
		}
	}
	before, _, err := s.List(ctx, Query{})
	require.NoError(t, err)
	revision := s.Revision()
	require.NoError(t, l.Close(ctx))

	replayed := 0
	cfg := byText
	cfg.Observe = func(c Change[note]) {
		assert.True(t, c.Replay)
		replayed++
	}
	_, s = open(t, dir, cfg)
	after, _, err := s.List(ctx, Query{})
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Equal(t, revision, s.Revision())
	assert.Equal(t, 50, replayed, "deletions are observed too")
}

// 64 writers add 1 to one record until each has succeeded 10 times. One lost
// update and the sum is wrong.
func TestManyWritersLoseNoUpdate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var observed []uint64
	_, s := open(t, t.TempDir(), StoreConfig[note]{Observe: func(c Change[note]) { observed = append(observed, c.Revision) }})
	_, err := s.Create(ctx, "sum", note{})
	require.NoError(t, err)
	var writers sync.WaitGroup
	for w := range 64 {
		writers.Go(func() {
			for range 10 {
				addOne(t, s)
			}
			_, err := s.Create(ctx, fmt.Sprint("own", w), note{})
			assert.NoError(t, err)
		})
	}
	writers.Wait()
	got, err := s.Get(ctx, "sum")
	require.NoError(t, err)
	assert.Equal(t, 640, got.Value.N)
	assert.IsIncreasing(t, observed, "changes are observed in commit order")
	assert.Len(t, observed, 1+640+64)
}

func addOne(t *testing.T, s *Store[note]) {
	for {
		e, err := s.Get(t.Context(), "sum")
		if !assert.NoError(t, err) {
			return
		}
		_, err = s.Update(t.Context(), "sum", e.Revision, note{N: e.Value.N + 1})
		if !errors.Is(err, ErrConflict) {
			assert.NoError(t, err)
			return
		}
	}
}

// A batch in which one write conflicts behind the view's back is refused whole by
// JetStream. The others must go through all the same.
func TestOneConflictInABatchRefusesOnlyItself(t *testing.T) {
	t.Parallel()
	l, s := open(t, t.TempDir(), byText)
	var round []*write[note]
	for i := range 2 * batchFrom {
		round = append(round, &write[note]{
			key: fmt.Sprint(i), value: &note{N: i}, data: fmt.Appendf(nil, `{"N":%d}`, i), done: make(chan struct{}),
		})
	}
	_, err := l.js.Publish(t.Context(), "notes.7", []byte(`{}`)) // somebody else's
	require.NoError(t, err)
	s.commit(round)
	for i, w := range round {
		<-w.done
		if i == 7 {
			assert.ErrorIs(t, w.err, ErrConflict)
		} else {
			assert.NoError(t, w.err)
		}
	}
	assert.Equal(t, 2*batchFrom-1, count(t, s, ""))
}

func TestBatchedWritesGetTheRevisionsTheyHaveOnDisk(t *testing.T) {
	t.Parallel()
	_, s := open(t, t.TempDir(), byText)
	var round []*write[note]
	for i := range batchFrom {
		round = append(round, &write[note]{
			key: fmt.Sprint(i), value: &note{N: i}, data: fmt.Appendf(nil, `{"N":%d}`, i), done: make(chan struct{}),
		})
	}
	require.True(t, s.publishBatch(round))
	for _, w := range round {
		m, err := s.lastMessage(w.key)
		require.NoError(t, err)
		assert.Equal(t, m.Sequence, w.revision)
	}
}

// An answer that never came says nothing: the write is looked up, not reported as
// a conflict with itself.
func TestAWriteWithoutAnAnswerIsFoundOut(t *testing.T) {
	t.Parallel()
	_, s := open(t, t.TempDir(), byText)
	w := &write[note]{key: "a", value: &note{N: 1}, data: []byte(`{"N":1}`), done: make(chan struct{})}
	revision, err := s.request(s.message(w, 0)) // stored, and the answer lost:
	require.NoError(t, err)
	w.unclear = true
	s.publishAlone(w)
	assert.NoError(t, w.err)
	assert.Equal(t, revision, w.revision)
}

func TestAWriteCanBeTakenBackOnlyWhileItIsQueued(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, s := open(t, t.TempDir(), byText)
	_, err := s.Create(ctx, "a", note{})
	_, getErr := s.Get(t.Context(), "a")
	if err == nil {
		assert.NoError(t, getErr, "it was written")
	} else {
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, getErr, ErrNotFound)
	}
}

func TestAClosedLedgerRefusesWrites(t *testing.T) {
	t.Parallel()
	l, s := open(t, t.TempDir(), byText)
	require.NoError(t, l.Close(t.Context()))
	_, err := s.Create(t.Context(), "a", note{})
	assert.ErrorIs(t, err, ErrClosed)
	assert.NoError(t, l.Close(t.Context()), "closing twice is harmless")
}

func TestKeysThatAreNotTokensAreRefused(t *testing.T) {
	t.Parallel()
	_, s := open(t, t.TempDir(), byText)
	for _, key := range []string{"", "a.b", "a b", "*", ">", "é", strings.Repeat("k", 161)} {
		_, err := s.Create(t.Context(), key, note{})
		assert.ErrorContains(t, err, "want up to 160", "%q", key)
	}
}

func TestASecondProcessIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := open(t, dir, byText)
	_, err := Open(t.Context(), Config{Dir: dir})
	require.ErrorIs(t, err, ErrLocked)
	assert.ErrorContains(t, err, dir)
	assert.ErrorContains(t, err, fmt.Sprint(os.Getpid()))
	require.NoError(t, l.Close(t.Context()))
	open(t, dir, byText)
}

func TestItListensOnNoPort(t *testing.T) {
	t.Parallel()
	l, _ := open(t, t.TempDir(), byText)
	assert.Nil(t, l.server.Addr())
	assert.Nil(t, l.server.MonitorAddr())
	assert.Nil(t, l.server.ClusterAddr())
}

func TestAFlippedByteIsReported(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	l, s := open(t, dir, byText)
	const marker = "find-me-on-the-disk"
	_, err := s.Create(ctx, "a", note{Text: marker})
	require.NoError(t, err)
	_, err = s.Create(ctx, "b", note{Text: "whole"})
	require.NoError(t, err)
	require.NoError(t, l.Close(ctx))
	flip(t, dir, marker)

	_, err = Open(ctx, Config{Dir: dir})
	require.ErrorIs(t, err, ErrCorrupt)
}

// flip changes a byte of the first file below dir that holds the marker.
func flip(t *testing.T, dir, marker string) {
	t.Helper()
	flipped := false
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || flipped {
			return err
		}
		data, err := os.ReadFile(path)
		if at := strings.Index(string(data), marker); err == nil && at >= 0 {
			data[at] ^= 1
			flipped = true
			return os.WriteFile(path, data, 0o600)
		}
		return err
	}))
	require.True(t, flipped)
}

// The store's files shrink with what is in them, also where what is kept lies between
// what is deleted.
func TestDeletingGivesDiskSpaceBack(t *testing.T) {
	t.Parallel()
	const records = 6000
	dir := t.TempDir()
	_, s := open(t, dir, StoreConfig[note]{})
	text := strings.Repeat("x", 2000)
	key := func(n int) string { return fmt.Sprintf("k%06d", n) }
	revisions := make([]uint64, records)
	each := func(do func(n int) error) {
		var writers errgroup.Group
		writers.SetLimit(256)
		for n := range records {
			writers.Go(func() error { return do(n) })
		}
		require.NoError(t, writers.Wait())
	}
	each(func(n int) (err error) {
		revisions[n], err = s.Create(t.Context(), key(n), note{text, n})
		return err
	})
	full := sizeOf(t, filepath.Join(dir, "records"))
	require.Greater(t, full, int64(records*len(text)))
	each(func(n int) error {
		if n%10 == 0 {
			return nil
		}
		return s.Delete(t.Context(), key(n), revisions[n])
	})
	require.Eventually(t, func() bool { return sizeOf(t, filepath.Join(dir, "records")) < full/2 }, time.Minute, 100*time.Millisecond)
	assert.Equal(t, records/10, count(t, s, ""))
}

func sizeOf(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // it may be gone by now
		}
		if info, err := entry.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	}))
	return bytes
}

// A page that was found in several steps, between which there may have been writes,
// is of no one revision.
func TestAPageSaysTheRevisionOfWhichItIsWhole(t *testing.T) {
	t.Parallel()
	_, s := open(t, t.TempDir(), byText)
	revision, err := s.Create(t.Context(), "a", note{Text: "x"})
	require.NoError(t, err)
	page, err := s.Find(t.Context(), Query{})
	require.NoError(t, err)
	assert.Equal(t, revision, page.Revision)
	s.view.Must(func(v *view[note]) {
		for i := range looked*chunkSize + 1 {
			key := fmt.Sprintf("b%07d", i)
			v.apply(key, revision, &item[note]{key: key, value: &note{}}, []string{"text=y"})
		}
	})
	page, err = s.Find(t.Context(), Query{Terms: []string{"text=y"}})
	require.NoError(t, err)
	assert.Equal(t, revision, page.Revision, "it was full at once")
	require.NoError(t, s.Delete(t.Context(), "a", revision))
	_, err = s.Create(t.Context(), "a", note{Text: "x"})
	require.NoError(t, err)
	_, err = s.Create(t.Context(), "a2", note{Text: "x"})
	require.NoError(t, err)
	page, err = s.Find(t.Context(), Query{Terms: []string{"text=x"}})
	require.NoError(t, err)
	require.Len(t, page.Records, 2)
	assert.Zero(t, page.Revision)
}
