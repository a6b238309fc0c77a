package routine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
)

// DefaultTolerance is how far a number of a result may be from an example's, relative
// to the larger of both.
const DefaultTolerance = 1e-9

// Differ says where a result differs from an example's, or nothing. Numbers may differ
// by the tolerance; 0 means the default.
func Differ(want, got json.RawMessage, tolerance float64) string {
	tolerance = cmp.Or(tolerance, DefaultTolerance)
	var w, g any
	if err := decode(want, &w); err != nil {
		return "what is wanted is not JSON: " + err.Error()
	}
	if err := decode(got, &g); err != nil {
		return "it is not JSON: " + err.Error()
	}
	return difference("result", w, g, tolerance)
}

func decode(raw json.RawMessage, into *any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

func difference(path string, want, got any, tolerance float64) string {
	switch w := want.(type) {
	case json.Number:
		if g, ok := got.(json.Number); ok && near(w, g, tolerance) {
			return ""
		}
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			return fieldsDiffer(path, w, g, tolerance)
		}
	case []any:
		if g, ok := got.([]any); ok {
			return itemsDiffer(path, w, g, tolerance)
		}
	default:
		if reflect.DeepEqual(want, got) {
			return ""
		}
	}
	return fmt.Sprintf("%s: want %s, got %s", path, text(want), text(got))
}

func fieldsDiffer(path string, want, got map[string]any, tolerance float64) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, there := got[name]
		if !there {
			return fmt.Sprintf("%s.%s: it is missing: want %s", path, name, text(want[name]))
		}
		if d := difference(path+"."+name, want[name], value, tolerance); d != "" {
			return d
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, wanted := want[name]; !wanted {
			return fmt.Sprintf("%s.%s: the example does not name it: got %s", path, name, text(got[name]))
		}
	}
	return ""
}

func itemsDiffer(path string, want, got []any, tolerance float64) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%s: want %d items, got %d", path, len(want), len(got))
	}
	for i := range want {
		if d := difference(fmt.Sprintf("%s[%d]", path, i), want[i], got[i], tolerance); d != "" {
			return d
		}
	}
	return ""
}

func near(want, got json.Number, tolerance float64) bool {
	if want == got {
		return true
	}
	w, errW := want.Float64()
	g, errG := got.Float64()
	return errW == nil && errG == nil && math.Abs(w-g) <= tolerance*max(math.Abs(w), math.Abs(g))
}

func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
