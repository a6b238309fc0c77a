// Package sir simulates an epidemic among well-mixed agents that are susceptible,
// infected or recovered (Kermack and McKendrick, 1927), in discrete steps.
//
// In a step every infected agent meets a number of others, drawn at random from
// the whole population, and infects each susceptible one it meets with the
// infection rate; then it recovers with the recovery rate. An agent infected in a
// step is infectious from the next. Each contact is drawn, so the process is exact
// for the model, with no approximation by rates.
//
// An infected agent makes contacts × (1/recovery rate) contacts on average, of
// which each infects with the infection rate: R0 = contacts × infection rate /
// recovery rate. The share z of a large population that a major outbreak reaches
// solves the final-size equation z = 1 - exp(-R0 z), whatever the distribution of
// the infectious period where contacts are independent (Miller, "A note on the
// derivation of epidemic final sizes", Bulletin of Mathematical Biology 74, 2012).
package sir

import "math/rand/v2"

// Params of a run. The tags are those of a routine's params.
type Params struct {
	Population    int     `json:"population" default:"1000" minimum:"1" maximum:"10000000" unit:"agents" title:"Population"`
	InfectionRate float64 `json:"infection_rate" default:"0.05" minimum:"0" maximum:"1" unit:"per contact" title:"Infection rate" doc:"Probability that a contact of an infected with a susceptible agent infects it."`
	RecoveryRate  float64 `json:"recovery_rate" default:"0.1" minimum:"0" maximum:"1" unit:"per step" title:"Recovery rate" doc:"Probability that an infected agent recovers in a step."`
	Contacts      int     `json:"contacts" default:"5" minimum:"0" maximum:"1000" unit:"per agent and step" title:"Contacts" doc:"How many others each infected agent meets in a step."`
	Initial       int     `json:"initial_infected" default:"10" minimum:"0" maximum:"10000000" unit:"agents" title:"Infected at the start" doc:"At most the population."`
	Steps         int     `json:"steps" default:"200" minimum:"1" maximum:"1000000" unit:"steps" title:"Steps" doc:"The run ends after these."` // of a Run
}

// Epidemic is a run. It is a pure function of its params and generator.
type Epidemic struct {
	Susceptible, Infected, Recovered int

	params Params
	random *rand.Rand
}

// New starts an epidemic.
func New(p Params, random *rand.Rand) *Epidemic {
	return &Epidemic{Susceptible: p.Population - p.Initial, Infected: p.Initial, params: p, random: random}
}

// Over reports whether nobody is infected any more.
func (e *Epidemic) Over() bool { return e.Infected == 0 }

// Step takes a step.
func (e *Epidemic) Step() {
	infections, recoveries := 0, 0
	for range e.Infected {
		for range e.params.Contacts {
			// The one it meets is any agent; those already infected in this
			// step are no longer susceptible.
			if e.random.IntN(e.params.Population) < e.Susceptible-infections && e.random.Float64() < e.params.InfectionRate {
				infections++
			}
		}
		if e.random.Float64() < e.params.RecoveryRate {
			recoveries++
		}
	}
	e.Susceptible -= infections
	e.Infected += infections - recoveries
	e.Recovered += recoveries
}

// R0 is the number of agents that one infected agent infects where all others are
// susceptible.
func (p Params) R0() float64 { return float64(p.Contacts) * p.InfectionRate / p.RecoveryRate }
