package main

import (
	"thresher/plugins/builtin/models/sir"
	sdk "thresher/plugins/sdk/go"
)

// epidemic is models/sir without its chart.
type epidemic struct {
	call *sdk.Call
	run  *sir.Run
	out  *sdk.Writer
}

func startSIR(c *sdk.Call, p sir.Params) (sdk.Stepper, error) {
	run, err := sir.Start(p, c.Rand())
	if err != nil {
		return nil, err
	}
	e := &epidemic{call: c, run: run, out: c.Output("steps", sdk.Int64Col("step"), sdk.Int64Col("susceptible"), sdk.Int64Col("infected"),
		sdk.Int64Col("recovered"), sdk.Int64Col("total_agents"))}
	return e, e.out.Append(run.Row()...)
}

// Step implements sdk.Stepper.
func (e *epidemic) Step() (bool, error) {
	e.run.Step()
	e.call.Progress(e.run.Progress())
	return e.run.Done(), e.out.Append(e.run.Row()...)
}

// Result implements sdk.Stepper.
func (e *epidemic) Result() (any, error) { return e.run.Result(), nil }
