// Package ledgertest is the contract of a ledger as tests: whatever holds records
// under [ledger.Store] must pass it. Nothing in it needs more of a backend than
// compare-and-swap of a record, commits of up to [ledger.MaxWrites] records that are
// made as a whole, and one order of all changes.
package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"thresher/core/ledger"
)

// Open opens the ledger that is kept at a place, which may be new. Tests close it.
type Open func(t testing.TB, at string) *ledger.Ledger

// Note is the record of these tests.
type Note struct {
	Text string
	N    int
	Blob string `json:",omitempty"`
	At   int64  `json:",omitempty"` // its time, in seconds
}

// Config is the store of these tests: a note is live as long as its text begins with
// "live".
func Config() ledger.StoreConfig[Note] {
	return ledger.StoreConfig[Note]{
		Index: func(_ string, n Note) []string {
			return []string{"text=" + n.Text, fmt.Sprintf("even=%v", n.N%2 == 0), fmt.Sprint("mod100=", n.N%100), fmt.Sprint("n=", n.N)}
		},
		Time:  func(n Note) time.Time { return time.Unix(n.At, 0) },
		Live:  func(n Note) bool { return strings.HasPrefix(n.Text, "live") },
		Sums:  func(n Note) []ledger.Sum { return []ledger.Sum{{Name: n.Text, Records: 1, Amount: int64(n.N)}} },
		Blobs: func(n Note) []string { return strings.Fields(n.Blob) },
	}
}

// Exercise runs the contract.
func Exercise(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, Open){
		"a_record_changes_only_as_it_was_read":     changesAsRead,
		"a_name_can_be_used_again_after_a_delete":  reused,
		"a_change_that_changes_nothing_is_none":    unchanged,
		"pages_follow_creation_and_every_term":     pages,
		"opening_again_brings_everything_back":     reopened,
		"many_writers_lose_no_update":              manyWriters,
		"changes_are_observed_in_their_order":      observed,
		"a_transaction_is_whole":                   whole,
		"a_transaction_sees_what_it_wrote":         ownWrites,
		"a_transaction_is_bounded":                 boundedTx,
		"a_write_is_taken_back_only_while_queued":  withdrawn,
		"a_closed_ledger_refuses":                  closed,
		"a_record_has_a_bound":                     tooLarge,
		"sums_follow_the_records":                  sums,
		"a_blob_stays_as_long_as_a_record_says_so": blobs,
		"a_snapshot_does_not_move":                 snapshot,
		"queries_find_what_a_look_at_all_finds":    queries,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

func opened(t *testing.T, open Open, at string) (*ledger.Ledger, *ledger.Store[Note]) {
	t.Helper()
	l := open(t, at)
	t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
	return l, store(t, l, "notes", Config())
}

func store(t *testing.T, l *ledger.Ledger, kind string, cfg ledger.StoreConfig[Note]) *ledger.Store[Note] {
	t.Helper()
	s, err := ledger.OpenStore(t.Context(), l, kind, cfg)
	require.NoError(t, err)
	return s
}

// becomes is a change to a value, whatever there was.
func becomes(n Note) func(*Note) (*Note, error) {
	return func(*Note) (*Note, error) { return &n, nil }
}

func gone(*Note) (*Note, error) { return nil, nil }

func changesAsRead(t *testing.T, open Open) {
	_, s := opened(t, open, t.TempDir())
	first, err := s.Create(t.Context(), "a", Note{Text: "x", N: 1})
	require.NoError(t, err)
	_, err = s.Create(t.Context(), "a", Note{Text: "y", N: 2})
	require.ErrorIs(t, err, ledger.ErrExists)

	var seen []int
	entry, err := s.Modify(t.Context(), "a", func(n *Note) (*Note, error) {
		if seen = append(seen, n.N); len(seen) == 1 { // somebody else is quicker
			_, err := s.Modify(t.Context(), "a", becomes(Note{Text: "z", N: 10}))
			require.NoError(t, err)
		}
		return &Note{Text: n.Text, N: n.N + 1}, nil
	})
	require.NoError(t, err)
	assert.Equal(t, []int{1, 10}, seen, "the change is asked again with what the other wrote")
	assert.Equal(t, Note{Text: "z", N: 11}, entry.Value)
	assert.Greater(t, entry.Revision, first)
	got, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, entry, got)

	refusal := errors.New("no")
	_, err = s.Modify(t.Context(), "a", func(n *Note) (*Note, error) { return n, refusal })
	assert.Equal(t, refusal, err)
}

