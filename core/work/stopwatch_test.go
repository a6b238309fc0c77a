package work

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// A pause and the limit may come in the same moment: whichever is first holds, and
// a stopwatch that stands still never fires.
func TestAStopwatchThatStandsStillDoesNotFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fired atomic.Int32
		s := newStopwatch(time.Now, time.Second)
		s.start(func() { fired.Add(1) })
		time.Sleep(999 * time.Millisecond)
		s.stop()
		time.Sleep(time.Hour)
		assert.Zero(t, fired.Load())
		assert.Equal(t, 999*time.Millisecond, s.read())
		s.ring(1) // its timer had gone off already
		assert.Zero(t, fired.Load())
		s.resume()
		s.ring(1) // and comes late
		assert.Zero(t, fired.Load())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		assert.EqualValues(t, 1, fired.Load())
	})
}
