package guard

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A goroutine has one id, however deep its stack, and no two that are alive have the same.
func TestEachGoroutineHasItsOwnID(t *testing.T) {
	t.Parallel()
	const goroutines = 1000
	ids := make([]uint64, goroutines)
	var all sync.WaitGroup
	taken, end := sync.WaitGroup{}, make(chan struct{})
	taken.Add(goroutines)
	for n := range ids {
		all.Go(func() {
			ids[n] = goroutineID()
			assert.Equal(t, ids[n], deep(1000))
			taken.Done()
			<-end
		})
	}
	taken.Wait()
	close(end)
	all.Wait()
	seen := map[uint64]bool{goroutineID(): true}
	for _, id := range ids {
		assert.NotZero(t, id)
		assert.False(t, seen[id], id)
		seen[id] = true
	}
}

// deep returns the id that is read below so many calls.
func deep(calls int) uint64 {
	if calls == 0 {
		return goroutineID()
	}
	return deep(calls - 1)
}
