package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/sdk/go/plugintest"
)

func TestValuesAreCounted(t *testing.T) {
	run := plugintest.Run(t, "histogram", plugintest.Job{
		Params: `{"column": "x", "bins": 2}`,
		Inputs: map[string]plugintest.Input{"data": plugintest.CSV("x,y\n0,a\n1,b\n,c\n9,d\n10,e\n")},
	})
	require.NoError(t, run.Err)
	assert.JSONEq(t, `{"edges": [0, 5, 10], "counts": [2, 2]}`, string(run.Result))
	assert.Contains(t, string(run.Artifacts["histogram.vl.json"].Content), `{"from":5,"to":10,"count":2}`)
}

func TestNumbersAreDescribed(t *testing.T) {
	run := plugintest.Run(t, "describe", plugintest.Job{
		Inputs: map[string]plugintest.Input{"data": plugintest.CSV("a,b\n1,x\n2,y\n,z\n4,\n")}, Params: `{}`,
	})
	require.NoError(t, run.Err)
	assert.Equal(t, []any{"a"}, run.Tables["summary"].Column("name"))
	assert.Equal(t, "1 of 2 columns have numbers\n", run.Log)
}

func TestAnEpidemicEnds(t *testing.T) {
	run := plugintest.Run(t, "sir", plugintest.Job{Params: `{}`, Seed: 5})
	require.NoError(t, run.Err)
	assert.JSONEq(t, `{"final_size":0.89,"over_at_step":126,"peak_infected":246,"peak_step":33,"r0":2.5,"steps":200}`, string(run.Result))
}

func TestTheExamplesGiveWhatTheySay(t *testing.T) { plugintest.Examples(t) }
