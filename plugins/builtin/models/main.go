// Command models is a plugin with simulations that need no data.
package main

import (
	"fmt"

	"thresher/plugins/builtin/chart"
	"thresher/plugins/builtin/models/sir"
	sdk "thresher/plugins/sdk/go"
	"thresher/plugins/sdk/go/vector"
)

func main() {}

// Params of models/sir.
type Params struct {
	Population    int     `json:"population" default:"1000" minimum:"1" maximum:"10000000" unit:"agents" title:"Population"`
	InfectionRate float64 `json:"infection_rate" default:"0.05" minimum:"0" maximum:"1" unit:"per contact" title:"Infection rate" doc:"Probability that a contact of an infected with a susceptible agent infects it."`
	RecoveryRate  float64 `json:"recovery_rate" default:"0.1" minimum:"0" maximum:"1" unit:"per step" title:"Recovery rate" doc:"Probability that an infected agent recovers in a step."`
	Contacts      int     `json:"contacts" default:"5" minimum:"0" maximum:"1000" unit:"per agent and step" title:"Contacts" doc:"How many others each infected agent meets in a step."`
	Initial       int     `json:"initial_infected" default:"10" minimum:"0" maximum:"10000000" unit:"agents" title:"Infected at the start" doc:"At most the population."`
	Steps         int     `json:"steps" default:"200" minimum:"1" maximum:"1000000" unit:"steps" title:"Steps" doc:"The run ends after these."`
}

func init() {
	sdk.Register(sdk.Plugin{
		Name:    "models",
		Version: "0.1.0",
		Summary: "Simulations that need no data",
		License: "Apache-2.0",
		Routines: []sdk.Routine{sdk.Simulation("sir", sdk.Doc{
			Title:   "SIR epidemic",
			Summary: "Well-mixed agents that are susceptible, infected or recovered (Kermack and McKendrick, 1927).",
		}, start, sdk.Out("steps", "Agents in each state, a row a step"),
			sdk.Example("nobody-is-infected", sdk.Case{
				Params: `{"population": 100, "initial_infected": 0, "steps": 3}`,
				Result: `{"steps": 3, "peak_infected": 0, "peak_step": 0, "final_size": 0, "over_at_step": 0, "r0": 2.5}`,
			}),
			sdk.Example("small-town", sdk.Case{
				Params: `{"population": 200, "steps": 50}`, Seed: 42,
				Result: `{"steps": 50, "peak_infected": 55, "peak_step": 28, "final_size": 0.875, "over_at_step": null, "r0": 2.5}`,
			}),
			sdk.Example("more-infected-than-people", sdk.Case{
				Params: `{"population": 5, "initial_infected": 6}`, Error: "guest_error",
			}))},
	})
}

// run is an epidemic and its record.
type run struct {
	call     *sdk.Call
	params   Params
	epidemic *sir.Epidemic
	out      *sdk.Writer
	step     int

	peak, peakStep, over int
	steps                []float64
	series               [3][]float64 // susceptible, infected, recovered
}

func start(c *sdk.Call, p Params) (sdk.Stepper, error) {
	if p.Initial > p.Population {
		return nil, fmt.Errorf("initial_infected: %d agents cannot be infected in a population of %d", p.Initial, p.Population)
	}
	r := &run{
		call:   c,
		params: p,
		epidemic: sir.New(sir.Params{
			Population: p.Population, InfectionRate: p.InfectionRate, RecoveryRate: p.RecoveryRate,
			Contacts: p.Contacts, Initial: p.Initial,
		}, c.Rand()),
		out: c.Output("steps", sdk.Int64Col("step"), sdk.Int64Col("susceptible"),
			sdk.Int64Col("infected"), sdk.Int64Col("recovered"), sdk.Int64Col("total_agents")),
		over: -1,
	}
	return r, r.record()
}

// Step implements sdk.Stepper.
func (r *run) Step() (bool, error) {
	r.epidemic.Step()
	r.step++
	if err := r.record(); err != nil {
		return false, err
	}
	r.call.Progress(float64(r.step)/float64(r.params.Steps), fmt.Sprintf("step %d: %d infected", r.step, r.epidemic.Infected))
	return r.step >= r.params.Steps, nil
}

func (r *run) record() error {
	e := r.epidemic
	if e.Infected > r.peak {
		r.peak, r.peakStep = e.Infected, r.step
	}
	if e.Over() && r.over < 0 {
		r.over = r.step
	}
	r.steps = append(r.steps, float64(r.step))
	for i, n := range []int{e.Susceptible, e.Infected, e.Recovered} {
		r.series[i] = append(r.series[i], float64(n))
	}
	return r.out.Append(r.step, e.Susceptible, e.Infected, e.Recovered, r.params.Population)
}

// Result implements sdk.Stepper.
func (r *run) Result() (any, error) {
	var points []chart.Point
	steps := chart.Thin(vector.Of(r.steps))
	for i, name := range []string{"susceptible", "infected", "recovered"} {
		points = append(points, chart.Series(name, steps, chart.Thin(vector.Of(r.series[i])))...)
	}
	if err := r.call.Chart("epidemic", chart.Lines("Epidemic", "agents", points)); err != nil {
		return nil, err
	}
	result := map[string]any{
		"steps":         r.step,
		"peak_infected": r.peak,
		"peak_step":     r.peakStep,
		"final_size":    float64(r.epidemic.Infected+r.epidemic.Recovered) / float64(r.params.Population),
		"over_at_step":  nil,
		"r0":            nil,
	}
	if r.over >= 0 {
		result["over_at_step"] = r.over
	}
	if r.params.RecoveryRate > 0 {
		result["r0"] = float64(r.params.Contacts) * r.params.InfectionRate / r.params.RecoveryRate
	}
	return result, nil
}
