package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/sdk/go/plugintest"
)

func TestTheColumnIsAddedUp(t *testing.T) {
	run := plugintest.Run(t, "sum", plugintest.Job{
		Params: `{"column": "a", "start": 1}`,
		Inputs: map[string]plugintest.Input{"data": plugintest.CSV("a,b\n1,x\n2,y\n,z\n4,\n")},
	})
	require.NoError(t, run.Err)
	assert.JSONEq(t, `{"sum": 6}`, string(run.Result))
	assert.Equal(t, []any{2.0, 2.0, 6.0}, run.Tables["running"].Column("sum"))
}

func TestTheExamplesGiveWhatTheySay(t *testing.T) { plugintest.Examples(t) }

func TestTextCannotBeAddedUp(t *testing.T) {
	run := plugintest.Run(t, "sum", plugintest.Job{
		Params: `{"column": "b"}`, Inputs: map[string]plugintest.Input{"data": plugintest.CSV("a,b\n1,x\n")},
	})
	require.ErrorContains(t, run.Err, `column "b" is string, want a number`)
}
