package core_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/table"
)

func params(n int) json.RawMessage { return json.RawMessage(fmt.Sprintf(`{"n":%d}`, n)) }

func TestAnIdempotencyKeyMakesOneJob(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, newScript(), core.Limits{})
	req := core.Request{Routine: "test/quick", Key: "mine", Cache: "off"}
	var ids sync.Map
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			j, err := e.Submit(t.Context(), req)
			assert.NoError(t, err)
			ids.Store(j.ID, true)
		})
	}
	clients.Wait()
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	assert.Equal(t, 1, n)

	_, err := e.Submit(t.Context(), core.Request{Routine: "test/fail", Key: "mine", Cache: "off"})
	assert.Equal(t, "key_reused", core.Code(err))
	other := req
	other.Tenant = "other"
	j, err := e.Submit(t.Context(), other)
	require.NoError(t, err)
	_, same := ids.Load(j.ID)
	assert.False(t, same, "keys are each tenant's own")

	require.NoError(t, e.Close(t.Context()))
	e = open(t, dir, newScript(), core.Limits{})
	j, err = e.Submit(t.Context(), req)
	require.NoError(t, err)
	_, same = ids.Load(j.ID)
	assert.True(t, same, "also after a restart")
}

func TestIdenticalJobsShareOneRun(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 4})
	req := core.Request{Routine: "test/wait"}
	first, err := e.Submit(t.Context(), req)
	require.NoError(t, err)
	until(t, e, first.ID, job.Running)
	var others []core.Job
	for range 3 {
		j, err := e.Submit(t.Context(), req)
		require.NoError(t, err)
		others = append(others, j)
	}
	assert.Equal(t, &core.Waiting{On: "twin " + first.ID, Jobs: []string{first.ID}}, others[0].Waiting)
	_, err = e.Stop(t.Context(), others[0].ID)
	require.NoError(t, err)
	_, err = e.Stop(t.Context(), first.ID) // the others go on without it
	require.NoError(t, err)
	until(t, e, first.ID, job.Stopped)
	until(t, e, others[1].ID, job.Running)
	close(s.finish)
	ran := until(t, e, others[1].ID, job.Completed)
	shared := until(t, e, others[2].ID, job.Completed)
	assert.Empty(t, ran.CacheHit)
	assert.Equal(t, ran.ID, shared.CacheHit)
	assert.Equal(t, ran.Outcome.Result, shared.Outcome.Result)
	assert.Len(t, s.started, 2)

	hit, err := e.Submit(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, job.Completed, hit.Phase, "the cache answers at once")
	assert.Equal(t, ran.ID, hit.CacheHit)
	for _, own := range []core.Request{{Routine: "test/wait", Cache: "off"}, {Routine: "test/wait", Params: params(9)}} {
		j, err := e.Submit(t.Context(), own)
		require.NoError(t, err)
		assert.Empty(t, until(t, e, j.ID, job.Completed).CacheHit)
	}
	consistent(t, e)
}

func TestAJobWaitsForThoseItComesAfter(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 4})
	parent := submit(t, e, "wait")
	child, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", After: []string{parent.ID, parent.ID}})
	require.NoError(t, err)
	assert.Equal(t, "job "+parent.ID, child.Waiting.On)
	assert.Equal(t, "in_use", core.Code(deleteFinal(t, e, s, parent.ID, child.ID)))
	_, err = e.Submit(t.Context(), core.Request{Routine: "test/quick", After: []string{"none"}})
	assert.ErrorContains(t, err, `no job "none"`)

	failed := submit(t, e, "fail")
	until(t, e, failed.ID, job.Failed)
	_, err = e.Submit(t.Context(), core.Request{Routine: "test/quick", After: []string{failed.ID}})
	assert.ErrorContains(t, err, "only a completed job can be followed")
}

