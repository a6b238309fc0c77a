package main

import (
	"fmt"

	"thresher/plugins/builtin/models/sir"
	sdk "thresher/plugins/sdk/go"
)

// sirParams are those of models/sir.
type sirParams struct {
	Population    int     `json:"population" default:"1000" minimum:"1" maximum:"10000000" unit:"agents" title:"Population"`
	InfectionRate float64 `json:"infection_rate" default:"0.05" minimum:"0" maximum:"1" unit:"per contact" title:"Infection rate" doc:"Probability that a contact of an infected with a susceptible agent infects it."`
	RecoveryRate  float64 `json:"recovery_rate" default:"0.1" minimum:"0" maximum:"1" unit:"per step" title:"Recovery rate" doc:"Probability that an infected agent recovers in a step."`
	Contacts      int     `json:"contacts" default:"5" minimum:"0" maximum:"1000" unit:"per agent and step" title:"Contacts" doc:"How many others each infected agent meets in a step."`
	Initial       int     `json:"initial_infected" default:"10" minimum:"0" maximum:"10000000" unit:"agents" title:"Infected at the start" doc:"At most the population."`
	Steps         int     `json:"steps" default:"200" minimum:"1" maximum:"1000000" unit:"steps" title:"Steps" doc:"The run ends after these."`
}

type epidemic struct {
	call   *sdk.Call
	params sirParams
	agents *sir.Epidemic
	out    *sdk.Writer

	step, peak, peakStep, over int // over: -1 before it is
}

func startSIR(c *sdk.Call, p sirParams) (sdk.Stepper, error) {
	if p.Initial > p.Population {
		return nil, fmt.Errorf("initial_infected: %d agents cannot be infected in a population of %d", p.Initial, p.Population)
	}
	e := &epidemic{call: c, params: p, over: -1}
	e.agents = sir.New(sir.Params{
		Population: p.Population, InfectionRate: p.InfectionRate, RecoveryRate: p.RecoveryRate, Contacts: p.Contacts, Initial: p.Initial,
	}, c.Rand())
	e.out = c.Output("steps", sdk.Int64Col("step"), sdk.Int64Col("susceptible"), sdk.Int64Col("infected"),
		sdk.Int64Col("recovered"), sdk.Int64Col("total_agents"))
	return e, e.record()
}

func (e *epidemic) record() error {
	if e.agents.Infected > e.peak {
		e.peak, e.peakStep = e.agents.Infected, e.step
	}
	if e.agents.Over() && e.over < 0 {
		e.over = e.step
	}
	return e.out.Append(e.step, e.agents.Susceptible, e.agents.Infected, e.agents.Recovered, e.params.Population)
}

// Step implements sdk.Stepper.
func (e *epidemic) Step() (bool, error) {
	e.agents.Step()
	e.step++
	e.call.Progress(float64(e.step)/float64(e.params.Steps), fmt.Sprintf("step %d: %d infected", e.step, e.agents.Infected))
	return e.step >= e.params.Steps, e.record()
}

// Result implements sdk.Stepper.
func (e *epidemic) Result() (any, error) {
	result := map[string]any{
		"steps":         e.step,
		"peak_infected": e.peak,
		"peak_step":     e.peakStep,
		"final_size":    float64(e.agents.Infected+e.agents.Recovered) / float64(e.params.Population),
		"over_at_step":  nil,
		"r0":            nil,
	}
	if e.over >= 0 {
		result["over_at_step"] = e.over
	}
	if e.params.RecoveryRate > 0 {
		result["r0"] = float64(e.params.Contacts) * e.params.InfectionRate / e.params.RecoveryRate
	}
	return result, nil
}
