package dispatch_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"thresher/core/job"
)

func inBatch(batch string) func(*job.Record) {
	return func(r *job.Record) { r.Spec.Batch = batch }
}

func (w *world) hold(batch string, on bool) {
	w.d.Hold(batch, on)
	synctest.Wait()
}

// What a job waits for comes to pass while its batch is on hold: it starts all the same
// only when the batch is not.
func TestNoJobOfABatchOnHoldStarts(t *testing.T) {
	for name, c := range map[string]struct {
		needs  func(*job.Record)
		before func(w *world)
		meets  func(w *world)
	}{
		"a_slot":   {func(*job.Record) {}, func(w *world) { w.submit("0"); w.run("0") }, func(w *world) { w.end("0", job.Completed) }},
		"a_parent": {after("P"), func(w *world) { w.submit("P"); w.run("P") }, func(w *world) { w.end("P", job.Completed) }},
		"a_leader": {key("k"), func(w *world) { w.submit("0", key("k")); w.run("0") }, func(w *world) { w.end("0", job.Failed) }},
	} {
		for _, first := range []string{"hold", "job"} {
			t.Run(name+"/"+first+"_first", func(t *testing.T) {
				inWorld(t, 1, func(w *world) {
					c.before(w)
					if first == "hold" {
						w.hold("b", true)
					}
					w.submit("Q", c.needs, inBatch("b"))
					w.hold("b", true)
					w.hold("other", true)
					c.meets(w)
					assert.NotContains(t, w.granted, "Q")
					assert.Equal(t, "batch b", w.d.WaitsOn("Q"))
					assert.True(t, w.d.Knows("Q"))
					running, waiting := w.d.Counts()
					assert.Equal(t, []int{0, 1}, []int{running, waiting}, "it holds no slot, and counts as waiting")
					w.submit("R")
					assert.Contains(t, w.granted, "R", "others go on")
					w.run("R")
					w.end("R", job.Completed)
					w.hold("other", false)
					assert.NotContains(t, w.granted, "Q")
					w.hold("b", false)
					assert.Contains(t, w.granted, "Q")
				})
			})
		}
	}
}

// A job that others are coalesced with does not keep them waiting with its batch.
func TestABatchOnHoldLetsOthersLead(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.submit("0")
		w.run("0")
		w.submit("A", key("k"), inBatch("b"))
		w.submit("B", key("k"))
		assert.Equal(t, "twin A", w.d.WaitsOn("B"))
		w.hold("b", true)
		w.end("0", job.Completed)
		assert.Equal(t, []string{"0", "B"}, w.granted)
		w.run("B")
		w.end("B", job.Completed)
		w.hold("b", false)
		assert.Equal(t, []string{"0", "B", "A"}, w.granted, "its own run, unless the cache answers")
	})
}

// Whatever becomes of a job on hold, no count stays.
func TestAJobOnHoldCanBePausedStoppedAndDeleted(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"stopped": func(w *world) { w.end("A", job.Stopped) },
		"deleted": func(w *world) { w.remove("A") },
		"paused_and_stopped": func(w *world) {
			w.pause("A")
			assert.Empty(w.t, w.d.WaitsOn("A"), "it waits for its user")
			w.end("A", job.Stopped)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.hold("b", true)
				w.submit("A", inBatch("b"))
				change(w)
				_, waiting := w.d.Counts()
				assert.Zero(t, waiting)
				assert.False(t, w.d.Knows("A"))
				w.hold("b", false)
				assert.Empty(t, w.granted)
			})
		})
	}
}

// A batch of many jobs is released in order, and one that is put on hold again meanwhile
// stays on hold.
func TestALargeBatchIsReleasedInOrder(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.hold("b", true)
		const n = 300
		for i := range n {
			w.submit(fmt.Sprintf("%03d", i), inBatch("b"))
		}
		w.d.Hold("b", false)
		w.d.Hold("b", true)
		synctest.Wait()
		w.hold("b", true)
		for _, id := range w.granted { // some may have been queued between the two
			w.run(id)
			w.end(id, job.Completed)
		}
		w.hold("b", false)
		for i := len(w.granted) - 1; i < n; i++ {
			id := fmt.Sprintf("%03d", i)
			assert.Equal(t, id, w.granted[i])
			w.run(id)
			w.end(id, job.Completed)
		}
		_, waiting := w.d.Counts()
		assert.Zero(t, waiting)
	})
}
