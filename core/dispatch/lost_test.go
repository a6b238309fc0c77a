package dispatch_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"thresher/core/job"
)

// Grants get lost on the way to the workers, come twice, and late, in another order:
// every job starts once, never more run than there are slots, and in the end every
// slot is free.
func TestGrantsThatAreLostRepeatedAndLateStartEachJobOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		const slots, jobs = 4, 300
		onFloor(t, slots, map[string]time.Duration{"a": 300 * time.Millisecond, "b": 2 * time.Second}, func(f *floor) {
			chance := rand.New(rand.NewPCG(seed, 0))
			kinds := [4]int{}
			f.seam = func(id string, deliver func(string)) {
				f.mu.Lock()
				kind, late := chance.IntN(4), time.Duration(chance.Int64N(int64(20*time.Second)))
				kinds[kind]++
				f.mu.Unlock()
				switch kind {
				case 0: // it is lost
				case 1:
					deliver(id)
					deliver(id)
				case 2:
					time.AfterFunc(late, func() { deliver(id) })
				default:
					deliver(id)
				}
			}
			for n := range jobs {
				f.submit([]string{"a", "b"}[n%2])
			}
			for range 600 {
				rest(time.Second)
				running, _ := f.d.Counts()
				assert.LessOrEqual(t, running, slots)
			}
			started := map[string]int{}
			for _, id := range f.starts() {
				started[id]++
				assert.Equal(t, 1, started[id], id)
				r := f.record(id)
				assert.Equal(t, job.Completed, r.Phase)
			}
			assert.Len(t, started, jobs)
			running, waiting := f.d.Counts()
			assert.Zero(t, running+waiting, "no slot is lost")
			for _, n := range kinds {
				assert.Greater(t, n, jobs/8, "all of it happened")
			}
		})
	}
}