// deleteFinal tries to delete the parent once it has ended, while the child that
// needs it is held back.
func deleteFinal(t *testing.T, e *core.Engine, s *script, parent, child string) error {
	t.Helper()
	_, err := e.Pause(t.Context(), child)
	require.NoError(t, err)
	close(s.finish)
	until(t, e, parent, job.Completed)
	deleted := e.Delete(t.Context(), parent)
	_, err = e.Resume(t.Context(), child)
	require.NoError(t, err)
	until(t, e, child, job.Completed)
	assert.NoError(t, e.Delete(t.Context(), parent))
	return deleted
}

func TestNamedLocksAndMemoryHoldJobsBack(t *testing.T) {
	t.Parallel()
	s := newScript()
	l := core.Limits{Slots: 8, MemoryBytes: 1 << 30}
	e := open(t, t.TempDir(), s, l)
	submitted := func(req core.Request) core.Job {
		req.Routine, req.Cache = "test/wait", "off"
		j, err := e.Submit(t.Context(), req)
		require.NoError(t, err)
		return j
	}
	licence := []job.Lock{{Name: "licence:matlab"}}
	holder := submitted(core.Request{Locks: licence})
	until(t, e, holder.ID, job.Running)
	waiter := submitted(core.Request{Locks: licence})
	assert.Equal(t, &core.Waiting{On: "lock licence:matlab", Jobs: []string{holder.ID}, Lock: "licence:matlab"}, waiter.Waiting)
	locks := e.Locks(t.Context())
	require.Len(t, locks, 1)
	assert.Equal(t, holder.ID, locks[0].Holders[0].Job)
	assert.Equal(t, []string{waiter.ID}, locks[0].Waiters)

	large := submitted(core.Request{Limits: &job.Limits{MemoryBytes: 900 << 20}})
	assert.Equal(t, &core.Waiting{On: "memory"}, large.Waiting)
	_, err := e.Stop(t.Context(), holder.ID)
	require.NoError(t, err)
	until(t, e, waiter.ID, job.Running)
	_, err = e.Submit(t.Context(), core.Request{Routine: "test/wait", Limits: &job.Limits{MemoryBytes: 2 << 30}})
	assert.ErrorContains(t, err, "all jobs together have")
	for _, bad := range [][]job.Lock{{{Name: ""}}, {{Name: "a b"}}, {{Name: "a", Limit: -1}}, {{Name: "a"}, {Name: "a"}}} {
		_, err := e.Submit(t.Context(), core.Request{Routine: "test/wait", Locks: bad})
		assert.ErrorContains(t, err, "locks", bad)
	}
	close(s.finish)
	until(t, e, large.ID, job.Completed)
	consistent(t, e)
}

func TestARetryIsANewJobOfTheSame(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	seed := uint64(7)
	j, err := e.Submit(t.Context(), core.Request{Routine: "test/fail", Seed: &seed, Params: params(4), Labels: map[string]string{"a": "b"}})
	require.NoError(t, err)
	until(t, e, j.ID, job.Failed)
	for _, newest := range []bool{false, true} {
		again, err := e.Retry(t.Context(), j.ID, newest)
		require.NoError(t, err)
		assert.Equal(t, j.ID, again.Spec.Origin)
		assert.Equal(t, j.Spec.Params, again.Spec.Params)
		assert.Equal(t, j.Spec.Seed, again.Spec.Seed)
		assert.Equal(t, j.Spec.Labels, again.Spec.Labels)
		assert.NotEqual(t, j.ID, again.ID)
	}
	running := submit(t, e, "wait")
	_, err = e.Retry(t.Context(), running.ID, false)
	assert.Equal(t, "illegal_move", core.Code(err))
}

func batch(t *testing.T, e *core.Engine, req core.BatchRequest) core.Batch {
	t.Helper()
	b, err := e.SubmitBatch(t.Context(), req)
	require.NoError(t, err)
	return b
}

// eventually polls what no event tells of, such as counts.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 2*time.Minute, 5*time.Millisecond, what)
}

