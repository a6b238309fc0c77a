package core_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
)

// After a start nothing is known of jobs that ended before: those that wait for them
// find what became of them, and keep them from being deleted.
func TestAStartFindsParentsThatEndedLongBefore(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), newScript()
	e := open(t, dir, s, core.Limits{Slots: 1})
	var parents []string
	for range 3 {
		j, err := e.Wait(t.Context(), submit(t, e, "quick").ID)
		require.NoError(t, err)
		parents = append(parents, j.ID)
	}
	busy := submit(t, e, "wait")
	until(t, e, busy.ID, job.Running)
	var children []string
	for range 100 {
		j, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", Cache: "off", After: parents})
		require.NoError(t, err)
		children = append(children, j.ID)
	}
	e.Crash()

	s = newScript()
	e = open(t, dir, s, core.Limits{Slots: 1})
	assert.Equal(t, "in_use", core.Code(e.Delete(t.Context(), parents[0])))
	consistent(t, e)
	until(t, e, busy.ID, job.Running)
	for _, id := range children {
		eventually(t, "its parents are found", func() bool {
			j, err := e.Job(t.Context(), id)
			return err == nil && j.Waiting != nil && j.Waiting.On == "slots"
		})
	}
	close(s.finish)
	for _, id := range children {
		until(t, e, id, job.Completed)
	}
	require.NoError(t, e.Delete(t.Context(), parents[0]))
	consistent(t, e)
}
