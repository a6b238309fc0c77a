// Command tabular is a plugin with analyses of any table.
package main

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"thresher/core/stats"
	"thresher/plugins/builtin/chart"
	"thresher/plugins/builtin/tabular/describe"
	sdk "thresher/plugins/sdk/go"
	"thresher/plugins/sdk/go/vector"
)

func main() { sdk.Main() }

// Params of tabular/describe.
type Params struct {
	Columns []string `json:"columns,omitempty" title:"Columns" doc:"Which columns to describe; all if none are named."`
	Top     int      `json:"top" default:"5" minimum:"1" maximum:"1000" unit:"values" title:"Most frequent values" doc:"How many to list for text and booleans."`
}

func init() {
	sdk.Register(sdk.Plugin{
		Name:    "tabular",
		Version: "0.1.0",
		Summary: "Analyses of any table",
		License: "Apache-2.0",
		Routines: []sdk.Routine{sdk.Analysis("describe", sdk.Doc{
			Title:   "Describe a table",
			Summary: "Counts, nulls, spread and quartiles of numbers, most frequent values of text, and a chart of each column.",
		}, run, sdk.In("data", sdk.Title("Any table")),
			sdk.Example("numbers-and-text", sdk.Case{
				Inputs: map[string]string{"data": "size,colour\n1,red\n2,blue\n4,red\n,\n"},
				Result: `{"rows": 4, "columns": [
					{"name": "size", "type": "int64", "count": 3, "nulls": 1, "distinct": 3, "mean": 2.3333333333, "std": 1.5275252317,
						"min": 1, "q25": 1.5, "median": 2, "q75": 3, "max": 4},
					{"name": "colour", "type": "string", "count": 3, "nulls": 1, "distinct": 2,
						"top": [{"value": "red", "count": 2}, {"value": "blue", "count": 1}]}]}`,
			}),
			sdk.Example("no-such-column", sdk.Case{
				Params: `{"columns": ["weight"]}`, Inputs: map[string]string{"data": "size\n1\n"}, Error: "guest_error",
			}))},
	})
}

func run(c *sdk.Call, p Params) (any, error) {
	t, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	columns, err := chosen(t, p.Columns)
	if err != nil {
		return nil, err
	}
	out := make([]describe.Column, len(columns))
	for i, col := range columns {
		var spec chart.Spec
		if out[i], spec, err = one(t, col, p.Top); err != nil {
			return nil, err
		}
		if spec != nil {
			if err := c.Chart(fmt.Sprintf("column-%02d", i+1), spec); err != nil {
				return nil, err
			}
		}
		c.Progress(float64(i+1)/float64(len(columns)), col.Name)
	}
	return map[string]any{"rows": t.Rows(), "columns": out}, nil
}

func chosen(t *sdk.Table, names []string) ([]sdk.Column, error) {
	if len(names) == 0 {
		return t.Columns(), nil
	}
	var columns []sdk.Column
	for _, name := range names {
		i := slices.IndexFunc(t.Columns(), func(c sdk.Column) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("columns: the table has no column %q", name)
		}
		columns = append(columns, t.Columns()[i])
	}
	return columns, nil
}

// one describes a column and draws it.
func one(t *sdk.Table, col sdk.Column, top int) (describe.Column, chart.Spec, error) {
	d := describe.Column{Name: col.Name, Type: col.Type}
	var spec chart.Spec
	var err error
	switch col.Type {
	case "int64", "float64":
		var v vector.Numbers
		if v, err = t.Vector(col.Name); err == nil {
			var sorted []float64
			d.Numbers, sorted, d.Distinct = describe.OfNumbers(v)
			d.Count = len(sorted)
			spec = histogram(col.Name, sorted)
		}
	case "bool":
		d.Top, d.Count, err = booleans(t, col.Name)
		d.Distinct, spec = len(d.Top), bars(col.Name, d.Top)
	case "date", "timestamp":
		var moments []int64
		if moments, err = valid(t.Int64(col.Name)); err == nil {
			m := describe.OfMoments(moments, momentsOf[col.Type], layouts[col.Type])
			d.Count, d.Distinct, d.Range = m.Count, m.Distinct, m.Range
			spec = bars(col.Name, m.Years)
		}
	default:
		var texts vector.Texts
		if texts, err = t.Texts(col.Name); err == nil {
			d.Top, d.Count, d.Distinct = describe.OfTexts(texts, max(top, barsShown), func(rows []uint32) iter.Seq2[int, []byte] {
				return textsOf(t, col.Name, rows)
			})
			spec = bars(col.Name, d.Top)
		}
	}
	d.Top = d.Top[:min(len(d.Top), top)]
	d.Nulls = t.Rows() - d.Count
	return d, spec, err
}

