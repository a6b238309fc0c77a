package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/work"
)

// family is a Runner of jobs that need each other: each leaves a table, and fails as long
// as its param says so.
type family struct {
	broken sync.Map // n
	ran    sync.Map // n → how often
}

func (*family) List() []core.Plugin {
	r := routine.Routine{
		Name: "step", Kind: routine.Analysis,
		Params: json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer"}}}`),
		Inputs: []routine.Input{{Name: "data", Optional: true, Columns: []routine.Column{{Name: "a", Type: "number"}}}},
	}
	return []core.Plugin{{Digest: "d", Manifest: routine.Manifest{Name: "f", Version: "1.0.0", Routines: []routine.Routine{r}}}}
}

func (f *family) Run(_ context.Context, c work.Call) (work.Report, error) {
	n := string(c.Params)
	times, _ := f.ran.LoadOrStore(n, 0)
	f.ran.Store(n, times.(int)+1)
	if _, broken := f.broken.Load(n); broken {
		return work.Report{}, &job.Error{Code: "guest_error", Title: "it failed"}
	}
	return work.Report{Result: json.RawMessage(n)}, appendRows(c.Host, "made")
}

// breakDown lets the jobs with a param fail from now on, or not.
func (f *family) breakDown(n int, on bool) {
	if on {
		f.broken.Store(string(params(n)), true)
		return
	}
	f.broken.Delete(string(params(n)))
}

func (f *family) times(n int) int {
	times, ok := f.ran.Load(string(params(n)))
	if !ok {
		return 0
	}
	return times.(int)
}

func openFamily(t *testing.T) (*core.Engine, *family) {
	t.Helper()
	f := &family{}
	e, err := core.Open(t.Context(), core.Config{Dir: t.TempDir(), Limits: core.Limits{Slots: 1}}, f)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(cancelled())) })
	return e, f
}

func step(n int, needs ...string) core.Request {
	req := core.Request{Routine: "f/step", Params: params(n), Cache: "off"}
	for _, id := range needs {
		req.After = append(req.After, id)
		req.Inputs = map[string]string{"data": "job:" + id + "/made"}
	}
	return req
}

// toTheEnd submits a job, or retries one, and returns it when it has ended.
func toTheEnd(t *testing.T, e *core.Engine) func(core.Job, error) core.Job {
	return func(j core.Job, err error) core.Job {
		t.Helper()
		require.NoError(t, err)
		j, err = e.Wait(t.Context(), j.ID)
		require.NoError(t, err)
		return j
	}
}

// needs lists what a job needs: after it, and whose table it reads.
func needs(j core.Job) []string { return append([]string{j.Spec.Inputs["data"].Job}, j.Spec.After...) }

// A child that fell with its parent can be retried once a retry of the parent has
// completed, however often that took.
func TestARetryTakesTheNewestRetryOfItsParent(t *testing.T) {
	t.Parallel()
	for _, newest := range []bool{false, true} {
		t.Run(fmt.Sprint("newest_", newest), func(t *testing.T) {
			t.Parallel()
			e, f := openFamily(t)
			f.breakDown(1, true)
			parent, err := e.Submit(t.Context(), step(1))
			require.NoError(t, err)
			child, err := e.Submit(t.Context(), step(2, parent.ID))
			require.NoError(t, err)
			grandchild, err := e.Submit(t.Context(), step(3, child.ID))
			require.NoError(t, err)
			grandchild = toTheEnd(t, e)(grandchild, nil)
			require.Equal(t, "dependency_failed", grandchild.Outcome.Error.Code)

			_, err = e.Retry(t.Context(), child.ID, newest)
			assert.Equal(t, "parent_missing", core.Code(err))
			assert.ErrorContains(t, err, "needs job "+parent.ID+", which is failed")
			second := toTheEnd(t, e)(e.Retry(t.Context(), parent.ID, newest))
			require.Equal(t, job.Failed, second.Phase)
			_, err = e.Retry(t.Context(), child.ID, newest)
			assert.Equal(t, "parent_missing", core.Code(err), "that one failed too")
			f.breakDown(1, false)
			third := toTheEnd(t, e)(e.Retry(t.Context(), second.ID, newest))
			require.Equal(t, job.Completed, third.Phase)
			assert.Equal(t, parent.ID, third.Spec.Root)
			f.breakDown(1, true)
			fourth := toTheEnd(t, e)(e.Retry(t.Context(), third.ID, newest))
			require.Equal(t, job.Failed, fourth.Phase)

			again := toTheEnd(t, e)(e.Retry(t.Context(), child.ID, newest))
			assert.Equal(t, job.Completed, again.Phase)
			assert.Equal(t, []string{third.ID, third.ID}, needs(again), "the newest that completed")
			last := toTheEnd(t, e)(e.Retry(t.Context(), grandchild.ID, newest))
			assert.Equal(t, job.Completed, last.Phase)
			assert.Equal(t, []string{again.ID, again.ID}, needs(last))
			consistent(t, e)
		})
	}
}