func reused(t *testing.T, open Open) {
	at := t.TempDir()
	l, s := opened(t, open, at)
	for round := range 3 {
		_, err := s.Create(t.Context(), "a", Note{N: round})
		require.NoError(t, err)
		_, err = s.Modify(t.Context(), "a", gone)
		require.NoError(t, err)
		_, err = s.Get(t.Context(), "a")
		require.ErrorIs(t, err, ledger.ErrNotFound)
	}
	_, err := s.Modify(t.Context(), "a", gone)
	require.NoError(t, err, "what is not there can be deleted")
	require.NoError(t, l.Close(t.Context()))
	_, s = opened(t, open, at)
	_, err = s.Create(t.Context(), "a", Note{Text: "after a restart"})
	require.NoError(t, err)
}

func unchanged(t *testing.T, open Open) {
	_, s := opened(t, open, t.TempDir())
	revision, err := s.Create(t.Context(), "a", Note{N: 1})
	require.NoError(t, err)
	entry, err := s.Modify(t.Context(), "a", func(n *Note) (*Note, error) { return n, nil })
	require.NoError(t, err)
	assert.Equal(t, ledger.Entry[Note]{Key: "a", Revision: revision, Value: Note{N: 1}}, entry)
	assert.Equal(t, revision, s.Revision())
}

func pages(t *testing.T, open Open) {
	_, s := opened(t, open, t.TempDir())
	for i := range 20 { // keys fall: the order is that of creation
		_, err := s.Create(t.Context(), fmt.Sprintf("k%02d", 19-i), Note{Text: []string{"a", "b"}[i/10], N: i})
		require.NoError(t, err)
	}
	all, _, err := s.List(t.Context(), ledger.Query{})
	require.NoError(t, err)
	require.Len(t, all, 20)
	cursor := func(n int) string { // where a page ended that ended with note n
		page, err := s.Find(t.Context(), ledger.Query{Limit: 20 - n})
		require.NoError(t, err)
		return page.Next
	}
	for name, c := range map[string]struct {
		q    ledger.Query
		want string
		more bool
	}{
		"newest_first":        {ledger.Query{Limit: 3}, "19 18 17", true},
		"next_page":           {ledger.Query{Limit: 3, Before: cursor(17)}, "16 15 14", true},
		"last_page":           {ledger.Query{Limit: 3, Before: cursor(2)}, "1 0", false},
		"ascending":           {ledger.Query{Limit: 2, Ascending: true, Before: cursor(5)}, "6 7", true},
		"one_term":            {ledger.Query{Limit: 2, Terms: []string{"text=a"}}, "9 8", true},
		"all_terms_must_hold": {ledger.Query{Terms: []string{"text=b", "even=true"}}, "18 16 14 12 10", false},
		"no_such_term":        {ledger.Query{Terms: []string{"text=c", "even=true"}}, "", false},
		"any_of_some":         {ledger.Query{AnyOf: [][]string{{"n=3", "n=15", "n=99"}}}, "15 3", false},
		"a_prefix":            {ledger.Query{Prefixes: []string{"n=1"}, Terms: []string{"text=a"}}, "1", false},
		"exactly_the_rest":    {ledger.Query{Limit: 2, Before: cursor(2)}, "1 0", false},
		"bounds_of_keys":      {ledger.Query{Low: "k05", High: "k07"}, "14 13 12", false},
	} {
		t.Run(name, func(t *testing.T) {
			page, next, err := s.List(t.Context(), c.q)
			require.NoError(t, err)
			var got []string
			for _, e := range page {
				got = append(got, fmt.Sprint(e.Value.N))
			}
			assert.Equal(t, c.want, strings.Join(got, " "))
			assert.Equal(t, c.more, next != "")
			n, err := s.CountQuery(t.Context(), ledger.Query{Terms: c.q.Terms, AnyOf: c.q.AnyOf, Prefixes: c.q.Prefixes, Low: c.q.Low, High: c.q.High})
			require.NoError(t, err)
			if c.q.Before == "" && !c.more {
				assert.Len(t, got, n)
			}
		})
	}
	_, _, err = s.List(t.Context(), ledger.Query{Before: "k17"})
	assert.ErrorIs(t, err, ledger.ErrCursor)
}

