package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// showCharts draws the charts that a run left in a folder, as bars of text: the first
// rows, by the chart's y. A page draws them as they are.
func showCharts(w io.Writer, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.vl.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%s\n%s", file, bars(text))
	}
	return nil
}

// Bounds of a chart in text.
const (
	barRows  = 24
	barWidth = 40
)

// bars draws a chart that carries its data and has an x and a y; of another it draws
// nothing.
func bars(spec []byte) string {
	var chart struct {
		Data     struct{ Values []map[string]any }
		Encoding map[string]json.RawMessage
	}
	if json.Unmarshal(spec, &chart) != nil {
		return ""
	}
	x, y := fieldOf(chart.Encoding["x"]), fieldOf(chart.Encoding["y"])
	rows := chart.Data.Values
	rows = rows[:min(len(rows), barRows)]
	most := 0.0
	for _, row := range rows {
		v, _ := row[y].(float64)
		most = max(most, math.Abs(v))
	}
	var b strings.Builder
	for _, row := range rows {
		v, isNumber := row[y].(float64)
		if !isNumber {
			continue
		}
		length := 0
		if most > 0 {
			length = int(math.Abs(v) / most * barWidth)
		}
		fmt.Fprintf(&b, "%14.14s %s %g\n", label(row[x]), strings.Repeat("█", length), v)
	}
	return b.String()
}

func label(v any) string {
	if number, ok := v.(float64); ok {
		return fmt.Sprintf("%.4g", number)
	}
	return fmt.Sprint(v)
}

// fieldOf is the field that a channel shows.
func fieldOf(channel json.RawMessage) string {
	var c struct{ Field string }
	_ = json.Unmarshal(channel, &c) // a channel can be a list, and has no field then
	return c.Field
}
