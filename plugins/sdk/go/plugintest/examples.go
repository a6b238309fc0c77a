package plugintest

import (
	"encoding/json"
	"testing"

	"thresher/core/routine"
	sdk "thresher/plugins/sdk/go"
)

// Examples runs every example that the registered plugin declares. A server runs them
// too, in its sandbox, before it takes the plugin.
func Examples(t *testing.T) {
	t.Helper()
	for _, r := range sdk.Registered().Manifest().Routines {
		for _, x := range r.Examples {
			t.Run(r.Name+"/"+x.Name, func(t *testing.T) { example(t, r.Name, x) })
		}
	}
}

func example(t *testing.T, name string, x routine.Example) {
	j := Job{Params: string(x.Params), Inputs: map[string]Input{}, Seed: x.Seed}
	for input, text := range x.Inputs {
		j.Inputs[input] = CSV(text)
	}
	if x.File != "" {
		j.File = []byte(x.File)
	}
	run := Run(t, name, j)
	switch {
	case x.Error != "" && run.Err == nil:
		t.Errorf("it did not fail: want %s", x.Error)
	case x.Error != "":
	case run.Err != nil:
		t.Error(run.Err)
	default:
		if d := routine.Differ(x.Result, json.RawMessage(run.Result), x.Tolerance); d != "" {
			t.Errorf("the result differs: %s\nall of it: %s", d, run.Result)
		}
	}
}
