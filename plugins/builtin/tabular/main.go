// Command tabular is a plugin with analyses of any table.
package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"thresher/core/stats"
	"thresher/plugins/builtin/chart"
	"thresher/plugins/builtin/tabular/describe"
	sdk "thresher/plugins/sdk/go"
	"thresher/plugins/sdk/go/vector"
)

func main() {}

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
		}, run, sdk.In("data", sdk.Title("Any table")))},
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
		var values []bool
		if values, err = valid(t.Bools(col.Name)); err == nil {
			d.Count = len(values)
			d.Top, d.Distinct = booleans(values)
			spec = bars(col.Name, d.Top)
		}
	case "date", "timestamp":
		var values []int64
		if values, err = valid(t.Int64(col.Name)); err == nil {
			d.Count = len(values)
			_, d.Distinct = describe.Counts(values)
			d.Range = rangeOf(values, col.Type)
			spec = bars(col.Name, years(values, col.Type))
		}
	default:
		var values []string
		if values, err = valid(t.Strings(col.Name)); err == nil {
			d.Count = len(values)
			d.Top, d.Distinct = describe.Counts(values)
			spec = bars(col.Name, d.Top)
		}
	}
	d.Top = d.Top[:min(len(d.Top), top)]
	d.Nulls = t.Rows() - d.Count
	return d, spec, err
}

func valid[T any](values []T, ok []bool, err error) ([]T, error) {
	return describe.Valid(values, ok), err
}

func booleans(values []bool) ([]describe.Top, int) {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = fmt.Sprint(v)
	}
	tops, distinct := describe.Counts(names)
	for i := range tops {
		tops[i].Value = tops[i].Value == "true"
	}
	return tops, distinct
}

// moment is the time that a date (days) or a timestamp (microseconds) means.
func moment(v int64, kind string) time.Time {
	if kind == "date" {
		return time.Unix(v*24*3600, 0).UTC()
	}
	return time.UnixMicro(v).UTC()
}

func rangeOf(values []int64, kind string) *describe.Range {
	if len(values) == 0 {
		return nil
	}
	layout := time.DateOnly
	if kind == "timestamp" {
		layout = "2006-01-02T15:04:05.999999Z"
	}
	return &describe.Range{
		Min: moment(slices.Min(values), kind).Format(layout),
		Max: moment(slices.Max(values), kind).Format(layout),
	}
}

// years counts moments by year, in order.
func years(values []int64, kind string) []describe.Top {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = moment(v, kind).Format("2006")
	}
	tops, _ := describe.Counts(texts)
	slices.SortFunc(tops, func(a, b describe.Top) int {
		return cmp.Compare(a.Value.(string), b.Value.(string))
	})
	return tops
}

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
