package core_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/routine"
)

// program is a plugin of programs whose arguments name a param again and again.
type program struct{ greedy }

func (program) List() []core.Plugin {
	args := []string{strings.Repeat("{x}", 128), strings.Repeat("{x}", 128)}
	params := json.RawMessage(`{"type":"object","properties":{"x":{"type":"string"}}}`)
	p := core.Plugin{Digest: "d", Manifest: routine.Manifest{Name: "program", Version: "1.0.0"}}
	for name, kind := range map[string]routine.Kind{"small": routine.Analysis, "import": routine.Importer} {
		p.Routines = append(p.Routines, routine.Routine{Name: name, Kind: kind, Params: params, Args: args})
	}
	return []core.Plugin{p}
}

// Arguments are a product of the manifest and the params: whoever submits a job, a batch
// or a file is told that it is too large before anything is made of it.
func TestArgumentsThatWouldBeTooLongAreRefused(t *testing.T) {
	t.Parallel()
	e, err := core.Open(t.Context(), core.Config{Dir: t.TempDir()}, program{greedy{"small": small, "import": small}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(t.Context())) })
	fits, long := paramOf(4000), paramOf(5000)
	j, err := e.Submit(t.Context(), core.Request{Routine: "program/small", Params: fits})
	require.NoError(t, err)
	for how, submit := range map[string]func() error{
		"job": func() error {
			_, err := e.Submit(t.Context(), core.Request{Routine: "program/small", Params: long})
			return err
		},
		"one_queued": func() error {
			_, err := e.Submit(t.Context(), core.Request{Routine: "program/small", Params: long, SkipIfQueued: true})
			return err
		},
		"batch": func() error {
			_, err := e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: []core.BatchJob{{Request: core.Request{Routine: "program/small", Params: long}}}})
			return err
		},
	} {
		t.Run(how, func(t *testing.T) {
			err := submit()
			assert.ErrorContains(t, err, "bytes of arguments when params are filled in: the limit is 1048576")
		})
	}
	_, err = e.Wait(t.Context(), j.ID)
	require.NoError(t, err)
}

func paramOf(n int) json.RawMessage { return json.RawMessage(`{"x":"` + strings.Repeat("a", n) + `"}`) }
