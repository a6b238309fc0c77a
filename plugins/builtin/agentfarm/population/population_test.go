package population

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/sdk/go/vector"
	"thresher/samples"
)

// captured is one call of AgentFarm's own function.
type captured struct {
	Function  string          `json:"function"`
	Inputs    json.RawMessage `json:"inputs"`
	Arguments struct {
		Window int `json:"window"`
	} `json:"arguments"`
	Result any    `json:"result"`
	Error  string `json:"error"`
}

func TestResultsEqualAgentFarms(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../testdata/expected_population.json")
	require.NoError(t, err)
	var calls []captured
	require.NoError(t, json.Unmarshal(data, &calls))
	require.Len(t, calls, 62)
	for i, c := range calls {
		name := c.Function[strings.LastIndex(c.Function, ".compute_")+len(".compute_"):]
		t.Run(fmt.Sprintf("%02d_%s", i, name), func(t *testing.T) {
			t.Parallel()
			got := compute(t, name, c)
			if c.Error != "" {
				assert.Empty(t, got, "AgentFarm fails here: %s", c.Error)
				return
			}
			encoded, err := json.Marshal(got)
			require.NoError(t, err)
			var plain any
			require.NoError(t, json.Unmarshal(encoded, &plain))
			same(t, name, c.Result, plain)
		})
	}
}

func compute(t *testing.T, name string, c captured) map[string]any {
	s, window := inputs(t, c.Inputs)
	if c.Arguments.Window != 0 {
		window = c.Arguments.Window
	}
	orDefault := func(d int) int {
		if window == 0 {
			return d
		}
		return window
	}
	switch name {
	case "population_statistics":
		return Statistics(s)
	case "birth_death_rates":
		return BirthDeathRates(s)
	case "population_stability":
		return Stability(s, orDefault(DefaultStabilityWindow))
	case "growth_rate_analysis":
		return Growth(s, orDefault(DefaultGrowthWindow))
	case "demographic_metrics":
		return Demography(s)
	}
	t.Fatalf("no function %s", name)
	return nil
}

// inputs reads "population.csv", "population.csv rows 3..9", the same with a
// window in the text, or an object of columns.
func inputs(t *testing.T, raw json.RawMessage) (Steps, int) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		var columns map[string][]float64
		require.NoError(t, json.Unmarshal(raw, &columns))
		return steps(columns), 0
	}
	columns, rows := sample(t), [2]int{0, math.MaxInt}
	window := 0
	if _, after, ok := strings.Cut(text, " rows "); ok {
		_, err := fmt.Sscanf(after, "%d..%d", &rows[0], &rows[1])
		require.NoError(t, err)
	}
	if _, after, ok := strings.Cut(text, "{'window': "); ok {
		_, err := fmt.Sscanf(after, "%d}", &window)
		require.NoError(t, err)
	}
	for name, col := range columns {
		columns[name] = col[rows[0] : min(rows[1], len(col)-1)+1]
	}
	return steps(columns), window
}

func steps(columns map[string][]float64) Steps {
	s := Steps{Step: vector.Of(columns["step"]), Total: columns["total_agents"]}
	if columns["births"] != nil && columns["deaths"] != nil {
		s.Births, s.Deaths = vector.Of(columns["births"]), vector.Of(columns["deaths"])
	}
	for _, name := range []string{"system_agents", "independent_agents", "control_agents"} {
		if alive, ok := columns[name]; ok {
			s.Types = append(s.Types, Type{name, vector.Of(alive)})
		}
	}
	return s
}

func sample(t *testing.T) map[string][]float64 {
	f, err := samples.Files.Open("agentfarm-population.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	columns := map[string][]float64{}
	for _, row := range rows[1:] {
		for i, cell := range row {
			v, err := strconv.ParseFloat(cell, 64)
			require.NoError(t, err)
			columns[rows[0][i]] = append(columns[rows[0][i]], v)
		}
	}
	return columns
}

// same compares to 1e-9 of the value, or 1e-12 near 0. AgentFarm's numbers that
// are not finite are null with us.
func same(t *testing.T, at string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		gotMap, _ := got.(map[string]any)
		if !assert.Len(t, gotMap, len(want), at) {
			return
		}
		for k, v := range want {
			same(t, at+"."+k, v, gotMap[k])
		}
	case []any:
		gotList, _ := got.([]any)
		if !assert.Len(t, gotList, len(want), at) {
			return
		}
		for i, v := range want {
			same(t, fmt.Sprintf("%s[%d]", at, i), v, gotList[i])
		}
	case float64:
		gotNumber, ok := got.(float64)
		if assert.True(t, ok, "%s: want %v, got %v", at, want, got) {
			assert.InDelta(t, want, gotNumber, max(1e-9*math.Abs(want), 1e-12), at)
		}
	case string:
		if want == "NaN" || want == "Infinity" || want == "-Infinity" {
			assert.Nil(t, got, at)
			return
		}
		assert.Equal(t, want, got, at)
	default:
		assert.Equal(t, want, got, at)
	}
}
