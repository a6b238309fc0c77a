//go:build !wasip1

package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/sdk/go/plugintest"
)

func TestStepsAreWrittenFromTheFirstToTheLast(t *testing.T) {
	t.Parallel()
	run := plugintest.Run(t, "sir", plugintest.Job{Seed: 3, Params: `{"population": 2000, "steps": 50}`})
	require.NoError(t, run.Err)
	steps := run.Tables["steps"]
	require.Len(t, steps.Rows, 51, "the start, and each step")
	for i, row := range steps.Rows {
		assert.Equal(t, int64(i), row[0])
		assert.Equal(t, int64(2000), row[1].(int64)+row[2].(int64)+row[3].(int64), "nobody is lost")
	}
	assert.Equal(t, int64(10), steps.Column("infected")[0])
	assert.Equal(t, 1.0, run.Progress[len(run.Progress)-1])

	var result struct {
		Steps, Peak int
		FinalSize   float64 `json:"final_size"`
		R0          float64
	}
	require.NoError(t, json.Unmarshal(run.Result, &result))
	assert.Equal(t, 50, result.Steps)
	assert.Equal(t, 2.5, result.R0)
	last := steps.Rows[50]
	assert.InDelta(t, float64(last[2].(int64)+last[3].(int64))/2000, result.FinalSize, 1e-12)
	assert.Contains(t, run.Artifacts, "epidemic.vl.json")
}

func TestMoreInfectedThanThereAreIsRefused(t *testing.T) {
	t.Parallel()
	run := plugintest.Run(t, "sir", plugintest.Job{Params: `{"population": 5}`})
	require.ErrorContains(t, run.Err, "10 agents cannot be infected in a population of 5")
}

func TestWithoutRecoveryThereIsNoR0(t *testing.T) {
	t.Parallel()
	run := plugintest.Run(t, "sir", plugintest.Job{Params: `{"recovery_rate": 0, "steps": 5}`})
	require.NoError(t, run.Err)
	var result map[string]any
	require.NoError(t, json.Unmarshal(run.Result, &result))
	assert.Contains(t, result, "r0")
	assert.Nil(t, result["r0"])
	assert.Nil(t, result["over_at_step"])
}

func TestTheExamplesGiveWhatTheySay(t *testing.T) { plugintest.Examples(t) }
