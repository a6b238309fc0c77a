package sdk

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"thresher/plugins/abi"
)

// Call is one call of a routine.
type Call struct {
	params  json.RawMessage
	seed    uint64
	inputs  []abi.Input
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
			return &Table{number: int32(i), input: in}, nil
		}
	}
	return nil, fmt.Errorf("there is no input %q", name)
}

// Artifact keeps a file under a name.
func (c *Call) Artifact(name, mediaType string, content []byte) {
	artifactWrite([]byte(name), []byte(mediaType), content)
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
func (c *Call) Progress(fraction float64, message string) { progress(fraction, []byte(message)) }

// Logf writes a line to the job's log.
func (c *Call) Logf(format string, args ...any) {
	logText(fmt.Appendf(nil, format+"\n", args...))
}
