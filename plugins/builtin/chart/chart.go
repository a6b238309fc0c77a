// Package chart writes Vega-Lite specifications for the plugins that ship. They
// carry their data, and leave colours and fonts to the page that shows them.
package chart

import "thresher/plugins/sdk/go/vector"

// Spec is a Vega-Lite specification.
type Spec map[string]any

const schemaURL = "https://vega.github.io/schema/vega-lite/v6.json"

// New returns a specification with a title over inline data: objects, one a row.
func New(title string, data any) Spec {
	return Spec{
		"$schema": schemaURL,
		"title":   title,
		"width":   "container",
		"height":  260,
		"data":    map[string]any{"values": data},
	}
}

// Mark sets the mark and the encoding.
func (s Spec) Mark(mark any, encoding map[string]any) Spec {
	s["mark"], s["encoding"] = mark, encoding
	return s
}

// Field encodes a field of the data.
func Field(name, kind, title string) map[string]any {
	return map[string]any{"field": name, "type": kind, "title": title}
}

// Lines draws a line for each series over the steps of a simulation. The data are
// objects with step, series and value.
func Lines(title, value string, data any) Spec {
	return New(title, data).Mark(map[string]any{"type": "line", "tooltip": true}, map[string]any{
		"x":     Field("step", "quantitative", "step"),
		"y":     Field("value", "quantitative", value),
		"color": Field("series", "nominal", ""),
	})
}

// Point is one value of a series.
type Point struct {
	Step   float64 `json:"step"`
	Series string  `json:"series"`
	Value  float64 `json:"value"`
}

// maxPoints is how many points a series shows: more than a screen has columns
// costs time and shows nothing.
const maxPoints = 500

// Thin reads of a column what can be seen of it in a chart, and its last value.
func Thin(column vector.Numbers) []float64 {
	rows := column.Len()
	every := (rows + maxPoints - 1) / maxPoints
	var values []float64
	var value [1]float64
	for i := 0; i < rows; i += every {
		vector.Floats(column, i, value[:])
		values = append(values, value[0])
	}
	if rows > 0 && (rows-1)%every != 0 {
		vector.Floats(column, rows-1, value[:])
		values = append(values, value[0])
	}
	return values
}

// Series is a series of thinned columns.
func Series(name string, steps, values []float64) []Point {
	points := make([]Point, len(values))
	for i, v := range values {
		points[i] = Point{steps[i], name, v}
	}
	return points
}
