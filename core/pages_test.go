package core_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
)

// Some read the same pages all the time, so that these are kept, while others submit
// and delete: whoever was told of a change sees it in the next page.
func TestAPageShowsEveryChangeThatWasAcknowledgedBefore(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 4})
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					pageJSON(t, e, core.Filter{})
				}
			}
		})
	}
	for range 3 {
		writers.Go(func() {
			for range 40 {
				j, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", Cache: "off"})
				if !assert.NoError(t, err) {
					return
				}
				assert.Contains(t, list(t, e), j.ID)
				ended, err := e.Wait(t.Context(), j.ID)
				assert.NoError(t, err)
				assert.Equal(t, ended.Revision, list(t, e)[j.ID].Revision)
				assert.NoError(t, e.Delete(t.Context(), j.ID))
				assert.NotContains(t, list(t, e), j.ID)
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

// list is the newest page, by id.
func list(t *testing.T, e *core.Engine) map[string]core.Job {
	t.Helper()
	var page core.Page
	assert.NoError(t, json.Unmarshal([]byte(pageJSON(t, e, core.Filter{})), &page))
	jobs := map[string]core.Job{}
	for _, j := range page.Jobs {
		jobs[j.ID] = j
	}
	return jobs
}

func pageJSON(t *testing.T, e *core.Engine, f core.Filter) string {
	t.Helper()
	page, err := e.JobsJSON(t.Context(), f)
	assert.NoError(t, err)
	return string(page.AppendJSON(nil))
}

// What is known of a job beside its record changes without a write.
func TestAPageWithAJobThatRunsIsNotKept(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 1})
	defer close(s.finish)
	until(t, e, submit(t, e, "wait").ID, job.Running)
	list(t, e)
	assert.Zero(t, e.PagesKept())
}

func TestAPageIsKeptUntilSomethingIsWritten(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 1})
	first := until(t, e, submit(t, e, "quick").ID, job.Completed)
	list(t, e)
	kept := e.PagesKept()
	require.NotZero(t, kept)
	list(t, e)
	assert.Equal(t, kept, e.PagesKept(), "the same page is not kept twice")
	require.NoError(t, e.Delete(t.Context(), first.ID))
	list(t, e)
	assert.Less(t, e.PagesKept(), kept)
}

// Labels are chosen by users: one that looks like two is not taken for them.
func TestFiltersThatLookAlikeGetTheirOwnPages(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 1})
	j, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", Labels: map[string]string{"a": "1", "b": "2"}})
	require.NoError(t, err)
	until(t, e, j.ID, job.Completed)
	for range 2 {
		assert.Contains(t, pageJSON(t, e, core.Filter{Labels: map[string]string{"a": "1", "b": "2"}}), j.ID)
		for _, between := range []string{"", `""`, `"`} {
			assert.NotContains(t, pageJSON(t, e, core.Filter{Labels: map[string]string{"a": "1" + between + "label:b=2"}}), j.ID)
		}
	}
}

func TestThePagesThatAreKeptAreBounded(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	labels := map[string]string{}
	for i := range core.MaxLabels {
		labels[fmt.Sprintf("%02d%s", i, strings.Repeat("\x01", core.MaxLabelLength-2))] = strings.Repeat("<", core.MaxLabelLength)
	}
	b := batch(t, e, core.BatchRequest{Jobs: many(50, "test/quick"), Labels: labels}) // 12 kB of JSON each
	eventually(t, "completed", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	most := 0
	for n := range 12 {
		pageJSON(t, e, core.Filter{From: time.Unix(int64(n), 0)})
		most = max(most, e.PagesKept())
	}
	assert.Greater(t, most, 2<<20)
	assert.LessOrEqual(t, most, 4<<20)
}
