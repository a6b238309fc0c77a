package sdk

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"thresher/plugins/abi"
	"thresher/plugins/sdk/go/internal/host"
)

// Call is one call of a routine.
type Call struct {
	host    host.Host
	params  json.RawMessage
	seed    uint64
	inputs  []abi.Input
	file    *abi.File
	outputs []*Writer
}

// VegaLite is the media type of charts.
const VegaLite = "application/vnd.vegalite.v6+json"

// Seed is the job's seed.
func (c *Call) Seed() uint64 { return c.seed }

// Rand returns a generator that follows from the job's seed alone. The top-level
// functions of math/rand do not: they draw the same numbers in every job.
func (c *Call) Rand() *rand.Rand { return rand.New(rand.NewPCG(c.seed, 0)) }

// HasInput reports whether an optional input was given.
func (c *Call) HasInput(name string) bool {
	_, err := c.Input(name)
	return err == nil
}

// Input returns an input table.
func (c *Call) Input(name string) (*Table, error) {
	for i, in := range c.inputs {
		if in.Name == name {
			return &Table{host: c.host, number: int32(i), input: in}, nil
		}
	}
	return nil, fmt.Errorf("there is no input %q", name)
}

// Artifact keeps a file under a name.
func (c *Call) Artifact(name, mediaType string, content []byte) {
	c.host.ArtifactWrite([]byte(name), []byte(mediaType), content)
}

// Chart keeps a Vega-Lite specification as the artifact NAME.vl.json.
func (c *Call) Chart(name string, spec any) error {
	data, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("chart %s: %w", name, err)
	}
	c.Artifact(name+".vl.json", VegaLite, data)
	return nil
}

// Progress says how far the routine is, from 0 to 1.
func (c *Call) Progress(fraction float64, message string) {
	c.host.Progress(fraction, []byte(message))
}

// Logf writes a line to the job's log.
func (c *Call) Logf(format string, args ...any) {
	c.host.Log(fmt.Appendf(nil, format+"\n", args...))
}

func newCall(h host.Host, c abi.Call) *Call {
	return &Call{host: h, params: c.Params, seed: c.Seed, inputs: c.Inputs, file: c.File}
}

// finish hands over what is left to hand over, and the result.
func (c *Call) finish(result any) error {
	c.flush()
	if result == nil {
		return nil
	}
	data, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	c.host.ResultWrite(data)
	return nil
}

// step takes a step of a simulation, and finishes it with the last.
func (c *Call) step(s Stepper) (done bool, err error) {
	if done, err = s.Step(); err != nil || !done {
		return done, err
	}
	result, err := s.Result()
	if err != nil {
		return true, err
	}
	return true, c.finish(result)
}

// flush writes the rows that output tables still hold.
func (c *Call) flush() {
	for _, w := range c.outputs {
		w.Flush()
	}
}
