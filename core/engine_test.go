package core_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"thresher/core"
	"thresher/core/dispatch"
	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a Runner whose guests do as the routine's name says.
type script struct {
	started chan string   // a job's id, when its guest starts
	finish  chan struct{} // lets "wait" end
}

func newScript() *script {
	return &script{started: make(chan string, 1000), finish: make(chan struct{})}
}

func (*script) List() []core.Plugin {
	p := core.Plugin{Digest: "d", Manifest: routine.Manifest{Name: "test", Version: "1.0.0"}}
	for _, name := range []string{"quick", "wait", "fail", "call", "steps"} {
		p.Routines = append(p.Routines, routine.Routine{Name: name, Kind: routine.Analysis,
			Params: json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer","default":3,"minimum":1}},"additionalProperties":false}`)})
	}
	p.Routines = append(p.Routines, routine.Routine{Name: "reads", Kind: routine.Analysis, Inputs: []routine.Input{
		{Name: "data", Columns: []routine.Column{{Name: "a", Type: "number"}}, MinRows: 1},
	}})
	return []core.Plugin{p}
}

func (s *script) Run(ctx context.Context, c work.Call) (work.Report, error) {
	s.started <- c.Job
	switch c.Routine {
	case "fail":
		return work.Report{}, &job.Error{Code: "guest_error", Title: "it failed", Detail: "step 7: Überlauf of seven grains"}
	case "reads":
		data := c.Inputs["data"]
		return work.Report{Result: json.RawMessage(`{"rows":` + itoa(data.Rows()) + `,"batches":` + itoa(int64(data.NumBatches())) + `}`)}, nil
	case "wait":
		for {
			if err := c.Host.Gate(ctx); err != nil {
				return work.Report{}, err
			}
			select {
			case <-s.finish:
				return work.Report{Result: json.RawMessage(`{}`)}, nil
			case <-ctx.Done():
				return work.Report{}, context.Cause(ctx)
			case <-time.After(time.Millisecond):
			}
		}
	}
	return work.Report{Result: json.RawMessage(`{"ok":true}`)}, nil
}

func itoa(n int64) string { data, _ := json.Marshal(n); return string(data) }

func open(t *testing.T, dir string, s *script, l core.Limits) *core.Engine {
	t.Helper()
	e, err := core.Open(t.Context(), core.Config{Dir: dir, Limits: l}, s)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(cancelled())) }) // it hands back at once
	return e
}

func submit(t *testing.T, e *core.Engine, name string) core.Job {
	t.Helper()
	j, err := e.Submit(t.Context(), core.Request{Routine: "test/" + name, Cache: "off"})
	require.NoError(t, err)
	return j
}

// stats may be called by any goroutine.
func stats(t *testing.T, e *core.Engine) core.Stats {
	t.Helper()
	s, err := e.Stats(t.Context())
	assert.NoError(t, err)
	return s
}

// until waits until a job is in a phase.
func until(t *testing.T, e *core.Engine, id string, phase job.Phase) core.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	sub, err := e.Subscribe(ctx, 0, id)
	require.NoError(t, err)
	defer sub.Close()
	for {
		j, err := e.Job(ctx, id)
		require.NoError(t, err)
		if j.Phase == phase {
			return j
		}
		if _, ok := sub.Next(); ok {
			continue // whatever it is, the job is looked at again
		}
		select {
		case <-sub.More():
		case <-ctx.Done():
			t.Fatalf("job %s is %s (wants %s), want %s", id, j.Phase, j.Desired, phase)
		}
	}
}

func consistent(t *testing.T, e *core.Engine) {
	t.Helper()
	a, err := e.Audit(t.Context())
	require.NoError(t, err)
	assert.True(t, a.Consistent, a.Breaches)
}

func TestAJobGoesFromSubmitToResult(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	j := submit(t, e, "quick")
	assert.JSONEq(t, `{"n":3}`, string(j.Spec.Params), "defaults are filled in")
	j, err := e.Wait(t.Context(), j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Completed, j.Phase)
	assert.JSONEq(t, `{"ok":true}`, string(j.Outcome.Result))
	consistent(t, e)
}

func TestAFailureCarriesItsReason(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	j, err := e.Wait(t.Context(), submit(t, e, "fail").ID)
	require.NoError(t, err)
	assert.Equal(t, job.Failed, j.Phase)
	assert.Equal(t, "guest_error", j.Outcome.Error.Code)
}