func TestAGridIsABatchOfEveryCombination(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 8})
	values := func(texts ...string) (list []json.RawMessage) {
		for _, text := range texts {
			list = append(list, json.RawMessage(text))
		}
		return list
	}
	b := batch(t, e, core.BatchRequest{
		Template: &core.Request{Routine: "test/wait", Cache: "off"},
		Grid:     map[string][]json.RawMessage{"n": values("1", "2", "3"), "seed": values("5", "6")},
		Labels:   map[string]string{"sweep": "a"},
		Running:  2,
	})
	assert.Equal(t, 6, b.Jobs)
	page, err := e.Jobs(t.Context(), core.Filter{Batch: b.ID, Labels: map[string]string{"sweep": "a"}})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, j := range page.Jobs {
		seen[fmt.Sprint(string(j.Spec.Params), j.Spec.Seed)] = true
	}
	assert.Len(t, seen, 6)
	eventually(t, "two run", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Phases[job.Running] == 2 })
	for _, l := range e.Locks(t.Context()) {
		assert.Equal(t, 2, l.Limit)
		assert.LessOrEqual(t, len(l.Holders), 2)
	}
	close(s.finish)
	eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	assert.Equal(t, 6, b.Phases[job.Completed])
	b = batch(t, e, core.BatchRequest{
		Template: &core.Request{Routine: "test/quick", Params: json.RawMessage("null")},
		Grid:     map[string][]json.RawMessage{"n": values("1")},
	})
	assert.Equal(t, 1, b.Jobs, "params that are null are none")
	consistent(t, e)
}

func TestTheJobsOfABatchCanNeedEachOther(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	quick := core.Request{Routine: "test/quick", Cache: "off"}
	after := func(names ...string) core.Request {
		r := quick
		r.After = names
		return r
	}
	b := batch(t, e, core.BatchRequest{Jobs: []core.BatchJob{
		{Name: "last", Request: after("@left", "@right")},
		{Name: "left", Request: after("@first")}, {Name: "right", Request: after("@first")},
		{Name: "first", Request: quick},
	}})
	eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	assert.Equal(t, 4, b.Phases[job.Completed])

	for says, jobs := range map[string][]core.BatchJob{
		"dependency cycle: a → b → a":       {{Name: "a", Request: after("@b")}, {Name: "b", Request: after("@a")}},
		"dependency cycle: b → c → b":       {{Name: "a", Request: after("@b")}, {Name: "b", Request: after("@c")}, {Name: "c", Request: after("@b")}},
		"dependency cycle: a → a":           {{Name: "a", Request: after("@a")}},
		`no job in this batch is named "c"`: {{Name: "a", Request: after("@c")}},
		`"a" is the name of another`:        {{Name: "a", Request: quick}, {Name: "a", Request: quick}},
		"jobs[1].routine":                   {{Request: quick}, {Request: core.Request{Routine: "no/such"}}},
		"test/quick in jobs[0]":             {{Request: core.Request{Routine: "test/quick", Params: params(0)}}},
		`jobs[0].tenant: "other"`:           {{Request: core.Request{Routine: "test/quick", Tenant: "other"}}},
		"want either jobs":                  nil,
	} {
		_, err := e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: jobs})
		assert.ErrorContains(t, err, says)
	}
	_, err := e.SubmitBatch(t.Context(), core.BatchRequest{Template: &quick, Grid: map[string][]json.RawMessage{"n": make([]json.RawMessage, core.MaxBatch+1)}})
	assert.ErrorContains(t, err, "limit is 10000")
	page, err := e.Batches(t.Context(), "", 10)
	require.NoError(t, err)
	assert.Len(t, page.Batches, 1, "what was refused left nothing")
}

func TestABatchIsAdmittedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 1, QueueCap: 5})
	_, err := e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: make10("test/wait")})
	assert.Equal(t, "queue_full", core.Code(err))
	page, err := e.Jobs(t.Context(), core.Filter{})
	require.NoError(t, err)
	assert.Empty(t, page.Jobs)
	submit(t, e, "quick") // the room was given back
}

func make10(routine string) []core.BatchJob {
	jobs := make([]core.BatchJob, 10)
	for i := range jobs {
		jobs[i].Request = core.Request{Routine: routine, Params: params(i + 1), Cache: "off"}
	}
	return jobs
}

func bulk(t *testing.T, e *core.Engine, action string, f core.Filter) core.Bulk {
	t.Helper()
	b, err := e.StartBulk(t.Context(), action, f, false)
	require.NoError(t, err)
	eventually(t, action, func() bool { b, _ = e.Bulk(t.Context(), b.ID); return b.State == core.BulkCompleted })
	return b
}

func TestBulksActOnWhatAFilterSelects(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 2})
	waiting := batch(t, e, core.BatchRequest{Jobs: make10("test/wait")})
	failing := batch(t, e, core.BatchRequest{Jobs: make10("test/fail"), Labels: map[string]string{"x": "y"}})
	preview, err := e.StartBulk(t.Context(), "stop", core.Filter{Batch: waiting.ID}, true)
	require.NoError(t, err)
	assert.Equal(t, 10, preview.Jobs)
	b, _ := e.Batch(t.Context(), waiting.ID)
	assert.Zero(t, b.Phases[job.Stopped], "a preview does nothing")

	assert.Equal(t, 10, bulk(t, e, "stop", core.Filter{Batch: waiting.ID}).Done)
	eventually(t, "stopped", func() bool { b, _ = e.Batch(t.Context(), waiting.ID); return b.Phases[job.Stopped] == 10 })
	eventually(t, "failed", func() bool { b, _ = e.Batch(t.Context(), failing.ID); return b.Done })
	assert.Equal(t, 10, bulk(t, e, "retry", core.Filter{Phase: job.Failed, Labels: map[string]string{"x": "y"}}).Done)
	again := bulk(t, e, "retry", core.Filter{Batch: failing.ID, To: b.Created.Add(time.Hour)})
	assert.GreaterOrEqual(t, again.Skipped, 10, "nothing is retried twice")
	assert.Equal(t, map[string]int{"illegal_move": again.Skipped}, again.Reasons, "and why is said")
	eventually(t, "ended", func() bool { b, _ = e.Batch(t.Context(), failing.ID); return b.Done })
	bulk(t, e, "delete", core.Filter{Plugin: "test"})
	page, err := e.Jobs(t.Context(), core.Filter{})
	require.NoError(t, err)
	assert.Empty(t, page.Jobs)
	_, err = e.StartBulk(t.Context(), "dance", core.Filter{}, false)
	assert.ErrorContains(t, err, "action")
	_, err = e.StartBulk(t.Context(), "stop", core.Filter{Phase: "asleep"}, true)
	assert.ErrorContains(t, err, "filter.phase")
	_, err = e.StartBulk(t.Context(), "stop", core.Filter{Kind: "guess"}, true)
	assert.ErrorContains(t, err, "filter.kind")
	_, err = e.Bulks(t.Context(), "zzz", 10)
	assert.ErrorContains(t, err, "cursor")
	consistent(t, e)
}

// blobs lists the files that hold outputs and datasets.
func blobs(t *testing.T, dir string) (list []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "blobs", "??", "*"))
	require.NoError(t, err)
	return all
}

