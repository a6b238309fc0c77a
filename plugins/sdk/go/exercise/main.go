// Command exercise uses what the SDK has and the examples do not: each SDK has this
// routine, and a test holds them against each other.
package main

import (
	"errors"

	sdk "thresher/plugins/sdk/go"
	"thresher/plugins/sdk/go/vector"
)

func main() {}

type params struct {
	Whole   []int     `json:"whole,omitempty"`
	Numbers []float64 `json:"numbers,omitempty" title:"Numbers" unit:"m"`
	Flags   []bool    `json:"flags,omitempty"`
	Words   []string  `json:"words,omitempty"`
	Mode    string    `json:"mode" default:"fast" enum:"fast,slow"`
	Ratio   float64   `json:"ratio" default:"0.5" above:"0" maximum:"2"`
	Loud    bool      `json:"loud" default:"true"`
}

func init() {
	sdk.Register(sdk.Plugin{
		Name: "exercise", Version: "1.0.0", Summary: "Uses the SDK",
		Routines: []sdk.Routine{sdk.Analysis("all", sdk.Doc{Title: "All"}, all,
			sdk.In("data", sdk.MinRows(1), sdk.Require("i", "int64"), sdk.Require("f", "number"), sdk.Require("b", "bool"), sdk.Require("s", "")),
			sdk.In("more", sdk.Optional()), sdk.Out("copy", ""))},
	})
}

// echo is the result: what was read, and what the kernels answer.
type echo struct {
	Whole     []int     `json:"whole"`
	Numbers   []float64 `json:"numbers"`
	Flags     []bool    `json:"flags"`
	Words     []string  `json:"words"`
	Mode      string    `json:"mode"`
	Ratio     float64   `json:"ratio"`
	Loud      bool      `json:"loud"`
	More      bool      `json:"more"`
	Read      []float64 `json:"read"`
	Text      string    `json:"text"`
	SumInts   int64     `json:"sum_ints"`
	Sum       float64   `json:"sum"`
	MinMax    []float64 `json:"minmax"`
	Dot       float64   `json:"dot"`
	Fit       []float64 `json:"fit"`
	Histogram []int64   `json:"histogram"`
	Sorted    []float64 `json:"sorted"`
	Argsorted []uint32  `json:"argsorted"`
	Cumsum    []int64   `json:"cumsum"`
	Counts    []int64   `json:"counts"`
	Sums      []float64 `json:"sums"`
	Own       float64   `json:"own"`
	Random    []uint64  `json:"random"`
}

func all(c *sdk.Call, p params) (any, error) {
	data, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	e := echo{
		Whole: append([]int{}, p.Whole...), Numbers: append([]float64{}, p.Numbers...), Flags: append([]bool{}, p.Flags...), Words: append([]string{}, p.Words...),
		Mode: p.Mode, Ratio: p.Ratio, Loud: p.Loud, More: c.HasInput("more"), Read: make([]float64, 4), MinMax: make([]float64, 2),
	}
	if err := errors.Join(readWhole(data, &e), copyBatches(c, data), kernels(data, &e)); err != nil {
		return nil, err
	}
	random := c.Rand()
	for _, n := range []uint64{1 << 63, 3, 1000, 1<<63 + 1} {
		e.Random = append(e.Random, random.Uint64N(n)%1000)
	}
	c.Artifact("hello.txt", "text/plain", []byte("hello\n"))
	return e, nil
}

func readWhole(data *sdk.Table, e *echo) error {
	i, iv, err1 := data.Int64("i")
	f, fv, err2 := data.Float64("f")
	b, bv, err3 := data.Bools("b")
	s, sv, err4 := data.Strings("s")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	for row := range data.Rows() {
		if iv[row] {
			e.Read[0] += float64(i[row])
		}
		if fv[row] {
			e.Read[1] += f[row]
		}
		if bv[row] && b[row] {
			e.Read[2]++
		}
		if sv[row] {
			e.Read[3]++
			e.Text += s[row]
		}
	}
	return nil
}

func copyBatches(c *sdk.Call, data *sdk.Table) error {
	out := c.Output("copy", sdk.Int64Col("i"), sdk.Float64Col("f"), sdk.BoolCol("b"), sdk.StringCol("s"))
	for batch := range data.Batches() {
		i, iv, err1 := batch.Int64("i")
		f, fv, err2 := batch.Float64("f")
		b, bv, err3 := batch.Bools("b")
		s, sv, err4 := batch.Text("s")
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return err
		}
		for row := range batch.Rows() {
			values := []any{nil, nil, nil, nil}
			if iv.At(row) {
				values[0] = i[row]
			}
			if fv.At(row) {
				values[1] = f[row]
			}
			if bv.At(row) {
				values[2] = b.At(row)
			}
			if sv.At(row) {
				values[3] = string(s.At(row))
			}
			if err := out.Append(values...); err != nil {
				return err
			}
		}
	}
	return nil
}

func kernels(data *sdk.Table, e *echo) (err error) {
	x, err1 := data.Vector("i")
	y, err2 := data.Vector("f")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	ints, floats := x.(vector.Vector[int64]), y.(vector.Vector[float64])
	if e.SumInts, err = vector.SumInts(ints); err != nil {
		return err
	}
	e.Sum = vector.Sum(floats)
	e.MinMax[0], e.MinMax[1] = vector.MinMax(floats)
	e.Dot = vector.Dot(x, y)
	fit, n := vector.Linreg(x, y)
	e.Fit = []float64{fit.Slope, fit.Intercept, fit.R, float64(n)}
	e.Histogram = vector.Histogram(y, -10, 10, 5)
	e.Sorted = vector.Sorted(floats)
	e.Sorted = e.Sorted[:min(len(e.Sorted), 5)]
	e.Argsorted = vector.Argsort(floats)
	e.Argsorted = e.Argsorted[:min(len(e.Argsorted), 5)]
	if e.Cumsum, err = vector.Cumsum(ints); err != nil {
		return err
	}
	e.Cumsum = e.Cumsum[max(0, len(e.Cumsum)-5):]
	if e.Counts, e.Sums, err = vector.Group(ints, 0, 10, y); err != nil {
		return err
	}
	e.Own = vector.Sum(vector.WithNulls([]float64{1, 2, 4}, []byte{0b101}))
	return nil
}
