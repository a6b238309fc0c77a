package ledger

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// BenchmarkWrites measures a durable write: alone, and where many write at once, so
// that one sync serves several.
func BenchmarkWrites(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			_, s := open(b, b.TempDir(), StoreConfig[note]{})
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(writers) // times GOMAXPROCS, which is what there is to set
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Create(b.Context(), fmt.Sprint(n.Add(1)), note{Text: "x"}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
