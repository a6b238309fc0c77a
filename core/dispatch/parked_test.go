package dispatch_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/dispatch"
	"thresher/core/job"
)

// park sets a granted job aside, as a worker does that finds something missing.
func (w *world) park(id, key string) {
	w.d.Park(id, dispatch.Reason{Key: key, Why: key + " is damaged"})
	w.settle(id)
}

func (w *world) unpark(key string) {
	w.d.Unpark(key)
	synctest.Wait()
}

func TestAParkedJobHoldsNoSlotAndSaysWhatItWaitsFor(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.submit("A")
		w.park("A", "blob x")
		assert.Equal(t, "blob x is damaged", w.d.WaitsOn("A"))
		assert.Equal(t, map[string]int{"blob x": 1}, w.d.ParkedOn())
		running, waiting := w.d.Counts()
		assert.Equal(t, []int{0, 1}, []int{running, waiting})
		assert.True(t, w.d.Knows("A"))
		w.submit("B")
		require.Equal(t, []string{"A", "B"}, w.granted, "its slot is another's")
		w.run("B")
		w.unpark("blob y")
		assert.Equal(t, "blob x is damaged", w.d.WaitsOn("A"), "that was another blob")
		w.unpark("blob x")
		assert.Equal(t, "slots", w.d.WaitsOn("A"))
		assert.Empty(t, w.d.ParkedOn())
		w.end("B", job.Completed)
		assert.Equal(t, []string{"A", "B", "A"}, w.granted)
	})
}

// A change of a parked job does not wake it, its end takes it out, and no count stays.
func TestAParkedJobCanBePausedStoppedAndDeleted(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"stopped": func(w *world) { w.end("A", job.Stopped) },
		"deleted": func(w *world) { w.remove("A") },
		"paused_and_stopped": func(w *world) {
			w.pause("A")
			_, waiting := w.d.Counts()
			assert.Zero(w.t, waiting)
			assert.Empty(w.t, w.d.WaitsOn("A"), "it waits for its user")
			w.resume("A")
			assert.Equal(w.t, "blob x is damaged", w.d.WaitsOn("A"))
			w.end("A", job.Stopped)
		},
		"made_whole_while_paused": func(w *world) {
			w.pause("A")
			w.unpark("blob x")
			assert.Equal(w.t, []string{"A"}, w.granted, "it is not granted while it is paused")
			w.resume("A")
			assert.Equal(w.t, []string{"A", "A"}, w.granted)
			w.run("A")
			w.end("A", job.Completed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.t = t
				w.submit("A")
				w.park("A", "blob x")
				change(w)
				assert.Empty(t, w.d.ParkedOn())
				running, waiting := w.d.Counts()
				assert.Equal(t, []int{0, 0}, []int{running, waiting})
				assert.NoError(t, w.d.Admit("C", "t", "p"))
			})
		})
	}
}

// Jobs with one cache key wait together for what the first of them lacks.
func TestThoseWhoFollowAParkedJobGoOnWithIt(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		w.submit("A", key("k"))
		w.submit("B", key("k"))
		w.park("A", "blob x")
		assert.Equal(t, "twin A", w.d.WaitsOn("B"))
		w.unpark("blob x")
		require.Equal(t, []string{"A", "A"}, w.granted)
		w.run("A")
		w.end("A", job.Completed)
		assert.Equal(t, []string{"B: as A"}, w.ended)
	})
}

// What is whole again before the grant is settled is not waited for.
func TestAnUnparkThatComesBeforeTheGrantIsSettledIsNotLost(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.submit("A")
		w.d.Park("A", dispatch.Reason{Key: "blob x", Why: "it is damaged"})
		w.unpark("blob x")
		assert.Equal(t, []string{"A"}, w.granted)
		w.settle("A")
		assert.Equal(t, []string{"A", "A"}, w.granted)
	})
}
