package ledgertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core/ledger"
)

// model is the records as a list in the order of creation, to hold a store against.
type model struct {
	t       *testing.T
	open    Open
	at      string
	l       *ledger.Ledger
	s       *ledger.Store[Note]
	records []ledger.Entry[Note]
	made    int
	clock   int64 // in seconds
}

// queries writes, changes, deletes and opens again at random, and holds every answer
// against what a look at all records finds. There are enough of them that most are in
// parts of the index that hardly change any more, or are old and still change.
func queries(t *testing.T, open Open) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{t: t, open: open, at: t.TempDir()}
		m.start()
		defer func() { assert.NoError(t, m.l.Close(context.Background())) }()
		for range rapid.IntRange(1, 4).Draw(rt, "rounds") {
			m.clock += rapid.SampledFrom([]int64{0, 9000, -9000}).Draw(rt, "the clock is set")
			m.create(rapid.SampledFrom([]int{1, 100, 5000}).Draw(rt, "creates"), rapid.SampledFrom([]int{0, 1, 20, 100}).Draw(rt, "live"))
			m.change(rt)
			if rapid.Bool().Draw(rt, "again") {
				require.NoError(t, m.l.Close(t.Context()))
				m.start()
			}
			for range 5 {
				m.check(rt)
			}
		}
	})
}

func (m *model) start() {
	m.l = m.open(m.t, m.at)
	m.s = store(m.t, m.l, "notes", Config())
}

// create adds records, of which some in a hundred are live.
func (m *model) create(n, live int) {
	for n > 0 {
		some := min(n, ledger.MaxWrites)
		require.NoError(m.t, m.l.Atomically(m.t.Context(), func(tx *ledger.Tx) error {
			for i := range some {
				// Keys rise as ids do, but not quite in order.
				m.clock += int64(i % 3)
				e := ledger.Entry[Note]{Key: fmt.Sprintf("k%07d", (m.made+i)^3), Value: Note{Text: newText(m.made+i, live), N: m.made + i, At: m.clock}}
				if err := m.s.Add(tx, e.Key, e.Value); err != nil {
					return err
				}
				m.records = append(m.records, e)
			}
			return nil
		}))
		m.made, n = m.made+some, n-some
	}
}

func newText(n, live int) string {
	if n%100 < live {
		return "live"
	}
	return []string{"a", "b", "\x00"}[n%3]
}

func noteText(n int) string { return []string{"live", "a", "b", "live\x00", "\x00"}[n%5] }

// change changes or deletes records here and there.
func (m *model) change(rt *rapid.T) {
	from := rapid.IntRange(0, len(m.records)).Draw(rt, "from")
	step := rapid.IntRange(1, len(m.records)).Draw(rt, "step")
	deletes := rapid.IntRange(0, 2).Draw(rt, "deletes") == 0
	for i, changed := from, 0; i < len(m.records) && changed < 200; i, changed = i+step, changed+1 {
		e := &m.records[i]
		if deletes {
			_, err := m.s.Modify(m.t.Context(), e.Key, gone)
			require.NoError(m.t, err)
			e.Key = "" // marked
			continue
		}
		e.Value = Note{Text: noteText(e.Value.N + changed), N: e.Value.N + 1, At: e.Value.At}
		_, err := m.s.Modify(m.t.Context(), e.Key, becomes(e.Value))
		require.NoError(m.t, err)
	}
	m.records = slices.DeleteFunc(m.records, func(e ledger.Entry[Note]) bool { return e.Key == "" })
}

func (m *model) check(rt *rapid.T) {
	key := func(label string) string {
		if rapid.IntRange(0, 2).Draw(rt, "with "+label) != 0 {
			return ""
		}
		return fmt.Sprintf("k%07d", rapid.IntRange(0, m.made).Draw(rt, label))
	}
	at := func(label string) time.Time {
		if len(m.records) == 0 || rapid.IntRange(0, 2).Draw(rt, "with "+label) != 0 {
			return time.Time{}
		}
		of := m.records[rapid.IntRange(0, len(m.records)-1).Draw(rt, label)].Value.At
		return time.Unix(of+rapid.Int64Range(-1, 1).Draw(rt, "off by"), 0)
	}
	q := ledger.Query{Low: key("low"), High: key("high"), From: at("from"), To: at("to"), Limit: rapid.IntRange(1, 500).Draw(rt, "limit"), Ascending: rapid.Bool().Draw(rt, "ascending")}
	for _, term := range []string{"text=live", "text=live\x00", "even=true", "mod100=7", "n=42"} {
		if rapid.IntRange(0, 3).Draw(rt, term) == 0 {
			q.Terms = append(q.Terms, term)
		}
	}
	if rapid.IntRange(0, 2).Draw(rt, "any") == 0 {
		q.AnyOf = [][]string{{"mod100=1", "mod100=2", "text=b"}}
	}
	if rapid.IntRange(0, 2).Draw(rt, "prefix") == 0 {
		q.Prefixes = []string{rapid.SampledFrom([]string{"text=live", "mod100=1", "none"}).Draw(rt, "of")}
	}
	var want []string
	for _, e := range m.records {
		if selects(q, e) {
			want = append(want, e.Key)
		}
	}
	n, err := m.s.CountQuery(m.t.Context(), q)
	require.NoError(rt, err)
	require.Len(rt, want, n, "%+v", q)
	if !q.Ascending {
		slices.Reverse(want)
	}
	var got []string
	for pages := 0; ; pages++ {
		page, err := m.s.Find(m.t.Context(), q)
		require.NoError(rt, err)
		for _, f := range page.Records {
			got = append(got, f.Key)
			require.Equal(rt, Config().Live(f.Entry().Value), f.Live, f.Key)
		}
		if page.Next == "" || pages == 3 {
			break
		}
		q.Before = page.Next
	}
	require.Equal(rt, want[:min(len(want), len(got))], got, "%+v", q)
	if len(got) < 4*q.Limit {
		require.Equal(rt, len(want), len(got), "%+v", q)
	}
	all, err := m.s.Count(m.t.Context(), "")
	require.NoError(rt, err)
	require.Equal(rt, len(m.records), all)
	for _, e := range m.records[:min(3, len(m.records))] {
		one, err := m.s.Get(m.t.Context(), e.Key)
		require.NoError(rt, err)
		require.Equal(rt, e.Value, one.Value)
		require.NoError(rt, m.s.Verify(m.t.Context(), e.Key))
	}
}

func selects(q ledger.Query, e ledger.Entry[Note]) bool {
	terms := Config().Index(e.Key, e.Value)
	has := func(term string) bool { return slices.Contains(terms, term) }
	for _, term := range q.Terms {
		if !has(term) {
			return false
		}
	}
	for _, some := range q.AnyOf {
		if !slices.ContainsFunc(some, has) {
			return false
		}
	}
	for _, prefix := range q.Prefixes {
		if !slices.ContainsFunc(terms, func(term string) bool { return strings.HasPrefix(term, prefix) }) {
			return false
		}
	}
	at := time.Unix(e.Value.At, 0)
	return e.Key >= q.Low && (q.High == "" || e.Key <= q.High) &&
		!at.Before(q.From) && (q.To.IsZero() || at.Before(q.To))
}
