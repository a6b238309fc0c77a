// Command example is the plugin that docs/plugins.md writes.
package main

import (
	"fmt"

	sdk "thresher/plugins/sdk/go"
)

func main() {}

type params struct {
	Column string `json:"column" title:"Column" doc:"Which column to add up."`
	Start  int    `json:"start" default:"0" unit:"rows" minimum:"0" title:"First row"`
}

func init() {
	sdk.Register(sdk.Plugin{
		Name: "example", Version: "0.1.0", Summary: "Adds up columns", License: "Apache-2.0",
		Routines: []sdk.Routine{sdk.Analysis("sum", sdk.Doc{Title: "Sum of a column"}, sum,
			sdk.In("data", sdk.Title("Any table"), sdk.MinRows(1)), sdk.Out("running", "The sum so far, a row a row"),
			sdk.Example("from-the-second-row", sdk.Case{
				Params: `{"column": "a", "start": 1}`, Inputs: map[string]string{"data": "a\n1\n2\n4\n"}, Result: `{"sum": 6}`,
			}))},
	})
}

func sum(c *sdk.Call, p params) (any, error) {
	data, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	values, valid, err := data.Float64(p.Column)
	if err != nil {
		return nil, err
	}
	if p.Start >= len(values) {
		return nil, fmt.Errorf("start: the table has %d rows", len(values))
	}
	running, total := c.Output("running", sdk.Float64Col("sum")), 0.0
	for i := p.Start; i < len(values); i++ {
		if valid[i] {
			total += values[i]
		}
		if err := running.Append(total); err != nil {
			return nil, err
		}
	}
	c.Logf("added up %d rows", len(values)-p.Start)
	return map[string]any{"sum": total}, nil
}