func reopened(t *testing.T, open Open) {
	at := t.TempDir()
	l, s := opened(t, open, at)
	for i := range 50 {
		key := fmt.Sprint(i)
		_, err := s.Create(t.Context(), key, Note{Text: "live", N: i})
		require.NoError(t, err)
		if i%3 == 0 {
			_, err := s.Modify(t.Context(), key, gone)
			require.NoError(t, err)
		} else if i%2 == 0 {
			_, err := s.Modify(t.Context(), key, becomes(Note{Text: "ended", N: i}))
			require.NoError(t, err)
		}
	}
	before, _, err := s.List(t.Context(), ledger.Query{})
	require.NoError(t, err)
	revision := s.Revision()
	require.NoError(t, l.Close(t.Context()))
	l, s = opened(t, open, at)
	after, _, err := s.List(t.Context(), ledger.Query{})
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Equal(t, revision, l.Revision())
	for _, e := range after {
		assert.NoError(t, s.Verify(t.Context(), e.Key))
	}
}

// 64 writers add 1 to one record until each has succeeded 10 times. One lost update
// and the sum is wrong.
func manyWriters(t *testing.T, open Open) {
	_, s := opened(t, open, t.TempDir())
	_, err := s.Create(t.Context(), "sum", Note{})
	require.NoError(t, err)
	var writers errgroup.Group
	for w := range 64 {
		writers.Go(func() error {
			for range 10 {
				_, err := s.Modify(t.Context(), "sum", func(n *Note) (*Note, error) { return &Note{N: n.N + 1}, nil })
				if err != nil {
					return err
				}
			}
			_, err := s.Create(t.Context(), fmt.Sprint("own", w), Note{})
			return err
		})
	}
	require.NoError(t, writers.Wait())
	got, err := s.Get(t.Context(), "sum")
	require.NoError(t, err)
	assert.Equal(t, 640, got.Value.N)
	n, err := s.Count(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, 65, n)
}

func observed(t *testing.T, open Open) {
	l := open(t, t.TempDir())
	t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
	var revisions []uint64 // of both stores: their changes have one order
	var seen []string
	watched := func(kind string) *ledger.Store[Note] {
		cfg := Config()
		cfg.Observe = func(c ledger.Change[Note]) {
			before := -1
			if c.Before != nil {
				before = c.Before.N
			}
			revisions = append(revisions, c.Revision)
			seen = append(seen, fmt.Sprintf("%s %s %d→%d %v", kind, c.Key, before, c.Value.N, c.Deleted))
		}
		return store(t, l, kind, cfg)
	}
	a, b := watched("as"), watched("bs")
	_, err := a.Create(t.Context(), "x", Note{N: 1})
	require.NoError(t, err)
	_, err = b.Create(t.Context(), "x", Note{N: 2})
	require.NoError(t, err)
	_, err = a.Modify(t.Context(), "x", becomes(Note{N: 3}))
	require.NoError(t, err)
	_, err = a.Modify(t.Context(), "x", gone)
	require.NoError(t, err)
	assert.Equal(t, []string{"as x -1→1 false", "bs x -1→2 false", "as x 1→3 false", "as x 3→0 true"}, seen)
	assert.IsIncreasing(t, revisions)
}

