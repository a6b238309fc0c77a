package ledger

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkWrites measures synced writes by clients that each wait for theirs.
func BenchmarkWrites(b *testing.B) {
	for _, clients := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			_, s := open(b, b.TempDir(), StoreConfig[note]{})
			var n atomic.Int64
			b.SetParallelism(clients)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, err := s.Create(b.Context(), fmt.Sprint(n.Add(1)), note{Text: string(make([]byte, 700))})
					require.NoError(b, err)
				}
			})
		})
	}
}
