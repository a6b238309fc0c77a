package builtin_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/server/servertest"
)

// run submits a job and returns it with its result.
func run(t *testing.T, s *servertest.Server, req core.Request, result any) core.Job {
	t.Helper()
	j, err := s.Client.Submit(t.Context(), req, time.Minute)
	require.NoError(t, err)
	require.Equal(t, job.Completed, j.Phase, "%+v", j.Outcome)
	require.NoError(t, s.Client.Get(t.Context(), "/api/v1/jobs/"+j.ID+"/result", result))
	return j
}

type described struct {
	Rows    int              `json:"rows"`
	Columns []map[string]any `json:"columns"`
}

func TestDescribeSaysWhatPandasSays(t *testing.T) {
	data, err := os.ReadFile("testdata/expected_describe.json")
	require.NoError(t, err)
	var expected map[string]struct {
		Rows    int
		Columns map[string]map[string]any
	}
	require.NoError(t, json.Unmarshal(data, &expected))
	require.Len(t, expected, 6)
	s := servertest.Start(t, core.Limits{})
	for file, want := range expected {
		t.Run(file, func(t *testing.T) {
			name := strings.ReplaceAll(file, ".", "-")
			s.Sample(t, name, file)
			var got described
			j := run(t, s, core.Request{Routine: "tabular/describe", Inputs: map[string]string{"data": name}}, &got)
			assert.Equal(t, want.Rows, got.Rows)
			require.Len(t, got.Columns, len(want.Columns))
			for _, col := range got.Columns {
				compare(t, col["name"].(string), col["type"].(string), want.Columns[col["name"].(string)], col)
			}
			assert.Len(t, j.Outcome.Artifacts, len(want.Columns), "a chart a column")
		})
	}
}

func compare(t *testing.T, name, kind string, want, got map[string]any) {
	t.Helper()
	require.NotEmpty(t, want, name)
	for key, w := range want {
		number, isNumber := w.(float64)
		switch {
		case isNumber:
			assert.InDelta(t, number, got[key], max(1e-9*math.Abs(number), 1e-12), "%s.%s", name, key)
		case key == "top" && (kind == "date" || kind == "timestamp"):
			assert.NotEmpty(t, got["range"], "%s: moments have a range", name)
		default:
			assert.Equal(t, w, got[key], "%s.%s", name, key)
		}
	}
}

func TestAgentFarmsTwoFormsOfAStepTableAgree(t *testing.T) {
	s := servertest.Start(t, core.Limits{})
	s.Sample(t, "stored", "agentfarm-simulation-steps.csv")
	s.Sample(t, "loaded", "agentfarm-population.csv")
	var stored, loaded map[string]any
	run(t, s, core.Request{Routine: "agentfarm/population", Inputs: map[string]string{"steps": "stored"}}, &stored)
	j := run(t, s, core.Request{Routine: "agentfarm/population", Inputs: map[string]string{"steps": "loaded"}}, &loaded)
	assert.Equal(t, loaded, stored)
	assert.Len(t, stored, 5)
	assert.Equal(t, 50.0, stored["population_statistics"].(map[string]any)["peak_value"])
	assert.Len(t, j.Outcome.Artifacts, 3)
}

func TestAGroupChoosesTheFunctions(t *testing.T) {
	s := servertest.Start(t, core.Limits{})
	s.Sample(t, "steps", "agentfarm-population.csv")
	for group, want := range map[string][2]int{ // sections, charts
		"all": {5, 3}, "analysis": {5, 0}, "plots": {0, 3}, "basic": {2, 2}, "comprehensive": {5, 3},
	} {
		var result map[string]any
		j := run(t, s, core.Request{
			Routine: "agentfarm/population", Inputs: map[string]string{"steps": "steps"},
			Params: json.RawMessage(`{"group":"` + group + `"}`),
		}, &result)
		assert.Len(t, result, want[0], group)
		assert.Len(t, j.Outcome.Artifacts, want[1], group)
	}
}

func TestTheSameSeedGivesTheSameBytes(t *testing.T) {
	s := servertest.Start(t, core.Limits{})
	seed, other := uint64(7), uint64(8)
	req := core.Request{Routine: "models/sir", Seed: &seed, Params: json.RawMessage(`{"population":3000}`)}
	var result map[string]any
	first, second := run(t, s, req, &result), run(t, s, req, &result)
	assert.Equal(t, first.Outcome.Tables, second.Outcome.Tables, "digests and all")
	assert.Equal(t, string(first.Outcome.Result), string(second.Outcome.Result))
	req.Seed = &other
	assert.NotEqual(t, first.Outcome.Tables, run(t, s, req, &result).Outcome.Tables)
}

func TestAnalysisOfASimulationWaitsForIt(t *testing.T) {
	s := servertest.Start(t, core.Limits{Slots: 1})
	sim, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir", Params: json.RawMessage(`{"population":20000}`)}, 0)
	require.NoError(t, err)
	var got described
	run(t, s, core.Request{Routine: "tabular/describe", Inputs: map[string]string{"data": "job:" + sim.ID + "/steps"}}, &got)
	assert.Equal(t, 201, got.Rows)
}

func TestWhatATableLacksIsSaid(t *testing.T) {
	s := servertest.Start(t, core.Limits{})
	s.Sample(t, "penguins", "penguins.json")
	j, err := s.Client.Submit(t.Context(), core.Request{Routine: "agentfarm/population", Inputs: map[string]string{"steps": "penguins"}}, time.Minute)
	require.NoError(t, err)
	require.Equal(t, job.Failed, j.Phase)
	assert.Equal(t, "guest_error", j.Outcome.Error.Code)
	assert.Contains(t, j.Outcome.Error.Detail, "step or step_number")
}