func TestAStopIsConfirmedOnceTheGuestIsGone(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 1})
	running, waiting := submit(t, e, "wait"), submit(t, e, "wait")
	assert.Equal(t, running.ID, <-s.started)
	until(t, e, running.ID, job.Running)

	j, err := e.Stop(t.Context(), waiting.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Stopped, j.Phase, "a waiting job is stopped at once")

	_, err = e.Stop(t.Context(), running.ID)
	require.NoError(t, err)
	j = until(t, e, running.ID, job.Stopped)
	assert.Nil(t, j.Outcome.Error)
	_, err = e.Stop(t.Context(), running.ID)
	var illegal *job.IllegalMove
	require.ErrorAs(t, err, &illegal)
	assert.Equal(t, job.Stopped, illegal.Phase)
	assert.Equal(t, "illegal_move", core.Code(err))
	consistent(t, e)
}

func TestAPausedJobGivesItsSlotToAnother(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 1})
	first, second := submit(t, e, "wait"), submit(t, e, "quick")
	until(t, e, first.ID, job.Running)
	_, err := e.Pause(t.Context(), first.ID)
	require.NoError(t, err)
	until(t, e, first.ID, job.Paused)
	until(t, e, second.ID, job.Completed)
	_, err = e.Resume(t.Context(), first.ID)
	require.NoError(t, err)
	j := until(t, e, first.ID, job.Running)
	assert.Equal(t, 1, j.Attempt, "the same guest goes on")
	close(s.finish)
	until(t, e, first.ID, job.Completed)
	consistent(t, e)
}

func TestAPausedGuestCanBeStopped(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	j := submit(t, e, "wait")
	until(t, e, j.ID, job.Running)
	_, err := e.Pause(t.Context(), j.ID)
	require.NoError(t, err)
	until(t, e, j.ID, job.Paused)
	_, err = e.Stop(t.Context(), j.ID)
	require.NoError(t, err)
	until(t, e, j.ID, job.Stopped)
	consistent(t, e)
}

func TestTheWallLimitEndsAJobButNotWhileItIsPaused(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	j, err := e.Submit(t.Context(), core.Request{Routine: "test/wait", Cache: "off", Limits: &job.Limits{WallSeconds: 0.05}})
	require.NoError(t, err)
	j = until(t, e, j.ID, job.Failed)
	assert.Equal(t, "wall_limit", j.Outcome.Error.Code)
	assert.GreaterOrEqual(t, j.Outcome.Usage.WallSeconds, 0.05)
}

func TestNeverMoreRunThanThereAreSlots(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 2})
	for range 6 {
		submit(t, e, "wait")
	}
	for range 2 {
		until(t, e, <-s.started, job.Running)
	}
	assert.Empty(t, s.started)
	counted := stats(t, e)
	assert.Equal(t, 2, counted.Running)
	assert.Equal(t, 4, counted.Waiting)
	l := e.Limits()
	l.Slots = 4
	require.NoError(t, e.SetLimits(t.Context(), l))
	for range 2 {
		until(t, e, <-s.started, job.Running)
	}
	assert.Empty(t, s.started)
	consistent(t, e)
	close(s.finish)
}

func TestAFullQueueSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 1, QueueCap: 2})
	until(t, e, submit(t, e, "wait").ID, job.Running)
	submit(t, e, "wait")
	submit(t, e, "wait")
	_, err := e.Submit(t.Context(), core.Request{Routine: "test/wait", Cache: "off"})
	assert.Equal(t, "queue_full", core.Code(err))
}

// A job that waits for another to end, or is coalesced with one, is in the queue too.
func TestTheQueuesCapCountsJobsThatWaitForOthers(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 1, QueueCap: 3, TenantQueueCap: map[string]int{"acme": 1}})
	parent := submit(t, e, "wait")
	until(t, e, parent.ID, job.Running)
	after := core.Request{Routine: "test/quick", Cache: "off", After: []string{parent.ID}}
	acme := after
	acme.Tenant = "acme"
	var full *dispatch.QueueFull
	_, err := e.Submit(t.Context(), acme)
	require.NoError(t, err)
	_, err = e.Submit(t.Context(), acme)
	require.ErrorAs(t, err, &full)
	assert.Equal(t, "tenant_queue_cap.acme", full.Path())

	same := core.Request{Routine: "test/wait"}
	for range 2 { // the second follows the first
		_, err = e.Submit(t.Context(), same)
		require.NoError(t, err)
	}
	_, err = e.Submit(t.Context(), after)
	require.ErrorAs(t, err, &full)
	assert.Equal(t, "queue_cap", full.Path())
	assert.Equal(t, 3, stats(t, e).Waiting)
}

