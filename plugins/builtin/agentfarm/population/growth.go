package population

import (
	"math"
	"slices"

	"thresher/core/stats"
)

// DefaultGrowthWindow is AgentFarm's, in steps.
const DefaultGrowthWindow = 20

// Phase is a run of steps in which the population grew, declined or was stable.
type Phase struct {
	Phase    string `json:"phase"`
	Start    number `json:"start_step"`
	End      number `json:"end_step"`
	Duration int    `json:"duration"` // in rows
}

// Growth is compute_growth_rate_analysis: percent change a step, an exponential
// fit of the first half, and the phases by the change's mean over a rolling window
// of steps. It is nil for a table of one row, where AgentFarm fails.
func Growth(s Steps, window int) map[string]any {
	if len(s.Total) < 2 {
		return nil
	}
	rates := percentChange(s.Total)
	out := map[string]any{
		"average_growth_rate":  number(stats.Mean(rates)),
		"growth_rate_std":      number(stats.Std(rates, 1)),
		"max_growth_rate":      number(slices.Max(rates)),
		"min_growth_rate":      number(slices.Min(rates)),
		"average_acceleration": number(stats.Mean(stats.Diff(rates))),
		"exponential_fit":      nil,
		"doubling_time":        nil,
	}
	fitGrowth(s.Step[:len(s.Total)/2], s.Total[:len(s.Total)/2], out)
	addPhases(s, stats.RollingMean(rates, window), out)
	return out
}

// percentChange is the change from the step before, in percent of it. The first
// step and steps from 0 to 0 have none.
func percentChange(x []float64) []float64 {
	rates := make([]float64, len(x))
	for i := 1; i < len(x); i++ {
		if change := (x[i]/x[i-1] - 1) * 100; !math.IsNaN(change) {
			rates[i] = change
		}
	}
	return rates
}

// fitGrowth fits ln(N + 1) by a line over the step numbers, if the population has
// grown by a tenth. The initial population is that of step 0.
func fitGrowth(steps, half []float64, out map[string]any) {
	if half[len(half)-1] <= 1.1*half[0] {
		return
	}
	logs := make([]float64, len(half))
	for i, n := range half {
		logs[i] = math.Log(n + 1)
	}
	rate, intercept := stats.Line(steps, logs)
	mean := stats.Mean(logs)
	var residual, total float64
	for i, y := range logs {
		fit := intercept + rate*steps[i]
		residual += (y - fit) * (y - fit)
		total += (y - mean) * (y - mean)
	}
	out["exponential_fit"] = map[string]any{
		"rate":      number(rate),
		"initial":   number(math.Exp(intercept)),
		"r_squared": number(1 - residual/total),
	}
	if rate > 0 {
		out["doubling_time"] = number(math.Ln2 / rate)
	}
}

// threshold is the change in percent a step that is growth, or below 0 decline.
const threshold = 1

func phaseOf(rate float64) string {
	switch {
	case rate > threshold:
		return "growth"
	case rate < -threshold:
		return "decline"
	}
	return "stable"
}

func addPhases(s Steps, smoothed []float64, out map[string]any) {
	phases := []Phase{}
	time := map[string]int{}
	start := 0
	for i, rate := range smoothed {
		phase := phaseOf(rate)
		time[phase]++
		if before := phaseOf(smoothed[start]); phase != before {
			phases = append(phases, Phase{before, number(s.Step[start]), number(s.Step[i]), i - start})
			start = i
		}
	}
	last := len(smoothed) - 1
	phases = append(phases, Phase{phaseOf(smoothed[start]), number(s.Step[start]), number(s.Step[last]), last + 1 - start})
	out["growth_phases"] = phases
	out["time_in_growth"], out["time_in_decline"], out["time_stable"] = time["growth"], time["decline"], time["stable"]
}
