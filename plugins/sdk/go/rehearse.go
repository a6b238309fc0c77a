package sdk

import (
	"encoding/json"

	"thresher/plugins/abi"
)

// rehearse decodes and encodes once what every call does. What encoding/json makes
// of a type when it first meets it is then in the memory that each job starts with
// a copy of: made once, when the plugin is loaded, and not in every job anew. That
// is most of the time of a short job.
func (p Plugin) rehearse() {
	params := json.RawMessage("{}")
	var c abi.Call
	_ = json.Unmarshal(must(abi.Call{Params: params, Inputs: []abi.Input{{Columns: []abi.Column{{}}}}}), &c)
	for _, r := range p.Routines {
		r.rehearse(&Call{params: params})
	}
	must(map[string]any{"a": 0, "b": ""}) // results are of a type that only their routine knows
}