func TestRequestsThatDoNotFitAreRefusedByField(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	_, err := e.PutDataset(t.Context(), "words", table.CSV, strings.NewReader("a\nx\n"), nil)
	require.NoError(t, err)
	_, err = e.PutDataset(t.Context(), "other", table.CSV, strings.NewReader("b\n1\n"), nil)
	require.NoError(t, err)
	big := uint64(1 << 60)
	for name, c := range map[string]struct {
		req  core.Request
		says string
	}{
		"no_routine":        {core.Request{}, "routine: is missing"},
		"not_a_routine":     {core.Request{Routine: "x"}, "want PLUGIN/ROUTINE"},
		"unknown_routine":   {core.Request{Routine: "test/none"}, "no routine test/none"},
		"unknown_param":     {core.Request{Routine: "test/quick", Params: json.RawMessage(`{"m":1}`)}, "there is no \"m\": there are n"},
		"param_too_small":   {core.Request{Routine: "test/quick", Params: json.RawMessage(`{"n":0}`)}, "n: minimum"},
		"param_wrong_type":  {core.Request{Routine: "test/quick", Params: json.RawMessage(`{"n":"x"}`)}, "n: got string, want integer"},
		"params_not_object": {core.Request{Routine: "test/quick", Params: json.RawMessage(`[1]`)}, "want a JSON object"},
		"missing_input":     {core.Request{Routine: "test/reads"}, "inputs.data: is missing"},
		"unknown_input":     {core.Request{Routine: "test/quick", Inputs: map[string]string{"x": "y"}}, "inputs.x: quick has no such input"},
		"no_dataset":        {core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "none"}}, `no dataset "none"`},
		"no_table":          {core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "words/t"}}, `no table "t"`},
		"wrong_type":        {core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "words"}}, `column "a" is string, want number`},
		"no_column":         {core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "other"}}, `no column "a"`},
		"no_job":            {core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "job:X/t"}}, `no job "X"`},
		"bad_priority":      {core.Request{Routine: "test/quick", Priority: "urgent"}, "want low, normal or high"},
		"seed_too_large":    {core.Request{Routine: "test/quick", Seed: &big}, "the largest is"},
		"memory_too_small":  {core.Request{Routine: "test/quick", Limits: &job.Limits{MemoryBytes: 1}}, "limits.memory_bytes: 1: want 65536"},
		"memory_too_large":  {core.Request{Routine: "test/quick", Limits: &job.Limits{MemoryBytes: 1 << 62}}, "limits.memory_bytes"},
		"wall_negative":     {core.Request{Routine: "test/quick", Limits: &job.Limits{WallSeconds: -1}}, "limits.wall_seconds"},
		"label_with_equals": {core.Request{Routine: "test/quick", Cache: "off", Labels: map[string]string{"a=b": "c"}}, "labels"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.Submit(t.Context(), c.req)
			require.ErrorContains(t, err, c.says)
			assert.Contains(t, []string{"invalid", "invalid_params"}, core.Code(err))
		})
	}
	assert.Zero(t, stats(t, e).Waiting, "a refused submit takes no room")
}

func TestRunningJobsGoBackToPendingWhenTheServerCloses(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), newScript()
	e := open(t, dir, s, core.Limits{Slots: 3})
	running, paused, done := submit(t, e, "wait"), submit(t, e, "wait"), submit(t, e, "quick")
	until(t, e, running.ID, job.Running)
	until(t, e, paused.ID, job.Running)
	until(t, e, done.ID, job.Completed)
	_, err := e.Pause(t.Context(), paused.ID)
	require.NoError(t, err)
	until(t, e, paused.ID, job.Paused)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, e.Close(ctx))
	_, err = e.Submit(t.Context(), core.Request{Routine: "test/quick"})
	assert.Equal(t, "shutting_down", core.Code(err))

	s = newScript()
	close(s.finish)
	e = open(t, dir, s, core.Limits{})
	j := until(t, e, running.ID, job.Completed)
	assert.Equal(t, 2, j.Attempt)
	assert.Zero(t, j.Losses, "handing back is not a loss")
	j, err = e.Job(t.Context(), paused.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Paused, j.Phase, "a pause survives a restart")
	_, err = e.Resume(t.Context(), paused.ID)
	require.NoError(t, err)
	until(t, e, paused.ID, job.Completed)
	consistent(t, e)
}

