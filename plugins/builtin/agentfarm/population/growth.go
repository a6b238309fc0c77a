package population

import (
	"math"

	"thresher/plugins/sdk/go/vector"
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
	rates := relativeChange(s.Total)
	average, std := meanStd(vector.Of(rates), 1)
	lowest, highest := vector.MinMax(vector.Of(rates))
	out := map[string]any{
		"average_growth_rate":  percent * average,
		"growth_rate_std":      percent * std,
		"max_growth_rate":      percent * number(highest),
		"min_growth_rate":      percent * number(lowest),
		"average_acceleration": percent * number(acceleration(rates, highest)),
		"exponential_fit":      nil,
		"doubling_time":        nil,
	}
	fitGrowth(s, out)
	smoothed, _ := vector.Rolling(rates, window)
	addPhases(s, smoothed, out)
	return out
}

const percent = 100

// relativeChange is the change from the step before, in relation to it. The first step
// and steps from 0 to 0 have none.
func relativeChange(x []float64) []float64 {
	rates := differences(x)
	vector.Elementwise(vector.Ratio, rates[1:], x[:len(x)-1], rates[1:])
	return rates
}

// acceleration is the mean of the differences between neighbours, the first of which
// is 0: all but the last rate cancels out.
func acceleration(rates []float64, highest float64) float64 {
	if math.IsInf(highest, 0) { // that does not cancel
		return mean(differences(rates))
	}
	return (rates[len(rates)-1] - rates[0]) / float64(len(rates))
}

// fitGrowth fits ln(N + 1) by a line over the step numbers of the first half, if the
// population has grown by a tenth. The initial population is that of step 0.
func fitGrowth(s Steps, out map[string]any) {
	half := s.Total[:len(s.Total)/2]
	if half[len(half)-1] <= 1.1*half[0] {
		return
	}
	steps, logs := make([]float64, len(half)), make([]float64, len(half))
	vector.Floats(s.Step, 0, steps)
	for i, n := range half {
		logs[i] = n + 1
	}
	new(logarithms).of(logs, logs)
	fit, _ := vector.Linreg(vector.Of(steps), vector.Of(logs))
	out["exponential_fit"] = map[string]any{
		"rate":      number(fit.Slope),
		"initial":   number(math.Exp(fit.Intercept)),
		"r_squared": number(fit.R * fit.R),
	}
	if fit.Slope > 0 {
		out["doubling_time"] = number(math.Ln2 / fit.Slope)
	}
}

// threshold is the change a step that is growth, or below 0 decline.
const threshold = 0.01

const (
	growing   = "growth"
	declining = "decline"
	stable    = "stable"
)

func phaseOf(rate float64) string {
	switch {
	case rate > threshold:
		return growing
	case rate < -threshold:
		return declining
	}
	return stable
}

func addPhases(s Steps, smoothed []float64, out map[string]any) {
	phases := []Phase{}
	time := map[string]int{}
	start, phase := 0, phaseOf(smoothed[0])
	add := func(end, last int) {
		phases = append(phases, Phase{phase, s.at(start), s.at(last), end - start})
		time[phase] += end - start
	}
	for from := 0; from < len(smoothed); from += stretch {
		part := smoothed[from:min(from+stretch, len(smoothed))]
		low, high := vector.MinMax(vector.Of(part))
		if phaseOf(low) == phase && phaseOf(high) == phase && low == low {
			continue // all of it, and no NaN
		}
		for i, rate := range part {
			if next := phaseOf(rate); next != phase {
				add(from+i, from+i)
				start, phase = from+i, next
			}
		}
	}
	add(len(smoothed), len(smoothed)-1)
	out["growth_phases"] = phases
	out["time_in_growth"], out["time_in_decline"], out["time_stable"] = time[growing], time[declining], time[stable]
}