// Where the parent's retry has not ended, the child's waits for it; where the parent is
// gone, its retry is there all the same.
func TestARetryFindsItsParentInEveryState(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 2})
	parent := submit(t, e, "wait")
	child, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", After: []string{parent.ID}})
	require.NoError(t, err)
	_, err = e.Stop(t.Context(), child.ID)
	require.NoError(t, err)
	again, err := e.Retry(t.Context(), child.ID, false)
	require.NoError(t, err)
	assert.Equal(t, []string{parent.ID}, again.Spec.After, "it has not ended")
	_, err = e.Stop(t.Context(), parent.ID)
	require.NoError(t, err)
	until(t, e, again.ID, job.Failed)
	_, err = e.Retry(t.Context(), again.ID, false)
	require.ErrorContains(t, err, "needs job "+parent.ID+", which is stopped")

	running, err := e.Retry(t.Context(), parent.ID, false)
	require.NoError(t, err)
	waits, err := e.Retry(t.Context(), again.ID, false)
	require.NoError(t, err)
	assert.Equal(t, []string{running.ID}, waits.Spec.After)
	assert.Equal(t, "job "+running.ID, waits.Waiting.On)
	close(s.finish)
	until(t, e, waits.ID, job.Completed)

	require.NoError(t, e.Delete(t.Context(), parent.ID))
	later := toTheEnd(t, e)(e.Retry(t.Context(), child.ID, false))
	assert.Equal(t, []string{running.ID}, later.Spec.After)
	require.NoError(t, e.Delete(t.Context(), running.ID))
	_, err = e.Retry(t.Context(), child.ID, false)
	assert.ErrorContains(t, err, "needs job "+parent.ID+", which is gone")
	_, err = e.Retry(t.Context(), later.ID, false)
	assert.ErrorContains(t, err, "needs job "+running.ID+", which is gone")
	consistent(t, e)
}

// A table that was pinned at the submit is the data that a job ran on: its retry reads
// that, whatever became of the parent. With newest it reads the parent's newest.
func TestARetryReadsThePinnedTable(t *testing.T) {
	t.Parallel()
	e, f := openFamily(t)
	parent := toTheEnd(t, e)(e.Submit(t.Context(), step(1)))
	req := step(2, parent.ID)
	req.After = nil
	child := toTheEnd(t, e)(e.Submit(t.Context(), req))
	require.NotEmpty(t, child.Spec.Inputs["data"].Digest)
	newer := toTheEnd(t, e)(e.Retry(t.Context(), parent.ID, false))
	require.NoError(t, e.Delete(t.Context(), parent.ID))
	again := toTheEnd(t, e)(e.Retry(t.Context(), child.ID, false))
	assert.Equal(t, child.Spec.Inputs, again.Spec.Inputs)
	again = toTheEnd(t, e)(e.Retry(t.Context(), child.ID, true))
	assert.Equal(t, newer.ID, again.Spec.Inputs["data"].Job)
	assert.NotEmpty(t, again.Spec.Inputs["data"].Digest)
	assert.Equal(t, 3, f.times(2))
}