func whole(t *testing.T, open Open) {
	l, a := opened(t, open, t.TempDir())
	b := store(t, l, "others", Config())
	_, err := a.Create(t.Context(), "a", Note{N: 100})
	require.NoError(t, err)
	_, err = b.Create(t.Context(), "b", Note{})
	require.NoError(t, err)
	move := func(n int) error { // from one store to the other
		return l.Atomically(t.Context(), func(tx *ledger.Tx) error {
			return errors.Join(
				a.ModifyIn(tx, "a", func(v *Note) (*Note, error) { return &Note{N: v.N - n}, nil }),
				b.ModifyIn(tx, "b", func(v *Note) (*Note, error) { return &Note{N: v.N + n}, nil }))
		})
	}
	ctx, stop := context.WithCancel(t.Context())
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			at, err := l.Snapshot()
			if !assert.NoError(t, err) {
				return
			}
			sum := 0
			add := func(f ledger.Found[Note]) error { sum += f.Entry().Value.N; return nil }
			assert.NoError(t, errors.Join(a.Each(t.Context(), at, add), b.Each(t.Context(), at, add)))
			at.Close()
			assert.Equal(t, 100, sum, "a reader never sees half of a transaction")
		}
	})
	var writers errgroup.Group
	for range 10 {
		writers.Go(func() error { return move(3) })
	}
	require.NoError(t, writers.Wait())
	stop()
	reader.Wait()
	got, err := b.Get(t.Context(), "b")
	require.NoError(t, err)
	assert.Equal(t, 30, got.Value.N)

	err = l.Atomically(t.Context(), func(tx *ledger.Tx) error {
		return errors.Join(a.Add(tx, "new", Note{}), b.Add(tx, "b", Note{}))
	})
	require.ErrorIs(t, err, ledger.ErrExists)
	_, err = a.Get(t.Context(), "new")
	assert.ErrorIs(t, err, ledger.ErrNotFound, "of a transaction that is refused nothing is there")
}

func ownWrites(t *testing.T, open Open) {
	l, s := opened(t, open, t.TempDir())
	require.NoError(t, l.Atomically(t.Context(), func(tx *ledger.Tx) error {
		var seen *Note
		err := errors.Join(
			s.ModifyIn(tx, "a", becomes(Note{N: 1})),
			s.ModifyIn(tx, "a", func(n *Note) (*Note, error) { seen = n; return &Note{N: n.N + 1}, nil }),
			s.ModifyIn(tx, "b", becomes(Note{})), s.ModifyIn(tx, "b", gone))
		assert.Equal(t, 1, seen.N)
		return err
	}))
	got, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, 2, got.Value.N)
	_, err = s.Get(t.Context(), "b")
	assert.ErrorIs(t, err, ledger.ErrNotFound)
}

