package core_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
)

func TestAnEncodedPageIsThePage(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 1})
	for _, name := range []string{"quick", "fail"} {
		j, err := e.Submit(t.Context(), core.Request{Routine: "test/" + name, Cache: "off", Labels: map[string]string{"says": `<"&>`}})
		require.NoError(t, err)
		_, err = e.Wait(t.Context(), j.ID)
		require.NoError(t, err)
	}
	until(t, e, submit(t, e, "wait").ID, job.Running)
	submit(t, e, "wait") // waits for the slot
	for _, f := range []core.Filter{{}, {Phase: job.Completed}, {Limit: 1}, {Limit: 3}, {Plugin: "none"}} {
		page, err := e.Jobs(t.Context(), f)
		require.NoError(t, err)
		want, err := json.Marshal(page)
		require.NoError(t, err)
		for range 2 { // the second time it may be one that was kept
			got, err := e.JobsJSON(t.Context(), f)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got.AppendJSON(nil)))
		}
	}
	_, err := e.JobsJSON(t.Context(), core.Filter{Limit: -1})
	assert.Equal(t, "invalid", core.Code(err))
	close(s.finish)
}
