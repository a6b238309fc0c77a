package main

import (
	"fmt"
	"math"

	sdk "thresher/plugins/sdk/go"
	"thresher/plugins/sdk/go/vector"
)

// described is what is found of a column. A number that is not one is null.
type described struct {
	Name   string   `json:"name"`
	Count  int      `json:"count"`
	Nulls  int      `json:"nulls"`
	Mean   *float64 `json:"mean"`
	Std    *float64 `json:"std"`
	Min    *float64 `json:"min"`
	Q25    *float64 `json:"q25"`
	Median *float64 `json:"median"`
	Q75    *float64 `json:"q75"`
	Max    *float64 `json:"max"`
}

func describe(c *sdk.Call, _ struct{}) (any, error) {
	data, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	out := c.Output("summary", sdk.StringCol("name"), sdk.Int64Col("count"), sdk.Int64Col("nulls"), sdk.Float64Col("mean"),
		sdk.Float64Col("std"), sdk.Float64Col("min"), sdk.Float64Col("q25"), sdk.Float64Col("median"), sdk.Float64Col("q75"), sdk.Float64Col("max"))
	columns := []described{}
	for i, col := range data.Columns() {
		if col.Type != "int64" && col.Type != "float64" {
			continue
		}
		v, err := data.Vector(col.Name)
		if err != nil {
			return nil, err
		}
		mean, variance, n := vector.Variance(v, 1)
		q := vector.Quantiles(v, 0, 0.25, 0.5, 0.75, 1)
		numbers := []float64{mean, math.Sqrt(variance), q[0], q[1], q[2], q[3], q[4]}
		row := []any{col.Name, n, data.Rows() - n}
		d := described{Name: col.Name, Count: n, Nulls: data.Rows() - n}
		for i, field := range []**float64{&d.Mean, &d.Std, &d.Min, &d.Q25, &d.Median, &d.Q75, &d.Max} {
			if math.IsNaN(numbers[i]) {
				row = append(row, nil)
				continue
			}
			row = append(row, numbers[i])
			if !math.IsInf(numbers[i], 0) { // JSON has no word for it
				*field = &numbers[i]
			}
		}
		if err := out.Append(row...); err != nil {
			return nil, err
		}
		columns = append(columns, d)
		c.Progress(float64(i+1)/float64(len(data.Columns())), col.Name)
	}
	c.Logf("%d of %d columns have numbers", len(columns), len(data.Columns()))
	return struct {
		Rows    int         `json:"rows"`
		Columns []described `json:"columns"`
	}{data.Rows(), columns}, nil
}

type histogramParams struct {
	Column string `json:"column" title:"Column" doc:"A column of numbers."`
	Bins   int    `json:"bins" default:"10" minimum:"1" maximum:"1000" unit:"bins" title:"Bins"`
}

type counted struct {
	Edges  []float64 `json:"edges"`
	Counts []int64   `json:"counts"`
}

func histogram(c *sdk.Call, p histogramParams) (any, error) {
	data, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	v, err := data.Vector(p.Column)
	if err != nil {
		return nil, err
	}
	if _, _, n := vector.Variance(v, 0); n == 0 {
		return counted{[]float64{}, []int64{}}, nil
	}
	limits := vector.Quantiles(v, 0, 1)
	low, high := limits[0], limits[1]
	if math.IsNaN(low) || math.IsInf(low, 0) || math.IsInf(high, 0) {
		return nil, fmt.Errorf("column %q has values that are not finite", p.Column)
	}
	if low == high { // a bin needs a width
		around := max(math.Abs(low)/1048576, 0.5)
		low, high = low-around, high+around
	}
	h := counted{Counts: vector.Histogram(v, low, high, p.Bins)}
	for i := range p.Bins + 1 {
		share := float64(i) / float64(p.Bins)
		h.Edges = append(h.Edges, low*(1-share)+high*share)
	}
	type bar struct {
		From  float64 `json:"from"`
		To    float64 `json:"to"`
		Count int64   `json:"count"`
	}
	var bars []bar
	for i, n := range h.Counts {
		bars = append(bars, bar{h.Edges[i], h.Edges[i+1], n})
	}
	type object = map[string]any
	return h, c.Chart("histogram", object{
		"$schema": "https://vega.github.io/schema/vega-lite/v6.json",
		"title":   p.Column,
		"width":   "container",
		"height":  260,
		"data":    object{"values": bars},
		"mark":    object{"type": "bar", "tooltip": true},
		"encoding": object{
			"x":  object{"field": "from", "type": "quantitative", "title": p.Column, "bin": object{"binned": true}},
			"x2": object{"field": "to"},
			"y":  object{"field": "count", "type": "quantitative", "title": "rows"},
		},
	})
}
