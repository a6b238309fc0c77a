package dispatch_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"thresher/core/dispatch"
	"thresher/core/job"
)

// loading is a world whose modules have to be loaded.
type loading struct {
	*world
	needed []string // "digest for job", as asked for
}

// Need implements dispatch.Loader.
func (l *loading) Need(r job.Record) { l.needed = append(l.needed, r.Spec.Digest+" for "+r.ID) }

func inLoading(t *testing.T, slots int, test func(w *loading)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &loading{world: &world{t: t, records: map[string]job.Record{}}}
		w.d = dispatch.New(limits(slots, 100), "node", w, w.lookUp, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.d.Run(ctx) }()
		test(w)
		cancel()
		<-done
	})
}

func on(digest string) func(*job.Record) {
	return func(r *job.Record) { r.Spec.Digest, r.Spec.Version = digest, "1.0.0" }
}

func (w *loading) module(digest, on string) {
	w.d.Module(digest, on)
	synctest.Wait()
}

// Jobs wait for their module without a slot, and hold up nobody else's; it is asked for
// once. They start in the order of their submit.
func TestJobsWaitForTheirModuleAlone(t *testing.T) {
	inLoading(t, 2, func(w *loading) {
		w.submit("a", on("x"))
		w.submit("b", on("x"))
		assert.Equal(w.t, []string{"x for a"}, w.needed)
		assert.Equal(w.t, "plugin p@1.0.0 is being loaded", w.d.WaitsOn("a"))
		w.module("y", "")
		w.submit("c", on("y"))
		assert.Equal(w.t, []string{"c"}, w.granted, "its module is ready")
		w.module("x", "plugin p@1.0.0 is missing")
		assert.Equal(w.t, "plugin p@1.0.0 is missing", w.d.WaitsOn("b"))
		running, waiting := w.d.Counts()
		assert.Equal(w.t, []int{1, 2}, []int{running, waiting})
		assert.True(w.t, w.d.Knows("a"))
		w.run("c")
		w.module("x", "")
		assert.Equal(w.t, []string{"c", "a"}, w.granted)
		assert.Equal(w.t, "slots", w.d.WaitsOn("b"))
		w.run("a")
		w.end("a", job.Completed)
		w.end("c", job.Completed)
		assert.Equal(w.t, []string{"c", "a", "b"}, w.granted)
		assert.Equal(w.t, []string{"x for a"}, w.needed)
		w.run("b")
		w.end("b", job.Completed)
		running, waiting = w.d.Counts()
		assert.Zero(w.t, running+waiting)
	})
}

// A job that waits for its module is stopped, paused, resumed and deleted as any other.
func TestAJobThatWaitsForItsModuleCanBeStopped(t *testing.T) {
	inLoading(t, 2, func(w *loading) {
		for _, id := range []string{"a", "b", "c"} {
			w.submit(id, on("x"))
		}
		w.end("a", job.Stopped)
		w.pause("b")
		assert.Empty(w.t, w.d.WaitsOn("a")+w.d.WaitsOn("b"))
		_, waiting := w.d.Counts()
		assert.Equal(w.t, 1, waiting)
		w.module("x", "")
		assert.Equal(w.t, []string{"c"}, w.granted)
		w.resume("b")
		assert.Equal(w.t, []string{"c", "b"}, w.granted)
	})
}

// Where a worker finds that a module is not ready after all, the job waits again, and
// the module is asked for again.
func TestAModuleThatIsGoneIsAskedForAgain(t *testing.T) {
	inLoading(t, 1, func(w *loading) {
		w.module("x", "")
		w.submit("a", on("x"))
		w.submit("b", on("x"))
		assert.Equal(w.t, []string{"a"}, w.granted)
		w.d.Unready("x")
		w.settle("a") // nothing was written
		assert.Equal(w.t, []string{"x for a"}, w.needed)
		assert.Equal(w.t, []string{"a", "b"}, w.granted, "it was in the queue still")
		w.module("x", "plugin p@1.0.0 is missing")
		w.d.Unready("x")
		w.settle("b")
		assert.Equal(w.t, "plugin p@1.0.0 is missing", w.d.WaitsOn("b"))
		assert.Equal(w.t, []string{"x for a"}, w.needed, "once for both")
		w.module("x", "")
		assert.Equal(w.t, []string{"a", "b", "a"}, w.granted)
	})
}

// Parents come before the module, and of jobs with one cache key the leader waits for
// it.
func TestParentsAndLeadersComeBeforeTheModule(t *testing.T) {
	inLoading(t, 4, func(w *loading) {
		w.module("y", "")
		w.submit("parent", on("y"))
		w.submit("child", on("x"), after("parent"))
		assert.Empty(w.t, w.needed, "it is not needed yet")
		w.run("parent")
		w.end("parent", job.Completed)
		assert.Equal(w.t, []string{"x for child"}, w.needed)
		w.submit("t1", on("z"), key("k"))
		w.submit("t2", on("z"), key("k"))
		assert.Equal(w.t, "twin t1", w.d.WaitsOn("t2"))
		w.end("t1", job.Stopped)
		assert.Equal(w.t, "plugin p@1.0.0 is being loaded", w.d.WaitsOn("t2"))
		w.module("z", "")
		w.module("x", "")
		assert.Equal(w.t, []string{"parent", "t2", "child"}, w.granted)
	})
}