func boundedTx(t *testing.T, open Open) {
	l, s := opened(t, open, t.TempDir())
	add := func(from, n int) error {
		return l.Atomically(t.Context(), func(tx *ledger.Tx) error {
			for i := range n {
				if err := s.Add(tx, fmt.Sprint("k", from+i), Note{N: i}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, add(0, ledger.MaxWrites))
	assert.ErrorContains(t, add(1000, ledger.MaxWrites+1), fmt.Sprint("max ", ledger.MaxWrites))
	n, err := s.Count(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, ledger.MaxWrites, n)
}

func withdrawn(t *testing.T, open Open) {
	_, s := opened(t, open, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Create(ctx, "a", Note{})
	_, getErr := s.Get(t.Context(), "a")
	if err == nil {
		assert.NoError(t, getErr, "it was written")
		return
	}
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, getErr, ledger.ErrNotFound)
}

func closed(t *testing.T, open Open) {
	l, s := opened(t, open, t.TempDir())
	require.NoError(t, l.Close(t.Context()))
	_, err := s.Create(t.Context(), "a", Note{})
	require.ErrorIs(t, err, ledger.ErrClosed)
	_, err = s.Get(t.Context(), "a")
	require.ErrorIs(t, err, ledger.ErrClosed)
	_, _, err = s.List(t.Context(), ledger.Query{})
	require.ErrorIs(t, err, ledger.ErrClosed)
	assert.NoError(t, l.Close(t.Context()), "closing twice is harmless")
}

func tooLarge(t *testing.T, open Open) {
	l, _ := opened(t, open, t.TempDir())
	cfg := Config()
	cfg.MaxBytes = 1000
	s := store(t, l, "small", cfg)
	room := cfg.MaxBytes - len(`{"Text":"","N":0}`)
	_, err := s.Create(t.Context(), "fits", Note{Text: strings.Repeat("x", room)})
	require.NoError(t, err)
	for _, text := range []string{strings.Repeat("x", room+1), strings.Repeat("\x01", room/6+1), strings.Repeat("x", ledger.MaxRecord)} {
		var large *ledger.RecordTooLarge
		_, err = s.Create(t.Context(), "a", Note{Text: text})
		require.ErrorAs(t, err, &large)
		assert.Equal(t, 1000, large.Max)
		_, err = s.Modify(t.Context(), "fits", becomes(Note{Text: text}))
		require.ErrorIs(t, err, ledger.ErrRecordTooLarge)
		err = l.Atomically(t.Context(), func(tx *ledger.Tx) error { return s.Add(tx, "a", Note{Text: text}) })
		require.ErrorIs(t, err, ledger.ErrRecordTooLarge)
	}
	_, err = s.Create(t.Context(), "later", Note{})
	require.NoError(t, err, "what was refused is in nobody's way")
}

func sums(t *testing.T, open Open) {
	at := t.TempDir()
	l, s := opened(t, open, at)
	for i := range 6 {
		_, err := s.Create(t.Context(), fmt.Sprint(i), Note{Text: []string{"a", "b"}[i%2], N: i})
		require.NoError(t, err)
	}
	_, err := s.Modify(t.Context(), "1", gone)
	require.NoError(t, err)
	_, err = s.Modify(t.Context(), "3", becomes(Note{Text: "a", N: 30}))
	require.NoError(t, err)
	want := map[string]ledger.Sum{"a": {Name: "a", Records: 4, Amount: 0 + 2 + 4 + 30}, "b": {Name: "b", Records: 1, Amount: 5}}
	assert.Equal(t, want, s.Sums())
	require.NoError(t, l.Close(t.Context()))
	_, s = opened(t, open, at)
	assert.Equal(t, want, s.Sums())
	_, err = s.Modify(t.Context(), "5", gone)
	require.NoError(t, err)
	assert.NotContains(t, s.Sums(), "b")
}

func blobs(t *testing.T, open Open) {
	at := t.TempDir()
	l, s := opened(t, open, at)
	require.NoError(t, l.Blobs().Sweep(t.Context()))
	put := func(text string) string {
		b, err := l.Blobs().Put(t.Context(), bytes.NewReader([]byte(text)), 100)
		require.NoError(t, err)
		return b.Digest
	}
	shared, own := put("shared"), put("own")
	for i, names := range []string{shared + " " + own, shared} {
		_, err := s.Create(t.Context(), fmt.Sprint(i), Note{Blob: names})
		require.NoError(t, err)
	}
	l.Blobs().Release(shared, own)
	require.True(t, l.Blobs().Hold(own, shared), "records name them")
	l.Blobs().Release(own, shared)
	there := func(digest string) bool { return l.Blobs().Has(digest) }
	require.True(t, there(own) && there(shared))

	thaw := l.Blobs().Freeze()
	_, err := s.Modify(t.Context(), "0", gone)
	require.NoError(t, err)
	require.True(t, there(own), "nothing goes while it is frozen")
	thaw()
	require.NoError(t, l.Close(t.Context())) // and waits for removals
	require.False(t, there(own))
	require.True(t, there(shared))

	l, s = opened(t, open, at)
	require.True(t, l.Blobs().Hold(shared))
	l.Blobs().Release(shared)
	require.NoError(t, l.Blobs().Sweep(t.Context()))
	require.True(t, there(shared))
	_, err = s.Modify(t.Context(), "1", becomes(Note{}))
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
	require.False(t, there(shared))
}

func snapshot(t *testing.T, open Open) {
	l, s := opened(t, open, t.TempDir())
	for i := range 10 {
		_, err := s.Create(t.Context(), fmt.Sprint(i), Note{N: i})
		require.NoError(t, err)
	}
	at, err := l.Snapshot()
	require.NoError(t, err)
	defer at.Close()
	for i := range 10 {
		_, err := s.Modify(t.Context(), fmt.Sprint(i), gone)
		require.NoError(t, err)
	}
	var got []int
	require.NoError(t, s.Each(t.Context(), at, func(f ledger.Found[Note]) error {
		got = append(got, f.Entry().Value.N)
		return nil
	}))
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got)
}
