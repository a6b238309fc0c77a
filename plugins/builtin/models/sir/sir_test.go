package sir

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"thresher/core/stats"
)

// finalSize solves z = 1 - exp(-r0 z) for z > 0 by bisection.
func finalSize(r0 float64) float64 {
	low, high := 1e-9, 1.0
	for range 200 {
		middle := (low + high) / 2
		if 1-math.Exp(-r0*middle) > middle {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// The mean final size of 100 outbreaks lies within three standard errors of the
// final-size equation, plus what the finite population makes of it. Twenty infected
// at the start make outbreaks that die out at once so rare (R0^-20) that none of
// the hundred does; the equation then counts them: s = (1-a) exp(-R0 (1-s)).
func TestFinalSizeAgreesWithTheEquation(t *testing.T) {
	t.Parallel()
	for _, p := range []Params{
		{Population: 10_000, InfectionRate: 0.05, RecoveryRate: 0.2, Contacts: 8, Initial: 20},
		{Population: 10_000, InfectionRate: 0.03, RecoveryRate: 0.1, Contacts: 5, Initial: 20},
		{Population: 10_000, InfectionRate: 0.1, RecoveryRate: 0.5, Contacts: 15, Initial: 20},
	} {
		var sizes []float64
		for seed := range uint64(100) {
			e := New(p, rand.New(rand.NewPCG(seed, 0)))
			for !e.Over() {
				e.Step()
			}
			sizes = append(sizes, float64(e.Recovered)/float64(p.Population))
		}
		want, spread := finalSize(p.R0()), stats.Std(sizes, 1)
		assert.InDelta(t, want, stats.Mean(sizes), 3*spread, "R0 = %g", p.R0())
		assert.InDelta(t, want, stats.Mean(sizes), 0.01, "R0 = %g", p.R0())
		assert.Less(t, spread, 0.03, "all were major outbreaks")
	}
}

func TestNobodyIsLostOrBorn(t *testing.T) {
	t.Parallel()
	p := Params{Population: 500, InfectionRate: 0.5, RecoveryRate: 0.1, Contacts: 10, Initial: 3}
	e := New(p, rand.New(rand.NewPCG(1, 0)))
	for range 200 {
		e.Step()
		assert.Equal(t, p.Population, e.Susceptible+e.Infected+e.Recovered)
		assert.GreaterOrEqual(t, min(e.Susceptible, e.Infected, e.Recovered), 0)
	}
}

func TestNothingSpreadsWithoutInfection(t *testing.T) {
	t.Parallel()
	e := New(Params{Population: 100, RecoveryRate: 1, Contacts: 5, Initial: 10}, rand.New(rand.NewPCG(1, 0)))
	e.Step()
	assert.True(t, e.Over())
	assert.Equal(t, 10, e.Recovered)
}
