package population

import (
	"math"
	"slices"

	"thresher/core/stats"
)

const (
	compositionWindow = 10  // steps before and after a change of composition
	significantChange = 0.1 // Euclidean distance between the mean shares
	changesListed     = 5
)

// Change is a step at which the shares of the types changed.
type Change struct {
	Step     number            `json:"step"`
	Distance number            `json:"distance"`
	Before   map[string]number `json:"before"` // mean shares of the steps before
	After    map[string]number `json:"after"`
}

// Demography is compute_demographic_metrics: Shannon's diversity (nats) and
// Simpson's dominance of the types, their shares and stability, and the steps at
// which the composition changed. It is empty for a table without types.
func Demography(s Steps) map[string]any {
	if len(s.Types) == 0 {
		return map[string]any{}
	}
	shares := sharesOf(s)
	diversity, dominance := make([]float64, len(s.Total)), make([]float64, len(s.Total))
	for i := range s.Total {
		for _, share := range shares {
			if p := share[i]; p > 0 {
				diversity[i] -= p * math.Log(p)
				dominance[i] += p * p
			}
		}
	}
	proportions, stability := map[string]number{}, map[string]number{}
	for t, share := range shares {
		alive := s.Types[t].Alive
		proportions[s.Types[t].Name] = number(stats.Mean(share))
		stability[s.Types[t].Name] = number(1 / (1 + stats.Std(alive, 1)/stats.Mean(alive)))
	}
	changes := changesOf(s, shares)
	return map[string]any{
		"diversity_index": map[string]number{
			"mean": number(stats.Mean(diversity)), "std": number(stats.Std(diversity, 0)),
			"min": number(slices.Min(diversity)), "max": number(slices.Max(diversity)),
		},
		"dominance_index": map[string]number{
			"mean": number(stats.Mean(dominance)), "std": number(stats.Std(dominance, 0)),
		},
		"type_proportions":        proportions,
		"type_stability":          stability,
		"composition_changes":     changes[:min(len(changes), changesListed)],
		"num_significant_changes": len(changes),
	}
}

// sharesOf returns each type's share of the agents of all types, by step. Where
// nobody is alive the shares are 0.
func sharesOf(s Steps) [][]float64 {
	shares := make([][]float64, len(s.Types))
	for t := range shares {
		shares[t] = make([]float64, len(s.Total))
	}
	for i := range s.Total {
		all := 0.0
		for _, t := range s.Types {
			all += t.Alive[i]
		}
		for t := range shares {
			if all > 0 {
				shares[t][i] = s.Types[t].Alive[i] / all
			}
		}
	}
	return shares
}

func changesOf(s Steps, shares [][]float64) []Change {
	changes := []Change{}
	for i := compositionWindow; i < len(s.Total)-compositionWindow; i++ {
		c := Change{Step: number(s.Step[i]), Before: map[string]number{}, After: map[string]number{}}
		squares := 0.0
		for t, share := range shares {
			before := stats.Mean(share[i-compositionWindow : i])
			after := stats.Mean(share[i : i+compositionWindow])
			c.Before[s.Types[t].Name], c.After[s.Types[t].Name] = number(before), number(after)
			squares += (after - before) * (after - before)
		}
		if c.Distance = number(math.Sqrt(squares)); c.Distance > significantChange {
			changes = append(changes, c)
		}
	}
	return changes
}