func TestListsPageAndFilter(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	var ids []string
	for i := range 5 {
		j, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", Cache: "off", Labels: map[string]string{"odd": itoa(int64(i % 2))}})
		require.NoError(t, err)
		ids = append([]string{j.ID}, ids...)
		until(t, e, j.ID, job.Completed)
	}
	var got []string
	cursor := ""
	for {
		page, err := e.Jobs(t.Context(), core.Filter{Limit: 2, Cursor: cursor, Phase: job.Completed, Plugin: "test"})
		require.NoError(t, err)
		for _, j := range page.Jobs {
			got = append(got, j.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	assert.Equal(t, ids, got, "newest first, each once")
	_, err := e.Jobs(t.Context(), core.Filter{Cursor: "page 2"})
	assert.ErrorContains(t, err, "want next of the page before", "and not the first page again")
	page, err := e.Jobs(t.Context(), core.Filter{Labels: map[string]string{"odd": "1"}})
	require.NoError(t, err)
	assert.Len(t, page.Jobs, 2)
	page, err = e.Jobs(t.Context(), core.Filter{Plugin: "test@1.0.0", Labels: map[string]string{"odd": "1"}})
	require.NoError(t, err)
	assert.Len(t, page.Jobs, 2, "of a version")
	counts, err := e.JobsOf(t.Context(), "test", "test@1.0.0", "test@2.0.0")
	require.NoError(t, err)
	assert.Equal(t, []int{5, 5, 0}, counts)
}

func TestOnlyAFinalJobCanBeDeleted(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{})
	j := submit(t, e, "wait")
	assert.Equal(t, "illegal_move", core.Code(e.Delete(t.Context(), j.ID)))
	close(s.finish)
	until(t, e, j.ID, job.Completed)
	require.NoError(t, e.Delete(t.Context(), j.ID))
	_, err := e.Job(t.Context(), j.ID)
	assert.Equal(t, "not_found", core.Code(err))
	assert.Equal(t, "not_found", core.Code(e.Delete(t.Context(), j.ID)))
}

func TestADatasetIsReadAsItWasAtSubmit(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 1})
	_, err := e.PutDataset(t.Context(), "d", table.CSV, strings.NewReader("a\n1\n2\n"), nil)
	require.NoError(t, err)
	until(t, e, submit(t, e, "wait").ID, job.Running)
	j, err := e.Submit(t.Context(), core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "d"}})
	require.NoError(t, err)
	_, err = e.PutDataset(t.Context(), "d", table.CSV, strings.NewReader("a\n1\n2\n3\n"), nil)
	require.NoError(t, err)
	close(s.finish)
	j = until(t, e, j.ID, job.Completed)
	assert.JSONEq(t, `{"rows":2,"batches":1}`, string(j.Outcome.Result))
}

func TestAFailedParentFailsItsChildren(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{})
	parent := submit(t, e, "wait")
	child, err := e.Submit(t.Context(), core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "job:" + parent.ID + "/steps"}})
	require.NoError(t, err)
	child, err = e.Job(t.Context(), child.ID)
	require.NoError(t, err)
	require.NotNil(t, child.Waiting)
	assert.Equal(t, &core.Waiting{On: "job " + parent.ID, Jobs: []string{parent.ID}}, child.Waiting)
	_, err = e.Stop(t.Context(), parent.ID)
	require.NoError(t, err)
	child = until(t, e, child.ID, job.Failed)
	assert.Equal(t, "dependency_failed", child.Outcome.Error.Code)
	assert.Contains(t, child.Outcome.Error.Detail, "stopped")
}

// Stops and completions race on purpose: whoever is first wins, and nothing that
// is final changes.
func TestStopsAndCompletionsRaceWithoutHarm(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 8})
	for range 100 {
		j := submit(t, e, "quick")
		_, err := e.Stop(t.Context(), j.ID)
		final, waitErr := e.Wait(t.Context(), j.ID)
		require.NoError(t, waitErr)
		if err == nil {
			assert.Equal(t, job.Stopped, final.Phase, "a stop that was accepted holds")
		} else {
			assert.Equal(t, job.Completed, final.Phase)
		}
	}
	consistent(t, e)
}
