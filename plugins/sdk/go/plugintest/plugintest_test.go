package plugintest_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	sdk "thresher/plugins/sdk/go"
	"thresher/plugins/sdk/go/plugintest"
)

type copyParams struct {
	Times int    `json:"times" default:"1" minimum:"1"`
	Word  string `json:"word,omitempty"`
}

type walkParams struct {
	Steps int `json:"steps" default:"3"`
}

func init() {
	sdk.Register(sdk.Plugin{Name: "test", Version: "0.1.0", Routines: []sdk.Routine{
		sdk.Analysis("copy", sdk.Doc{Title: "Copies its input"}, copyTable,
			sdk.In("data", sdk.Require("n", "int64"), sdk.MinRows(2)), sdk.In("more", sdk.Optional()), sdk.Out("copy", "")),
		sdk.Analysis("twice", sdk.Doc{Title: "Keeps two artifacts of one name"}, func(c *sdk.Call, _ struct{}) (any, error) {
			c.Artifact("a.txt", "text/plain", []byte("1"))
			c.Artifact("a.txt", "text/plain", []byte("2"))
			return nil, nil
		}),
		sdk.Analysis("nan", sdk.Doc{Title: "Returns what JSON has no word for"}, func(*sdk.Call, struct{}) (any, error) {
			return math.NaN(), nil
		}),
		sdk.Analysis("misfit", sdk.Doc{Title: "Appends rows that do not fit"}, misfit),
		sdk.Simulation("walk", sdk.Doc{Title: "Walks"}, startWalk),
	}})
}

// copyTable reads every type of column and writes what it read.
func copyTable(c *sdk.Call, p copyParams) (any, error) {
	t, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	n, nOK, err1 := t.Int64("n")
	x, xOK, err2 := t.Float64("x")
	b, bOK, err3 := t.Bools("b")
	s, sOK, err4 := t.Strings("s")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	out := c.Output("copy", sdk.Int64Col("n"), sdk.Float64Col("x"), sdk.BoolCol("b"), sdk.StringCol("s"))
	for range p.Times {
		for i := range t.Rows() {
			if err := out.Append(or(n, nOK, i), or(x, xOK, i), or(b, bOK, i), or(s, sOK, i)); err != nil {
				return nil, err
			}
		}
	}
	c.Logf("%d rows", t.Rows())
	c.Progress(1, "done")
	return map[string]any{"word": p.Word, "more": c.HasInput("more"), "seed": c.Seed()}, nil
}

func or[T any](values []T, valid []bool, i int) any {
	if valid[i] {
		return values[i]
	}
	return nil
}

func misfit(c *sdk.Call, _ struct{}) (any, error) {
	out := c.Output("t", sdk.Int64Col("n"), sdk.StringCol("s"))
	said := []string{}
	for _, row := range [][]any{{1, "a"}, {2, 3}, {2}, {[]int{}, "b"}, {1.5, "b"}, {nil, "c"}} {
		if err := out.Append(row...); err != nil {
			said = append(said, err.Error())
		}
	}
	return said, nil
}

type walk struct {
	call *sdk.Call
	left int
	at   []int
}

func startWalk(c *sdk.Call, p walkParams) (sdk.Stepper, error) {
	return &walk{call: c, left: p.Steps}, nil
}

func (w *walk) Step() (bool, error) {
	if w.left--; w.left < -1 {
		return false, errors.New("stepped after the end")
	}
	w.at = append(w.at, w.call.Rand().IntN(1000))
	return w.left <= 0, nil
}

func (w *walk) Result() (any, error) { return w.at, nil }

const mixed = `n,x,b,s
1,0.5,true,a
,1.5,,é
3,,false,
`

