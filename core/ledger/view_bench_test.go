package ledger

import (
	"fmt"
	"testing"
)

// BenchmarkFindNothing: of a million records no one has both of two terms that there are
// in every chunk, so that all are looked at.
func BenchmarkFindNothing(b *testing.B) {
	v := newView[note](nil, &packer{})
	const records = 1_000_000
	for i := range records {
		key := fmt.Sprintf("%08d", i)
		terms := []string{"phase=completed", fmt.Sprint("kind=", i%2), fmt.Sprint("tenant=", i%20), fmt.Sprint("ended=", i%20), fmt.Sprint("sweep=", i/1000), fmt.Sprint("owner=", i%3)}
		if i%50 == 7 {
			terms[0] = "phase=failed"
		}
		v.apply(key, uint64(i+1), &item[note]{key: key, value: &note{}}, terms)
	}
	q := Query{Terms: []string{"phase=failed", "kind=0"}, Limit: 100}
	b.ResetTimer()
	for b.Loop() {
		page, from, more := v.find(q, "", nil)
		for more {
			page, from, more = v.find(q, from, page)
		}
		if len(page) > 0 {
			b.Fatal(page)
		}
	}
}
