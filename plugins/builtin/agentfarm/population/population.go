// Package population computes AgentFarm's population analyses: pure functions of
// the step table's columns, equal to AgentFarm's own to within rounding. The
// formulas are those of farm.analysis.population.compute (AgentFarm, Apache-2.0).
package population

import (
	"math"
	"slices"

	"thresher/core/stats"
)

// Steps are the columns of a step table, a value a step.
type Steps struct {
	Step   []float64 // the step's number
	Total  []float64 // agents alive
	Types  []Type    // agents alive by type, in the table's order
	Births []float64 // nil if the table has none
	Deaths []float64
}

// Type is the population of one type of agent.
type Type struct {
	Name  string // such as system_agents
	Alive []float64
}

type number = stats.Number

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

func summarize(x []float64) Summary {
	sorted := slices.Sorted(slices.Values(x))
	return Summary{
		Mean:   number(stats.Mean(x)),
		Median: number(stats.Quantile(sorted, 0.5)),
		Std:    number(stats.Std(x, 0)),
		Min:    number(sorted[0]),
		Max:    number(sorted[len(sorted)-1]),
		Q25:    number(stats.Quantile(sorted, 0.25)),
		Q75:    number(stats.Quantile(sorted, 0.75)),
	}
}

// Statistics is compute_population_statistics: the totals, their peak and trend
// (agents a step), the share of steps with anyone alive, and each type. There must
// be a step.
func Statistics(s Steps) map[string]any {
	peak := 0
	alive := 0
	for i, n := range s.Total {
		if n > s.Total[peak] {
			peak = i
		}
		if n > 0 {
			alive++
		}
	}
	out := map[string]any{
		"total":         summarize(s.Total),
		"peak_step":     peak,
		"peak_value":    number(s.Total[peak]),
		"final_value":   number(s.Total[len(s.Total)-1]),
		"trend":         number(stats.Slope(s.Total)),
		"survival_rate": number(float64(alive) / float64(len(s.Total))),
	}
	for _, t := range s.Types {
		out[t.Name] = summarize(t.Alive)
	}
	return out
}

// BirthDeathRates is compute_birth_death_rates: totals, and rates a step. It is
// empty for a table without births and deaths.
func BirthDeathRates(s Steps) map[string]any {
	if s.Births == nil || s.Deaths == nil {
		return map[string]any{}
	}
	births, deaths, n := stats.Sum(s.Births), stats.Sum(s.Deaths), float64(len(s.Births))
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
	var cvs []float64
	for i := window; i <= n; i++ {
		part := s.Total[i-window : i]
		cv := stats.Std(part, 1) / stats.Mean(part)
		if math.IsNaN(cv) { // nobody was alive
			cv = 0
		}
		cvs = append(cvs, cv)
	}
	meanCV := stats.Mean(cvs)
	diffs := stats.Diff(s.Total)
	largest := 0.0
	relative := make([]float64, n) // the first step, and those from 0 to 0, have none
	for i, d := range diffs {
		largest = max(largest, math.Abs(d))
		if i > 0 && d != 0 {
			relative[i] = math.Abs(d / s.Total[i-1])
		}
	}
	return map[string]any{
		"mean_cv":              number(meanCV),
		"stability_score":      number(1 / (1 + meanCV)),
		"volatility":           number(stats.Std(diffs, 1)),
		"max_fluctuation":      number(largest),
		"mean_relative_change": number(stats.Mean(relative)),
		"max_relative_change":  number(slices.Max(relative)),
	}
}
