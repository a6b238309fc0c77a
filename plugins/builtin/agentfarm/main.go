// Command agentfarm is a plugin with AgentFarm's analyses of simulation runs, on
// step tables as AgentFarm stores them or as its loaders return them.
package main

import (
	"errors"
	"fmt"
	"strings"

	"thresher/plugins/builtin/agentfarm/population"
	"thresher/plugins/builtin/chart"
	sdk "thresher/plugins/sdk/go"
	"thresher/plugins/sdk/go/vector"
)

func main() { sdk.Main() }

// Params of agentfarm/population. The windows are AgentFarm's own.
type Params struct {
	Group           string `json:"group" default:"all" enum:"all,analysis,plots,basic,comprehensive" title:"Group" doc:"Which functions to run: all; analysis (no charts); plots (charts only); basic (statistics, births and deaths, their charts); comprehensive (all analyses and the dashboard)."`
	StabilityWindow int    `json:"stability_window" default:"50" minimum:"2" maximum:"1000000" unit:"steps" title:"Stability window" doc:"Rolling window of the coefficient of variation; shortened to half of a shorter table."`
	GrowthWindow    int    `json:"growth_window" default:"20" minimum:"1" maximum:"1000000" unit:"steps" title:"Growth window" doc:"Rolling window that smooths the growth rate for its phases."`
}

func init() {
	sdk.Register(sdk.Plugin{
		Name:    "agentfarm",
		Version: "0.1.0",
		Summary: "AgentFarm's analyses of simulation runs",
		License: "Apache-2.0",
		Routines: []sdk.Routine{sdk.Analysis("population", sdk.Doc{
			Title:   "Population dynamics",
			Summary: "Statistics, births and deaths, stability, growth and composition of the population of a run, as AgentFarm computes them.",
		}, analyze, sdk.In("steps", sdk.Title("Step table: step or step_number, counts of agents, births and deaths"), sdk.MinRows(1)))},
	})
}

// section is a part of the result, named after AgentFarm's function.
type section struct {
	name    string
	groups  string // beside all and analysis
	compute func(population.Steps, Params) map[string]any
}

var sections = []section{
	{"population_statistics", "basic comprehensive", func(s population.Steps, _ Params) map[string]any { return population.Statistics(s) }},
	{"birth_death_rates", "basic comprehensive", func(s population.Steps, _ Params) map[string]any { return population.BirthDeathRates(s) }},
	{"population_stability", "comprehensive", func(s population.Steps, p Params) map[string]any {
		return population.Stability(s, p.StabilityWindow)
	}},
	{"growth_rate_analysis", "comprehensive", func(s population.Steps, p Params) map[string]any {
		return population.Growth(s, p.GrowthWindow)
	}},
	{"demographic_metrics", "comprehensive", func(s population.Steps, _ Params) map[string]any { return population.Demography(s) }},
}

func (s section) in(group string) bool {
	return group == "all" || group == "analysis" || strings.Contains(s.groups, group)
}

func analyze(c *sdk.Call, p Params) (any, error) {
	t, err := c.Input("steps")
	if err != nil {
		return nil, err
	}
	steps, err := read(t)
	if err != nil {
		return nil, err
	}
	result := map[string]any{}
	for i, s := range sections {
		if s.in(p.Group) {
			result[s.name] = s.compute(steps, p)
		}
		c.Progress(float64(i+1)/float64(len(sections)+1), s.name)
	}
	if p.Group != "analysis" {
		if err := draw(c, steps, p.Group); err != nil {
			return nil, err
		}
	}
	c.Progress(1, "")
	return result, nil
}

// The columns of a step table, as stored and as loaded.
var (
	stepColumns = []string{"step", "step_number"}
	storedTypes = "agent_type_counts." // followed by the type's name
	loadedTypes = "_agents"            // after it
)

func read(t *sdk.Table) (population.Steps, error) {
	var s population.Steps
	var err error
	if s.Step, err = first(t, stepColumns...); err != nil {
		return s, err
	}
	if s.Types, err = types(t); err != nil {
		return s, err
	}
	if s.Total, err = total(t, s.Types); err != nil {
		return s, err
	}
	if t.Has("births") && t.Has("deaths") {
		if s.Births, err = column(t, "births"); err != nil {
			return s, err
		}
		s.Deaths, err = column(t, "deaths")
	}
	return s, err
}

func first(t *sdk.Table, names ...string) (vector.Numbers, error) {
	for _, name := range names {
		if t.Has(name) {
			return column(t, name)
		}
	}
	return nil, fmt.Errorf("the step table needs a column %s", strings.Join(names, " or "))
}

// column is a column of numbers. A null is 0, as AgentFarm has it.
func column(t *sdk.Table, name string) (vector.Numbers, error) {
	v, err := t.Vector(name)
	if err == nil && !t.HasNulls(name) {
		return v, nil
	}
	values, _, err := t.Float64(name)
	return vector.Of(values), err
}

// types finds the columns that count the agents of a type, under the names that
// AgentFarm's loader gives them.
func types(t *sdk.Table) ([]population.Type, error) {
	var list []population.Type
	for _, c := range t.Columns() {
		name, stored := strings.CutPrefix(c.Name, storedTypes)
		switch {
		case stored:
			name += loadedTypes
		case strings.HasSuffix(c.Name, loadedTypes) && c.Name != "total_agents":
			name = c.Name
		default:
			continue
		}
		alive, err := column(t, c.Name)
		if err != nil {
			return nil, err
		}
		list = append(list, population.Type{Name: name, Alive: alive})
	}
	return list, nil
}

// total is the column total_agents or, where there is none, the sum of all types.
func total(t *sdk.Table, types []population.Type) ([]float64, error) {
	if t.Has("total_agents") {
		values, _, err := t.Float64("total_agents")
		return values, err
	}
	if len(types) == 0 {
		return nil, errors.New("the step table needs a column total_agents, or columns of agents by type (agent_type_counts, system_agents, …)")
	}
	sum, alive := make([]float64, t.Rows()), make([]float64, t.Rows())
	for _, kind := range types {
		vector.Floats(kind.Alive, 0, alive)
		for i, n := range alive {
			sum[i] += n
		}
	}
	return sum, nil
}

func draw(c *sdk.Call, s population.Steps, group string) error {
	at := chart.Thin(s.Step)
	series := func(name string, values vector.Numbers) []chart.Point {
		return chart.Series(name, at, chart.Thin(values))
	}
	totals := series("total", vector.Of(s.Total))
	var byType []chart.Point
	for _, t := range s.Types {
		byType = append(byType, series(strings.TrimSuffix(t.Name, loadedTypes), t.Alive)...)
	}
	charts := map[string]chart.Spec{
		"population_over_time": chart.Lines("Population over time", "agents", append(totals, byType...)),
	}
	if s.Births != nil {
		charts["birth_death_rates"] = chart.Lines("Births and deaths", "agents a step",
			append(series("births", s.Births), series("deaths", s.Deaths)...))
	}
	if len(byType) > 0 && group != "basic" {
		shares := chart.Lines("Composition", "share of agents", byType)
		shares["mark"] = map[string]any{"type": "area", "tooltip": true}
		shares["encoding"].(map[string]any)["y"].(map[string]any)["stack"] = "normalize"
		charts["agent_composition"] = shares
	}
	for _, name := range []string{"population_over_time", "birth_death_rates", "agent_composition"} {
		if spec, ok := charts[name]; ok {
			if err := c.Chart(name, spec); err != nil {
				return err
			}
		}
	}
	return nil
}