// valid keeps the values that are not null, where they are.
func valid(values []int64, ok []bool, err error) ([]int64, error) {
	kept := values[:0]
	for i, v := range values {
		if ok[i] {
			kept = append(kept, v)
		}
	}
	return kept, err
}

// textsOf yields the texts in some rows, which are in order, by the rows' numbers in the
// list.
func textsOf(t *sdk.Table, name string, rows []uint32) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		done := 0
		for b := range t.Batches() {
			if done == len(rows) {
				return
			}
			text, _, err := b.Text(name)
			if err != nil {
				return // it was read before: there is no error
			}
			for done < len(rows) && int64(rows[done]) < b.First()+int64(b.Rows()) {
				if !yield(done, text.At(int(int64(rows[done])-b.First()))) {
					return
				}
				done++
			}
		}
	}
}

func booleans(t *sdk.Table, name string) (tops []describe.Top, count int, err error) {
	counts := map[bool]int{}
	for b := range t.Batches() {
		values, valid, err := b.Bools(name)
		if err != nil {
			return nil, 0, err
		}
		for i := range b.Rows() {
			if valid.At(i) {
				count++
				if values.At(i) {
					counts[true]++
				}
			}
		}
	}
	counts[false] = count - counts[true]
	for _, v := range []bool{false, true} {
		if counts[v] > 0 {
			tops = append(tops, describe.Top{Value: v, Count: counts[v]})
		}
	}
	slices.SortStableFunc(tops, func(a, b describe.Top) int { return cmp.Compare(b.Count, a.Count) })
	return tops, count, nil
}

// momentsOf is the time that a value means: dates are days, timestamps microseconds.
var momentsOf = map[string]func(int64) time.Time{
	"date":      func(days int64) time.Time { return time.Unix(days*24*3600, 0).UTC() },
	"timestamp": func(µs int64) time.Time { return time.UnixMicro(µs).UTC() },
}

var layouts = map[string]string{"date": time.DateOnly, "timestamp": "2006-01-02T15:04:05.999999Z"}

// barsShown is how many bars fit a chart.
const barsShown = 20

func bars(name string, tops []describe.Top) chart.Spec {
	if len(tops) == 0 {
		return nil
	}
	type row struct {
		Value string `json:"value"`
		Count int    `json:"count"`
	}
	var rows []row
	for _, top := range tops[:min(len(tops), barsShown)] {
		rows = append(rows, row{fmt.Sprint(top.Value), top.Count})
	}
	x := chart.Field("value", "nominal", name)
	x["sort"] = nil // as they stand
	return chart.New(name, rows).Mark(map[string]any{"type": "bar", "tooltip": true}, map[string]any{
		"x": x,
		"y": chart.Field("count", "quantitative", "rows"),
	})
}

func histogram(name string, sorted []float64) chart.Spec {
	type row struct {
		From  float64 `json:"from"`
		To    float64 `json:"to"`
		Count int     `json:"count"`
	}
	var rows []row
	for _, b := range stats.Histogram(sorted) {
		rows = append(rows, row{b.From, b.To, b.Count})
	}
	if len(rows) == 0 {
		return nil
	}
	x := chart.Field("from", "quantitative", name)
	x["bin"] = map[string]any{"binned": true}
	return chart.New(name, rows).Mark(map[string]any{"type": "bar", "tooltip": true}, map[string]any{
		"x": x, "x2": map[string]any{"field": "to"},
		"y": chart.Field("count", "quantitative", "rows"),
	})
}
