// Command formats is a plugin with importers of two formats of text that the server
// does not know itself. It is also an example of how importers are written.
package main

import (
	sdk "thresher/plugins/sdk/go"
)

func main() { sdk.Main() }

func init() {
	rows := sdk.Out("data", "The rows of the file")
	sdk.Register(sdk.Plugin{
		Name:    "formats",
		Version: "0.1.0",
		Summary: "Importers of text: separated by tabs, and of fixed width",
		License: "Apache-2.0",
		Routines: []sdk.Routine{
			sdk.Importer("tsv", sdk.Doc{
				Title:   "Values separated by tabs",
				Summary: "A line a row, and a tab, or another character, between two values. There are no quotes.",
			}, importTSV, rows,
				sdk.Example("two-columns", sdk.Case{
					File:   "name\tsize\nada\t1\neve\t\nadé\t2.5\n",
					Result: `{"rows": 3, "columns": [{"name": "name", "type": "string"}, {"name": "size", "type": "float64"}]}`,
				}),
				sdk.Example("a-value-too-many", sdk.Case{File: "a\tb\n1\t2\t3\n", Error: "guest_error"})),
			sdk.Importer("fixed", sdk.Doc{
				Title:   "Columns of fixed width",
				Summary: "A line a row, and each column at the same characters of every line.",
			}, importFixed, rows,
				sdk.Example("two-columns", sdk.Case{
					Params: `{"columns": ["name:1-5", "size:6-8:int64"]}`, File: "ada   12\neve\nadé    3\n",
					Result: `{"rows": 3, "columns": [{"name": "name", "type": "string"}, {"name": "size", "type": "int64"}]}`,
				}),
				sdk.Example("no-number", sdk.Case{
					Params: `{"columns": ["size:1-3:int64"]}`, File: " 12\n1x2\n", Error: "guest_error",
				})),
		},
	})
}
