package population

import (
	"math"

	"thresher/core/stats"
	"thresher/plugins/sdk/go/vector"
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
	d := newDemography(s)
	for from := 0; from < len(s.Total); from += stretch {
		d.read(from, min(from+stretch, len(s.Total)))
	}
	diversity, dominance := vector.Of(d.diversity), vector.Of(d.dominance)
	diversityMean, diversityStd := meanStd(diversity, 0)
	dominanceMean, dominanceStd := meanStd(dominance, 0)
	lowest, highest := vector.MinMax(diversity)
	proportions, stability := map[string]number{}, map[string]number{}
	for t, all := range d.total {
		proportions[s.Types[t].Name] = number(all / float64(len(s.Total)))
		mean, std := meanStd(s.Types[t].Alive, 1)
		stability[s.Types[t].Name] = 1 / (1 + std/mean)
	}
	return map[string]any{
		"diversity_index": map[string]number{
			"mean": diversityMean, "std": diversityStd, "min": number(lowest), "max": number(highest),
		},
		"dominance_index":         map[string]number{"mean": dominanceMean, "std": dominanceStd},
		"type_proportions":        proportions,
		"type_stability":          stability,
		"composition_changes":     d.changes,
		"num_significant_changes": d.changed,
	}
}

// demography goes over the steps in stretches, so that the counts of all types need not
// be there at once.
type demography struct {
	steps                Steps
	logs                 logarithms
	diversity, dominance []float64 // by step
	total                []float64 // of the shares of each type
	changes              []Change  // the first
	changed              int

	// Of the steps of a stretch, and of a window on either side.
	shares        [][]float64 // of each type
	all, logOfAll []float64   // agents of all types
	scratch, term []float64
	sums          []float64 // of a type's shares before each step
	squares       []float64 // of the distance of the shares before and after
}

const stretch = 1 << 13 // steps: what is kept of them stays in the second cache

const room = stretch + 2*compositionWindow

func newDemography(s Steps) *demography {
	d := &demography{
		steps: s, changes: []Change{}, total: make([]float64, len(s.Types)),
		diversity: make([]float64, len(s.Total)), dominance: make([]float64, len(s.Total)),
		all: make([]float64, room), logOfAll: make([]float64, room), scratch: make([]float64, room), term: make([]float64, room),
		squares: make([]float64, room), sums: make([]float64, room+1),
	}
	for range s.Types {
		d.shares = append(d.shares, make([]float64, room))
	}
	return d
}

// read takes the steps from one to another into account.
func (d *demography) read(from, to int) {
	first, end := max(from-compositionWindow, 0), min(to+compositionWindow, len(d.steps.Total))
	all := d.all[:end-first]
	clear(all)
	clear(d.squares)
	for t, kind := range d.steps.Types {
		counts := d.shares[t][:len(all)]
		vector.Floats(kind.Alive, first, counts)
		vector.Elementwise(vector.Add, all, counts, all)
	}
	d.logs.of(all, d.logOfAll)
	for t := range d.steps.Types {
		d.share(t, all, first, from, to)
		d.distances(d.shares[t][:len(all)])
	}
	at, last := max(from, compositionWindow), min(to, len(d.steps.Total)-compositionWindow)
	if at >= last {
		return
	}
	squares := d.squares[at-first : last-first]
	if _, most := vector.MinMax(vector.Of(squares)); most <= closeToChange {
		return
	}
	for i, square := range squares {
		if square > closeToChange {
			d.compare(at+i, at-first+i)
		}
	}
}

// share turns the counts of a type into its shares of all, 0 where nobody is alive, and
// adds up what follows from them.
func (d *demography) share(t int, all []float64, first, from, to int) {
	shares := d.shares[t][:len(all)]
	logs, term := d.scratch[:len(all)], d.term[:to-from]
	d.logs.of(shares, logs)
	vector.Elementwise(vector.Sub, d.logOfAll[:len(all)], logs, logs) // less that of the share
	vector.Elementwise(vector.Ratio, shares, all, shares)
	d.total[t] += vector.Sum(vector.Of(shares[from-first : to-first]))
	own := shares[from-first : to-first]
	vector.Elementwise(vector.Mul, own, logs[from-first:to-first], term)
	vector.Elementwise(vector.Add, d.diversity[from:to], term, d.diversity[from:to])
	vector.Elementwise(vector.Mul, own, own, term)
	vector.Elementwise(vector.Add, d.dominance[from:to], term, d.dominance[from:to])
}

// distances adds, for each step, the square of the change of a type's share: of its sum
// over the window from the step on, less that over the window before.
func (d *demography) distances(shares []float64) {
	const w = compositionWindow
	n := len(shares) - 2*w + 1 // steps that have both
	if n <= 0 {
		return
	}
	sums := d.sums[:len(shares)+1]                   // before each step; the first is 0
	_ = vector.CumsumTo(vector.Of(shares), sums[1:]) // of floats: it cannot overflow
	change, earlier := d.term[:n], d.scratch[:n]
	vector.Elementwise(vector.Sub, sums[2*w:][:n], sums[w:][:n], change)
	vector.Elementwise(vector.Sub, sums[w:][:n], sums[:n], earlier)
	vector.Elementwise(vector.Sub, change, earlier, change)
	vector.Elementwise(vector.Mul, change, change, change)
	vector.Elementwise(vector.Add, d.squares[w:][:n], change, d.squares[w:][:n])
}

// closeToChange is the square of a distance, times the window's, that is to be looked
// at closely.
const closeToChange = significantChange * significantChange * compositionWindow * compositionWindow * (1 - 1e-6)

// compare looks closely at the composition before and after a step.
func (d *demography) compare(step, at int) {
	c := Change{Before: map[string]number{}, After: map[string]number{}}
	squares := 0.0
	for t, share := range d.shares {
		before := stats.Mean(share[at-compositionWindow : at])
		after := stats.Mean(share[at : at+compositionWindow])
		c.Before[d.steps.Types[t].Name], c.After[d.steps.Types[t].Name] = number(before), number(after)
		squares += (after - before) * (after - before)
	}
	if c.Distance = number(math.Sqrt(squares)); c.Distance <= significantChange {
		return
	}
	if d.changed++; d.changed <= changesListed {
		c.Step = d.steps.at(step)
		d.changes = append(d.changes, c)
	}
}
