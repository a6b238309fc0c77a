//go:build !wasip1

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/sdk/go/plugintest"
)

const mixed = `number,flag,day,word
1,true,2020-01-31,b
2,false,2021-02-28,a
4,true,,a
,true,2019-12-01,
`

func describeTable(t *testing.T, params string, in plugintest.Input) *plugintest.Result {
	t.Helper()
	return plugintest.Run(t, "describe", plugintest.Job{Params: params, Inputs: map[string]plugintest.Input{"data": in}})
}

func TestEveryTypeOfColumnIsDescribed(t *testing.T) {
	t.Parallel()
	run := describeTable(t, "", plugintest.CSV(mixed))
	require.NoError(t, run.Err)
	var result struct {
		Rows    int
		Columns []map[string]any
	}
	require.NoError(t, json.Unmarshal(run.Result, &result))
	require.Len(t, result.Columns, 4)
	number, flag, day, word := result.Columns[0], result.Columns[1], result.Columns[2], result.Columns[3]
	assert.Equal(t, 4, result.Rows)
	assert.Equal(t, 3.0, number["count"])
	assert.Equal(t, 1.0, number["nulls"])
	assert.InDelta(t, 7.0/3, number["mean"], 1e-12)
	assert.InDelta(t, 1.5275252316519468, number["std"], 1e-12, "ddof 1")
	assert.Equal(t, 1.5, number["q25"], "linear interpolation")
	assert.Equal(t, []any{map[string]any{"value": true, "count": 3.0}, map[string]any{"value": false, "count": 1.0}}, flag["top"])
	assert.Equal(t, map[string]any{"min": "2019-12-01", "max": "2021-02-28"}, day["range"])
	assert.Equal(t, []any{map[string]any{"value": "a", "count": 2.0}, map[string]any{"value": "b", "count": 1.0}}, word["top"])
	assert.Len(t, run.Artifacts, 4)
}

func TestOnlyTheNamedColumnsAreDescribed(t *testing.T) {
	t.Parallel()
	run := describeTable(t, `{"columns": ["word", "number"], "top": 1}`, plugintest.CSV(mixed))
	require.NoError(t, run.Err)
	var result struct{ Columns []map[string]any }
	require.NoError(t, json.Unmarshal(run.Result, &result))
	require.Len(t, result.Columns, 2)
	assert.Equal(t, "word", result.Columns[0]["name"], "in the order asked for")
	assert.Len(t, result.Columns[0]["top"], 1)
	assert.ErrorContains(t, describeTable(t, `{"columns": ["none"]}`, plugintest.CSV(mixed)).Err, `no column "none"`)
}

// A table without rows, or a column without values, has no mean: the keys are not
// there, or null, and nothing is divided by zero.
func TestATableWithoutRowsIsDescribed(t *testing.T) {
	t.Parallel()
	for _, in := range []plugintest.Input{plugintest.CSV("a,b\n"), plugintest.JSON(`[{"a": null, "b": null}]`)} {
		run := describeTable(t, "", in)
		require.NoError(t, run.Err)
		assert.NotContains(t, string(run.Result), "mean")
		assert.Empty(t, run.Artifacts, "there is nothing to draw")
	}
}

func TestOfManyTextsTheMostFrequentAreListed(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("word,n\n")
	for i := range 6000 {
		fmt.Fprintf(&text, "w%04d,1\n", i%5000)
	}
	text.WriteString("w4999,1\nw4999,1\nw4998,1\n,1\n")
	run := describeTable(t, `{"columns": ["word"], "top": 4}`, plugintest.CSV(text.String()))
	require.NoError(t, run.Err)
	var result struct{ Columns []map[string]any }
	require.NoError(t, json.Unmarshal(run.Result, &result))
	word := result.Columns[0]
	assert.Equal(t, []any{5000.0, 6003.0, 1.0}, []any{word["distinct"], word["count"], word["nulls"]})
	top := func(value string, count float64) any { return map[string]any{"value": value, "count": count} }
	assert.Equal(t, []any{top("w4999", 3), top("w0000", 2), top("w0001", 2), top("w0002", 2)}, word["top"], "equals by text")
}

func TestTheExamplesGiveWhatTheySay(t *testing.T) { plugintest.Examples(t) }