// chains submits a batch of chains: of each, the first job, one that needs it, and one
// that needs that.
func chains(t *testing.T, e *core.Engine, n int) core.Batch {
	t.Helper()
	var req core.BatchRequest
	for i := range n {
		first, second := fmt.Sprint("a", i), fmt.Sprint("b", i)
		req.Jobs = append(req.Jobs,
			core.BatchJob{Request: step(3*i+2, "@"+second)},
			core.BatchJob{Name: second, Request: step(3*i+1, "@"+first)},
			core.BatchJob{Name: first, Request: step(3 * i)})
	}
	b, err := e.SubmitBatch(t.Context(), req)
	require.NoError(t, err)
	eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	return b
}

// The retry of a batch makes what failed anew, and all that fell with it, on the new
// parents; what completed is not run again. It does so as often as is needed, whatever was
// retried alone meanwhile.
func TestARetryOfABatchRetriesWhatBelongsTogether(t *testing.T) {
	t.Parallel()
	const n = 60 // so that not all of it is retried at once
	e, f := openFamily(t)
	for i := range n {
		f.breakDown(3*i+i%4, i%4 < 3) // the first, the second or the third; of some none
	}
	b := chains(t, e, n)
	completed, failed := b.Phases[job.Completed], b.Phases[job.Failed]
	assert.Equal(t, n/4*(0+1+2+3), completed)

	retry := bulk(t, e, "retry", core.Filter{Batch: b.ID})
	assert.Equal(t, failed, retry.Done)
	eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	assert.Equal(t, 2*failed, b.Phases[job.Failed], "they still fail")

	// Some of the parents are retried alone before that, so that they come later in the
	// list than the jobs that need them.
	page, err := e.Jobs(t.Context(), core.Filter{Bulk: retry.ID, Error: "guest_error", Limit: 7})
	require.NoError(t, err)
	for _, j := range page.Jobs {
		toTheEnd(t, e)(e.Retry(t.Context(), j.ID, false))
	}
	for i := range 3 * n {
		f.breakDown(i, false)
	}
	retry = bulk(t, e, "retry", core.Filter{Batch: b.ID, Phases: []job.Phase{job.Failed, job.Stopped}})
	assert.Equal(t, failed, retry.Done)
	assert.Equal(t, map[string]int{"illegal_move": failed + 7}, retry.Reasons, "those that were retried before")
	eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	assert.Equal(t, 3*n, b.Phases[job.Completed], "each job completed once")
	for i := range n {
		for k := range 3 {
			if i%4 != k {
				assert.Equal(t, 1, f.times(3*i+k), "job %d of chain %d: it did not fail itself", k, i)
			}
		}
	}
	again := bulk(t, e, "retry", core.Filter{Batch: b.ID})
	assert.Zero(t, again.Done, "nothing is left to retry")
	consistent(t, e)
}

// A parent that was stopped is retried with the job that failed for it, also where only
// failed jobs are to be retried.
func TestARetryOfFailedJobsRetriesTheStoppedJobsTheyNeed(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 1})
	wait := core.Request{Routine: "test/wait", Cache: "off"}
	next := core.Request{Routine: "test/quick", Cache: "off", After: []string{"@first"}}
	b := batch(t, e, core.BatchRequest{Jobs: []core.BatchJob{{Name: "first", Request: wait}, {Request: next}, {Request: next}}})
	first := <-s.started
	until(t, e, first, job.Running)
	_, err := e.Stop(t.Context(), first)
	require.NoError(t, err)
	eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	require.Equal(t, 2, b.Phases[job.Failed])
	close(s.finish)
	retry := bulk(t, e, "retry", core.Filter{Batch: b.ID, Phase: job.Failed})
	assert.Equal(t, 2, retry.Done)
	eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	assert.Equal(t, 3, b.Phases[job.Completed])
}
