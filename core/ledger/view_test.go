package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestTheViewFindsWhatALookAtEveryRecordFinds writes, changes and deletes at random,
// and holds each answer against one that is found without chunks and bits.
func TestTheViewFindsWhatALookAtEveryRecordFinds(t *testing.T) {
	t.Parallel()
	index := func(_ string, n note) []string {
		return []string{fmt.Sprint("mod3=", n.N%3), fmt.Sprint("mod100=", n.N%100), fmt.Sprint("n=", n.N), n.Text}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := newView(index, &packer{})
		model := map[string]note{}
		keys := rapid.IntRange(1, 4*chunkSize).Draw(t, "keys")
		revision := uint64(0)
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			from := rapid.IntRange(0, keys).Draw(t, "from")
			step := rapid.IntRange(1, 7).Draw(t, "step")
			deletes := rapid.IntRange(0, 3).Draw(t, "deletes") == 0
			rest := rapid.Bool().Draw(t, "rest")
			for k := from; k < keys; k += step {
				revision++
				key := fmt.Sprintf("k%05d", (k*7919)%keys)
				before, was := model[key]
				var got *note
				if deletes {
					delete(model, key)
					got = v.apply(key, revision, nil, nil)
				} else {
					n := note{Text: strings.Repeat("x", k%3), N: k + int(revision)}
					model[key] = n
					it := &item[note]{key: key, revision: revision, value: &n}
					if rest {
						it.value, it.data = nil, marshal(n)
					}
					got = v.apply(key, revision, it, index(key, n))
				}
				if was != (got != nil) || was && *got != before {
					t.Fatalf("%s was %v, said to be %v", key, before, got)
				}
			}
			checkView(t, &v, model, index, keys)
		}
	})
}

func marshal(n note) []byte {
	data, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return data
}

func checkView(t *rapid.T, v *view[note], model map[string]note, index func(string, note) []string, keys int) {
	key := func(label string) string {
		if !rapid.Bool().Draw(t, "with "+label) {
			return ""
		}
		return fmt.Sprintf("k%05d", rapid.IntRange(0, keys).Draw(t, label))
	}
	q := Query{Low: key("low"), High: key("high"), Before: key("before"), Limit: rapid.IntRange(1, 1000).Draw(t, "limit"), Ascending: rapid.Bool().Draw(t, "ascending")}
	for _, term := range []string{"mod3=0", "mod100=7", "x", "n=9"} {
		if rapid.IntRange(0, 2).Draw(t, term) == 0 {
			q.Terms = append(q.Terms, term)
		}
	}
	var want []string
	for _, k := range slices.Sorted(maps.Keys(model)) {
		terms := index(k, model[k])
		misses := func(term string) bool { return !slices.Contains(terms, term) }
		after := q.Before == "" || q.Ascending && k > q.Before || !q.Ascending && k < q.Before
		if after && k >= q.Low && (q.High == "" || k <= q.High) && !slices.ContainsFunc(q.Terms, misses) {
			want = append(want, k)
		}
	}
	if !q.Ascending {
		slices.Reverse(want)
	}
	var got []string
	page, from, more := []Found[note]{}, q.Before, true
	for more {
		page, from, more = v.find(q, from, page)
	}
	for _, f := range page {
		got = append(got, f.Key)
		if e := f.Entry(); e.Value != model[f.Key] {
			t.Fatalf("%s is %v, want %v", f.Key, e.Value, model[f.Key])
		}
	}
	if want = want[:min(len(want), q.Limit+1)]; !slices.Equal(got, want) {
		t.Fatalf("%+v: got %v, want %v", q, got, want)
	}
	for _, term := range q.Terms {
		n := 0
		for k, value := range model {
			if slices.Contains(index(k, value), term) {
				n++
			}
		}
		if got := v.count(term); got != n {
			t.Fatalf("%d records have %s, said to be %d", n, term, got)
		}
	}
	if v.count("") != len(model) {
		t.Fatalf("%d records, said to be %d", len(model), v.count(""))
	}
}

func TestALongSearchLetsGoOfTheLock(t *testing.T) {
	t.Parallel()
	v := newView(func(_ string, n note) []string { return []string{n.Text} }, &packer{})
	const records = 2*looked*chunkSize + 1
	for i := range records {
		n := note{Text: "common"}
		if i == 0 || i == records-1 {
			n.Text = "rare"
		}
		v.apply(fmt.Sprintf("%08d", i), uint64(i+1), &item[note]{key: fmt.Sprintf("%08d", i), value: &n}, []string{n.Text})
	}
	for _, ascending := range []bool{true, false} {
		q := Query{Terms: []string{"rare"}, Limit: 10, Ascending: ascending}
		page, from, more := v.find(q, "", nil)
		assert.Len(t, page, 1)
		require.True(t, more)
		holds := 1
		for ; more; holds++ {
			page, from, more = v.find(q, from, page)
		}
		assert.Len(t, page, 2)
		assert.Equal(t, 3, holds)
	}
}

func TestWhatIsPackedComesBack(t *testing.T) {
	t.Parallel()
	p := &packer{}
	packed, of := 0, 0
	for i := range 1000 {
		data := fmt.Appendf(nil, `{"id":"%08d","routine":"models/sir","limits":{"memory_bytes":268435456,"wall_seconds":3600},"phase":"completed","n":%d}`, i, i*i)
		if i%10 == 0 {
			data = fmt.Appendf(nil, `{"columns":[{"name":"Species","type":"string","count":344,"nulls":%d}],"artifacts":["column-%d.vl.json"]}`, i, i)
		}
		if i == 0 {
			data = []byte("{}")
		}
		out, with := p.pack(data)
		assert.Equal(t, string(data), string(unpack(nil, out, with)))
		assert.Equal(t, "[,"+string(data), string(unpack([]byte("[,"), out, with)))
		packed, of = packed+len(out), of+len(data)
	}
	assert.Less(t, packed, of/3)
}

func TestDigestsAreShortAndComeBack(t *testing.T) {
	t.Parallel()
	digest := rapid.StringMatching("[0-9a-f]{64}")
	part := rapid.OneOf(digest, rapid.StringMatching("[0-9a-fA-F]{64}"), rapid.StringMatching("[0-9a-f]{63,65}"), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(part).Draw(t, "parts")
		data, err := json.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.IntRange(0, 9).Draw(t, "damage") == 0 {
			data = append(data, digestMark)
		}
		short, digests, ok := shorten(nil, data)
		if ok != !slices.Contains(data, digestMark) {
			t.Fatalf("%q: %v", data, ok)
		}
		if !ok {
			return
		}
		want := 0
		for _, p := range parts {
			if validDigest(p) {
				want++
			}
		}
		if digests != want {
			t.Fatalf("%d digests in %q", digests, data)
		}
		if len(short)+digests*digestSaves != len(data) {
			t.Fatalf("%d bytes and %d digests of %d bytes", len(short), digests, len(data))
		}
		all := append(make([]byte, digests*digestSaves), short...)
		if lengthen(all, digests); string(all) != string(data) {
			t.Fatalf("%q came back as %q", data, all)
		}
	})
	many := []byte(strings.Repeat(`"`+strings.Repeat("a", 64)+`",`, mostDigests+10))
	_, digests, _ := shorten(nil, many)
	assert.Equal(t, mostDigests, digests)
	p := &packer{}
	for range 3 {
		packed, with := p.pack(many)
		assert.Equal(t, many, unpack(nil, packed, with))
	}
}
