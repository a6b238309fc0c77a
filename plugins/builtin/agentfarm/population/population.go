// Package population computes AgentFarm's population analyses: pure functions of
// the step table's columns, equal to AgentFarm's own to within rounding. The
// formulas are those of farm.analysis.population.compute (AgentFarm, Apache-2.0).
package population

import (
	"math"
	"slices"

	"thresher/core/stats"
	"thresher/plugins/sdk/go/vector"
)

// Steps are the columns of a step table, a value a step. None has nulls.
type Steps struct {
	Step   vector.Numbers // the step's number
	Total  []float64      // agents alive
	Types  []Type         // agents alive by type, in the table's order
	Births vector.Numbers // nil if the table has none
	Deaths vector.Numbers
}

// Type is the population of one type of agent.
type Type struct {
	Name  string // such as system_agents
	Alive vector.Numbers
}

type number = stats.Number

// at is the number of the step in a row.
func (s Steps) at(row int) number {
	var step [1]float64
	vector.Floats(s.Step, row, step[:])
	return number(step[0])
}

// Summary describes a series. Std is the population's (divisor n).
type Summary struct {
	Mean   number `json:"mean"`
	Median number `json:"median"`
	Std    number `json:"std"`
	Min    number `json:"min"`
	Max    number `json:"max"`
	Q25    number `json:"q25"`
	Q75    number `json:"q75"`
}

func summarize(x vector.Numbers) Summary {
	mean, std := meanStd(x, 0)
	q := vector.Quantiles(x, 0, 0.25, 0.5, 0.75, 1)
	return Summary{
		Mean: mean, Std: std,
		Min: number(q[0]), Q25: number(q[1]), Median: number(q[2]), Q75: number(q[3]), Max: number(q[4]),
	}
}

func meanStd(x vector.Numbers, ddof int) (mean, std number) {
	m, variance, _ := vector.Variance(x, ddof)
	return number(m), number(math.Sqrt(variance))
}

// Statistics is compute_population_statistics: the totals, their peak and trend
// (agents a step), the share of steps with anyone alive, and each type. There must
// be a step.
func Statistics(s Steps) map[string]any {
	total := summarize(vector.Of(s.Total))
	out := map[string]any{
		"total":         total,
		"peak_step":     rowOf(s.Total, float64(total.Max)),
		"peak_value":    total.Max,
		"final_value":   number(s.Total[len(s.Total)-1]),
		"trend":         number(trend(s.Total, float64(total.Mean))),
		"survival_rate": number(alive(s.Total, float64(total.Min)) / float64(len(s.Total))),
	}
	for _, t := range s.Types {
		out[t.Name] = summarize(t.Alive)
	}
	return out
}

// rowOf is the first row with the largest value.
func rowOf(x []float64, largest float64) int {
	for from := 0; from < len(x); from += stretch {
		part := x[from:min(from+stretch, len(x))]
		if _, high := vector.MinMax(vector.Of(part)); high == largest {
			return from + slices.Index(part, largest)
		}
	}
	return 0 // NaN
}

// alive is how many steps had anyone alive.
func alive(x []float64, least float64) float64 {
	if least > 0 {
		return float64(len(x))
	}
	steps := 0
	for _, n := range x {
		if n > 0 {
			steps++
		}
	}
	return float64(steps)
}

// trend is the slope of the least-squares line over the index; 0 for fewer than two
// values.
func trend(y []float64, mean float64) float64 {
	if len(y) < 2 {
		return 0
	}
	var index [stretch]float64
	for i := range index {
		index[i] = float64(i)
	}
	n := float64(len(y))
	products, middle := 0.0, (n-1)/2
	for from := 0; from < len(y); from += stretch {
		part := y[from:min(from+stretch, len(y))]
		m := float64(len(part))
		values, within := vector.Of(part), vector.Of(index[:len(part)])
		products += (float64(from)-middle)*(vector.Sum(values)-m*mean) + vector.Dot(within, values) - m*(m-1)/2*mean
	}
	return products / (n * (n*n - 1) / 12)
}

// BirthDeathRates is compute_birth_death_rates: totals, and rates a step. It is
// empty for a table without births and deaths.
func BirthDeathRates(s Steps) map[string]any {
	if s.Births == nil || s.Deaths == nil {
		return map[string]any{}
	}
	births, deaths, n := sum(s.Births), sum(s.Deaths), float64(s.Births.Len())
	return map[string]any{
		"total_births": number(births),
		"total_deaths": number(deaths),
		"birth_rate":   number(births / n),
		"death_rate":   number(deaths / n),
		"net_growth":   number(births - deaths),
		"growth_rate":  number((births - deaths) / n),
	}
}

// DefaultStabilityWindow is AgentFarm's, in steps.
const DefaultStabilityWindow = 50

// Stability is compute_population_stability: the coefficient of variation over a
// rolling window of steps, which is shortened to half the table where the table is
// shorter, and the changes from step to step.
func Stability(s Steps, window int) map[string]any {
	n := len(s.Total)
	if n < window {
		window = max(2, n/2)
	}
	meanCV := math.NaN() // of a table that is shorter than any window
	if window <= n {
		means, cvs := vector.Rolling(s.Total, window)
		vector.Elementwise(vector.Sqrt, cvs, cvs, cvs)
		vector.Elementwise(vector.Ratio, cvs, means, cvs) // 0 where nobody was alive
		meanCV = mean(cvs[window-1:])
	}
	diffs := differences(s.Total)
	relative := make([]float64, n)
	vector.Elementwise(vector.Ratio, diffs[1:], s.Total[:n-1], relative[1:])
	vector.Elementwise(vector.Abs, relative, relative, relative)
	_, volatility := meanStd(vector.Of(diffs), 1)
	fall, rise := vector.MinMax(vector.Of(diffs))
	_, largest := vector.MinMax(vector.Of(relative))
	return map[string]any{
		"mean_cv":              number(meanCV),
		"stability_score":      number(1 / (1 + meanCV)),
		"volatility":           volatility,
		"max_fluctuation":      number(max(-fall, rise)),
		"mean_relative_change": number(mean(relative)),
		"max_relative_change":  number(largest),
	}
}

// differences are those to the value before. The first is 0.
func differences(x []float64) []float64 {
	d := make([]float64, len(x))
	vector.Elementwise(vector.Sub, x[1:], x[:len(x)-1], d[1:])
	return d
}

func mean(x []float64) float64 { return vector.Sum(vector.Of(x)) / float64(len(x)) }

func sum(x vector.Numbers) float64 {
	mean, _, n := vector.Variance(x, 0)
	return mean * float64(n)
}
