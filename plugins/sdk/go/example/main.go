// Command example is the three routines that each SDK has as its example: describe,
// histogram and sir. A test holds the four against each other.
package main

import (
	sdk "thresher/plugins/sdk/go"
)

func main() {}

func init() {
	sdk.Register(sdk.Plugin{
		Name: "trio-go", Version: "0.1.0", Summary: "Two analyses and a simulation", License: "Apache-2.0",
		Routines: []sdk.Routine{
			sdk.Analysis("describe", sdk.Doc{
				Title:   "Describe the numbers of a table",
				Summary: "Count, nulls, mean, standard deviation and quartiles of each column of numbers.",
			}, describe, sdk.In("data", sdk.Title("Any table")), sdk.Out("summary", "A row for each column of numbers")),
			sdk.Analysis("histogram", sdk.Doc{
				Title:   "Histogram of a column",
				Summary: "Counts the values of a column of numbers in bins of equal width, and draws them.",
			}, histogram, sdk.In("data", sdk.Title("Any table")), sdk.Example("two-bins", sdk.Case{
				Params: `{"column": "x", "bins": 2}`, Inputs: map[string]string{"data": "x,y\n0,a\n1,b\n,c\n9,d\n10,e\n"},
				Result: `{"edges": [0, 5, 10], "counts": [2, 2]}`,
			})),
			sdk.Simulation("sir", sdk.Doc{
				Title:   "SIR epidemic",
				Summary: "Well-mixed agents that are susceptible, infected or recovered (Kermack and McKendrick, 1927).",
			}, startSIR, sdk.Out("steps", "Agents in each state, a row a step")),
		},
	})
}