func TestRetentionKeepsTheNewestAndThePinned(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	var ids []string
	for range 10 {
		j := submit(t, e, "quick")
		until(t, e, j.ID, job.Completed)
		ids = append(ids, j.ID)
	}
	_, err := e.Pin(t.Context(), ids[0], true)
	require.NoError(t, err)
	l := e.Limits()
	l.Retention = map[string]core.Retention{"*": {Count: 3}}
	require.NoError(t, e.SetLimits(t.Context(), l)) // it applies to the jobs that are there
	left := func() (kept []string) {
		page, err := e.Jobs(t.Context(), core.Filter{})
		require.NoError(t, err)
		for _, j := range page.Jobs {
			kept = append(kept, j.ID)
		}
		return kept
	}
	want := []string{ids[9], ids[8], ids[7], ids[0]}
	eventually(t, "the rest is deleted", func() bool { return len(left()) <= 4 })
	assert.Equal(t, want, left())
	eventually(t, "they are counted", func() bool { return stats(t, e).Pruned == 6 })

	_, err = e.Pin(t.Context(), ids[0], false)
	require.NoError(t, err)
	l.Retention = map[string]core.Retention{"*": {AgeSeconds: 1e-9}}
	require.NoError(t, e.SetLimits(t.Context(), l))
	eventually(t, "all are too old", func() bool { return len(left()) == 0 })
}

func TestDiskSpaceIsGivenBackWithTheLastWhoNeedsIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newScript()
	e := open(t, dir, s, core.Limits{})
	put := func(name, text string) {
		_, err := e.PutDataset(t.Context(), name, table.CSV, strings.NewReader(text), nil)
		require.NoError(t, err)
	}
	put("d", "a\n1\n")
	put("e", "a\n1\n") // the same content
	assert.Len(t, blobs(t, dir), 1)
	require.NoError(t, e.DeleteDataset(t.Context(), "d"))
	assert.Len(t, blobs(t, dir), 1)
	holder := submit(t, e, "wait") // keeps the only slot of a small machine, or one of several
	reader, err := e.Submit(t.Context(), core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "e"}, After: []string{holder.ID}})
	require.NoError(t, err)
	put("e", "a\n2\n") // the job still reads what it was submitted with
	assert.Len(t, blobs(t, dir), 2)
	close(s.finish)
	until(t, e, reader.ID, job.Completed)
	eventually(t, "the old content is gone", func() bool { return len(blobs(t, dir)) == 1 })
	require.NoError(t, e.DeleteDataset(t.Context(), "e"))
	eventually(t, "all is gone", func() bool { return len(blobs(t, dir)) == 0 })
	_, err = e.Retry(t.Context(), reader.ID, false)
	assert.ErrorContains(t, err, "gone")
}

// Jobs are found by several phases at once, by how a label begins, and by what their
// failure says.
func TestAFilterFindsFailuresByTheirWords(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	failed, done := submit(t, e, "fail"), submit(t, e, "quick")
	for _, j := range []core.Job{failed, done} {
		ended, err := e.Wait(t.Context(), j.ID)
		require.NoError(t, err)
		if ended.Outcome.Error != nil {
			failed = ended
		}
	}
	word := "überlauf"
	for name, c := range map[string]struct {
		f    core.Filter
		want []string
	}{
		"phases":             {core.Filter{Phases: []job.Phase{job.Failed, job.Completed}}, []string{done.ID, failed.ID}},
		"one_of_the_phases":  {core.Filter{Phases: []job.Phase{job.Failed, job.Stopped}}, []string{failed.ID}},
		"error_code":         {core.Filter{Error: failed.Outcome.Error.Code}, []string{failed.ID}},
		"another_error_code": {core.Filter{Error: "lost"}, nil},
		"word":               {core.Filter{Text: strings.ToUpper(word)}, []string{failed.ID}},
		"beginning_of_word":  {core.Filter{Text: "seven übe"}, []string{failed.ID}},
		"all_words":          {core.Filter{Text: word + " nowhere"}, nil},
	} {
		page, err := e.Jobs(t.Context(), c.f)
		require.NoError(t, err, name)
		var got []string
		for _, j := range page.Jobs {
			got = append(got, j.ID)
		}
		assert.Equal(t, c.want, got, name)
		assert.False(t, c.f.Empty(), name)
	}
}