func TestEveryTypeOfColumnIsReadAndWritten(t *testing.T) {
	t.Parallel()
	run := plugintest.Run(t, "copy", plugintest.Job{Seed: 7, Inputs: map[string]plugintest.Input{"data": plugintest.CSV(mixed)}})
	require.NoError(t, run.Err)
	assert.JSONEq(t, `{"word": "", "more": false, "seed": 7}`, string(run.Result))
	assert.Equal(t, [][]any{
		{int64(1), 0.5, true, "a"},
		{nil, 1.5, nil, "é"},
		{int64(3), nil, false, nil},
	}, run.Tables["copy"].Rows)
	assert.Equal(t, "3 rows\n", run.Log)
	assert.Equal(t, []float64{1}, run.Progress)
}

// Rows go to the host in batches: none is lost or doubled where one ends.
func TestRowsOfManyBatchesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	run := plugintest.Run(t, "copy", plugintest.Job{
		Params: `{"times": 1367}`, Inputs: map[string]plugintest.Input{"data": plugintest.CSV(mixed)},
	})
	require.NoError(t, run.Err)
	rows := run.Tables["copy"].Rows
	require.Len(t, rows, 3*1367)
	for i, row := range rows {
		require.Equal(t, rows[i%3], row, i)
	}
}

func TestWhatTheServerWouldRefuseIsRefused(t *testing.T) {
	t.Parallel()
	data := map[string]plugintest.Input{"data": plugintest.CSV(mixed)}
	for name, c := range map[string]struct {
		job  plugintest.Job
		want string
	}{
		"a_param_out_of_range": {plugintest.Job{Inputs: data, Params: `{"times": 0}`}, "times: minimum: got 0, want 1"},
		"an_unknown_param":     {plugintest.Job{Inputs: data, Params: `{"colour": 1}`}, "colour"},
		"a_missing_input":      {plugintest.Job{}, "input data is missing"},
		"an_unknown_input":     {plugintest.Job{Inputs: map[string]plugintest.Input{"data": plugintest.CSV(mixed), "x": plugintest.CSV(mixed)}}, "no input x"},
		"a_missing_column":     {plugintest.Job{Inputs: map[string]plugintest.Input{"data": plugintest.JSON(`[{"m": 1}]`)}}, `no column "n"`},
		"a_column_of_text":     {plugintest.Job{Inputs: map[string]plugintest.Input{"data": plugintest.JSON(`[{"n": "a"}]`)}}, "is string, want int64"},
		"too_few_rows":         {plugintest.Job{Inputs: map[string]plugintest.Input{"data": plugintest.CSV("n\n1\n")}}, "has 1 rows, want at least 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := plugintest.Run(t, "copy", c.job)
			require.ErrorContains(t, run.Err, c.want)
			assert.Nil(t, run.Result)
		})
	}
	assert.ErrorContains(t, plugintest.Run(t, "twice", plugintest.Job{}).Err, "abi_violation: two artifacts")
}

func TestARowThatDoesNotFitAddsNothing(t *testing.T) {
	t.Parallel()
	run := plugintest.Run(t, "misfit", plugintest.Job{})
	require.NoError(t, run.Err)
	assert.JSONEq(t, `["table t, column 1: 3 is int64, want string", "table t: 1 values for 2 columns",
		"table t, column 0: cannot keep a []int", "table t, column 0: 1.5 is float64, want int64"]`, string(run.Result))
	assert.Equal(t, [][]any{{int64(1), "a"}, {nil, "c"}}, run.Tables["t"].Rows)
	assert.Equal(t, []any{"a", "c"}, run.Tables["t"].Column("s"))
	assert.Nil(t, run.Tables["t"].Column("none"))
}

func TestASimulationIsSteppedToItsEnd(t *testing.T) {
	t.Parallel()
	first := plugintest.Run(t, "walk", plugintest.Job{Seed: 1})
	require.NoError(t, first.Err)
	assert.Equal(t, string(first.Result), string(plugintest.Run(t, "walk", plugintest.Job{Seed: 1}).Result))
	assert.NotEqual(t, string(first.Result), string(plugintest.Run(t, "walk", plugintest.Job{Seed: 2}).Result))
}

func TestAResultThatIsNoJSONIsAnError(t *testing.T) {
	t.Parallel()
	assert.ErrorContains(t, plugintest.Run(t, "nan", plugintest.Job{}).Err, "encode the result")
}
