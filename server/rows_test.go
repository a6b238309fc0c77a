package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server/api"
	"thresher/server/servertest"
)

// nextOf is where the header Link leads.
func nextOf(t *testing.T, header http.Header) string {
	t.Helper()
	link := header.Get("Link")
	if link == "" {
		return ""
	}
	next, ok := strings.CutSuffix(link, `>; rel="next"`)
	require.True(t, ok, link)
	require.True(t, strings.HasPrefix(next, "<"), link)
	return next[1:]
}

// Whoever follows what an answer says of the rest gets every row once, whatever part of
// the table was asked for.
func TestJSONThatIsCutSaysWhereTheRestIs(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	var csv strings.Builder
	csv.WriteString("a\n")
	for i := range 2500 {
		fmt.Fprintln(&csv, i)
	}
	made := request(t, "POST", s.URL+"/api/v1/datasets?name=rows", csv.String(), "Content-Type", "text/csv")
	require.Equal(t, http.StatusCreated, made.status, made.body)
	done, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir", Params: json.RawMessage(`{"steps":2500}`)}, time.Minute)
	require.NoError(t, err)
	require.NotEmpty(t, done.Outcome.Tables)
	steps := done.Outcome.Tables[0]

	for name, c := range map[string]struct {
		path          string
		first, behind int64 // of the rows that are asked for
	}{
		"all":        {"/api/v1/datasets/rows/tables/data", 0, 2500},
		"a_part":     {"/api/v1/datasets/rows/tables/data?from=100&to=2200", 100, 2200},
		"behind_end": {"/api/v1/datasets/rows/tables/data?from=1700&to=9999", 1700, 2500},
		"exactly":    {"/api/v1/datasets/rows/tables/data?from=500&to=1500", 500, 1500},
		"one_more":   {"/api/v1/datasets/rows/tables/data?from=500&to=1501", 500, 1501},
		"few":        {"/api/v1/datasets/rows/tables/data?to=3", 0, 3},
		"none":       {"/api/v1/datasets/rows/tables/data?from=2500", 2500, 2500},
		"of_a_job":   {"/api/v1/jobs/" + done.ID + "/tables/" + steps.Name, 0, steps.Rows},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := c.first
			for next := c.path; next != ""; {
				got := request(t, "GET", s.URL+next, "")
				require.Equal(t, http.StatusOK, got.status, got.body)
				var page struct {
					api.TablePage
					Data []map[string]any
				}
				require.NoError(t, json.Unmarshal([]byte(got.body), &page))
				assert.Equal(t, at, page.From)
				require.Len(t, page.Data, int(page.To-page.From))
				if page.Table == "data" && len(page.Data) > 0 {
					assert.EqualValues(t, at, page.Data[0]["a"])
				}
				next = nextOf(t, got.header)
				assert.Equal(t, next != "", page.Next != nil, "the header and the field agree")
				if page.Next != nil {
					assert.Equal(t, page.To, *page.Next)
				}
				at = page.To
			}
			assert.Equal(t, c.behind, at)
		})
	}
	whole := request(t, "GET", s.URL+"/api/v1/datasets/rows/tables/data", "", "Accept", "text/csv")
	assert.Equal(t, 2501, strings.Count(whole.body, "\n"))
	assert.Empty(t, whole.header.Get("Link"), "nothing is left out")
	assert.Contains(t, request(t, "GET", s.URL+"/api/v1/datasets", "").body, `"total":1`)
	assert.Contains(t, request(t, "GET", s.URL+"/api/v1/modules", "").body, `"total":0`)
}

func TestAgentFarmsListSaysWhereTheRestIs(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 1})
	jobs := make([]core.BatchJob, core.MaxPage+1)
	for i := range jobs {
		jobs[i].Routine = "models/sir"
	}
	var batch core.Batch
	require.NoError(t, s.Client.Post(t.Context(), "/api/v1/batches", core.BatchRequest{Jobs: jobs}, &batch))
	seen := map[string]bool{}
	for next := "/api/simulations"; next != ""; {
		got := request(t, "GET", s.URL+next, "")
		require.Equal(t, http.StatusOK, got.status, got.body)
		var list api.Simulations
		require.NoError(t, json.Unmarshal([]byte(got.body), &list))
		for _, simulation := range list.Data {
			assert.False(t, seen[simulation.ID])
			seen[simulation.ID] = true
		}
		next = nextOf(t, got.header)
	}
	assert.Len(t, seen, len(jobs))
}
