package conform

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"thresher/core"
	"thresher/core/routine"
	"thresher/core/schema"
	"thresher/core/table"
	"thresher/plugins/sandbox"
)

// Run runs a routine of a loaded plugin once, as a server would: params are checked and
// get their defaults. It returns all that the run left, in which tables are put into a
// folder meanwhile, and why it failed; empty: it did not.
func Run(ctx context.Context, host *sandbox.Host, p core.Plugin, r routine.Routine, params json.RawMessage, seed uint64,
	inputs map[string]*table.File, dir string) (o Outcome, failure string) {
	s, err := schema.Compile(r.Params)
	if err == nil {
		params, err = s.Fill(params)
	}
	if err != nil {
		return o, fmt.Sprintf("params: %v", err)
	}
	t := trial{suite: &suite{host: host, plugin: p, dir: dir, options: Options{Time: time.Minute}}, routine: r, params: params, inputs: inputs}
	for i, other := range p.Routines {
		if other.Name == r.Name {
			t.number = int32(i)
		}
	}
	if o, err = t.run(ctx, seed, nil); err != nil {
		return Outcome{}, err.Error()
	}
	return o, ""
}
