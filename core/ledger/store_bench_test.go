package ledger

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

// BenchmarkWrites measures synced writes by clients that each wait for theirs.
func BenchmarkWrites(b *testing.B) {
	for _, clients := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			_, s := open(b, b.TempDir(), StoreConfig[note]{})
			var n atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range clients {
				all.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						_, err := s.Create(b.Context(), fmt.Sprint(i), note{Text: string(make([]byte, 700))})
						assert.NoError(b, err)
					}
				})
			}
			all.Wait()
		})
	}
}
