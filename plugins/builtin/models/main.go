// Command models is a plugin with simulations that need no data.
package main

import (
	"thresher/plugins/builtin/chart"
	"thresher/plugins/builtin/models/sir"
	sdk "thresher/plugins/sdk/go"
	"thresher/plugins/sdk/go/vector"
)

func main() { sdk.Main() }

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
	call   *sdk.Call
	sir    *sir.Run
	out    *sdk.Writer
	steps  []float64
	series [3][]float64 // susceptible, infected, recovered
}

func start(c *sdk.Call, p sir.Params) (sdk.Stepper, error) {
	epidemic, err := sir.Start(p, c.Rand())
	if err != nil {
		return nil, err
	}
	r := &run{call: c, sir: epidemic, out: c.Output("steps", sdk.Int64Col("step"), sdk.Int64Col("susceptible"),
		sdk.Int64Col("infected"), sdk.Int64Col("recovered"), sdk.Int64Col("total_agents"))}
	return r, r.record()
}

// Step implements sdk.Stepper.
func (r *run) Step() (bool, error) {
	r.sir.Step()
	if err := r.record(); err != nil {
		return false, err
	}
	r.call.Progress(r.sir.Progress())
	return r.sir.Done(), nil
}

func (r *run) record() error {
	r.steps = append(r.steps, float64(r.sir.At))
	for i, n := range []int{r.sir.Susceptible, r.sir.Infected, r.sir.Recovered} {
		r.series[i] = append(r.series[i], float64(n))
	}
	return r.out.Append(r.sir.Row()...)
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
	return r.sir.Result(), nil
}
