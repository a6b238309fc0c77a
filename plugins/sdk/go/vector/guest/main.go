// Command guest is a plugin that tests and measures the kernels from within a
// sandbox: see kernels_test.go in plugins/sandbox.
package main

import (
	"fmt"
	"math"
	"slices"

	sdk "thresher/plugins/sdk/go"
	"thresher/plugins/sdk/go/vector"
	"thresher/plugins/sdk/go/vector/exercise"
)

func main() {}

type data struct {
	Rows  int  `json:"rows" default:"0"`
	Nulls bool `json:"nulls" default:"false"`
}

type work struct {
	Kernel string `json:"kernel"`
	How    string `json:"how" enum:"kernel,column,loop"`
	Rows   int    `json:"rows" default:"1048576"`
	Repeat int    `json:"repeat" default:"1"`
}

func init() {
	sdk.Register(sdk.Plugin{
		Name:    "kernels",
		Version: "1.0.0",
		Summary: "The kernels, from within",
		Routines: []sdk.Routine{
			sdk.Analysis("memory", sdk.Doc{Title: "every kernel on memory"}, memory),
			sdk.Analysis("column", sdk.Doc{Title: "every kernel on columns"}, column, sdk.In("data")),
			sdk.Analysis("measure", sdk.Doc{Title: "one kernel, many times"}, measure, sdk.In("data", sdk.Optional())),
			sdk.Analysis("sort_long", sdk.Doc{Title: "sorts for a long time"}, sortLong),
		},
	})
}

func memory(c *sdk.Call, p data) (any, error) {
	d := exercise.Make(p.Rows, c.Seed(), p.Nulls)
	x, y, ints := d.Vectors(p.Nulls)
	return exercise.Every(x, y, ints, d.Texts(p.Nulls)), nil
}

func column(c *sdk.Call, _ data) (any, error) {
	t, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	var v [3]vector.Numbers
	for i, name := range []string{"x", "y", "ints"} {
		if v[i], err = t.Vector(name); err != nil {
			return nil, err
		}
	}
	text, err := t.Texts("text")
	if err != nil {
		return nil, err
	}
	return exercise.Every(v[0].(vector.Vector[float64]), v[1].(vector.Vector[float64]), v[2].(vector.Vector[int64]), text), nil
}

// sortLong sorts what no copy of is anywhere near sorted.
func sortLong(c *sdk.Call, p data) (any, error) {
	x := make([]float64, p.Rows)
	first := exercise.Make(min(1<<16, p.Rows), c.Seed(), false).X
	for n := copy(x, first); n < len(x); n *= 2 {
		copy(x[n:], x[:n])
	}
	c.Logf("sorting")
	vector.Sort(x)
	return slices.IsSorted(x), nil
}

// kept is where the loops leave what they find, so that they are not left out.
var kept float64

func measure(c *sdk.Call, p work) (any, error) {
	x := exercise.Make(min(1<<16, p.Rows), 0, false).X
	for len(x) < p.Rows {
		x = append(x, x[:min(len(x), p.Rows-len(x))]...)
	}
	v := vector.Of(x)
	if p.How == "column" {
		t, err := c.Input("data")
		if err != nil {
			return nil, err
		}
		numbers, err := t.Vector("x")
		if err != nil {
			return nil, err
		}
		v = numbers.(vector.Vector[float64])
	}
	call := kernels[p.Kernel]
	if p.How == "loop" {
		call = loops[p.Kernel]
	}
	if call == nil {
		return nil, fmt.Errorf("no kernel %q", p.Kernel)
	}
	out := make([]float64, p.Rows)
	for range p.Repeat {
		call(v, x, out)
	}
	return kept, nil
}

type function = func(v vector.Vector[float64], x, out []float64)

var kernels = map[string]function{
	"sum":       func(v vector.Vector[float64], _, _ []float64) { kept = vector.Sum(v) },
	"dot":       func(v vector.Vector[float64], _, _ []float64) { kept = vector.Dot(v, v) },
	"minmax":    func(v vector.Vector[float64], _, _ []float64) { kept, _ = vector.MinMax(v) },
	"variance":  func(v vector.Vector[float64], _, _ []float64) { _, kept, _ = vector.Variance(v, 1) },
	"histogram": func(v vector.Vector[float64], _, _ []float64) { vector.Histogram(v, -4, 4, 100) },
	"sort":      func(v vector.Vector[float64], _, _ []float64) { vector.Sorted(v) },
	"quantiles": func(v vector.Vector[float64], _, _ []float64) { vector.Quantiles(v, 0.25, 0.5, 0.75) },
}

// loops are what a plugin would write without kernels.
var loops = map[string]function{
	"sum": func(_ vector.Vector[float64], x, _ []float64) {
		sum := 0.0
		for _, v := range x {
			sum += v
		}
		kept = sum
	},
	"dot": func(_ vector.Vector[float64], x, _ []float64) {
		sum := 0.0
		for _, v := range x {
			sum += v * v
		}
		kept = sum
	},
	"minmax": func(_ vector.Vector[float64], x, _ []float64) {
		low, high := math.Inf(1), math.Inf(-1)
		for _, v := range x {
			low, high = min(low, v), max(high, v)
		}
		kept = high - low
	},
	"variance": func(_ vector.Vector[float64], x, _ []float64) {
		sum, squares := 0.0, 0.0
		for _, v := range x {
			sum += v
		}
		mean := sum / float64(len(x))
		for _, v := range x {
			squares += (v - mean) * (v - mean)
		}
		kept = squares / float64(len(x)-1)
	},
	"histogram": func(_ vector.Vector[float64], x, _ []float64) {
		var counts [100]int64
		for _, v := range x {
			if i := int((v + 4) / 8 * 100); v >= -4 && v < 4 {
				counts[i]++
			}
		}
		kept = float64(counts[50])
	},
	"sort": func(_ vector.Vector[float64], x, out []float64) {
		copy(out, x)
		slices.Sort(out)
	},
	"quantiles": func(_ vector.Vector[float64], x, out []float64) {
		copy(out, x)
		slices.Sort(out)
		kept = out[len(out)/2]
	},
}
