package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
)

// answer is all that a result says, by the path to it.
type answer map[string]any

func answerOf(text []byte) (answer, error) {
	var result any
	if err := json.Unmarshal(text, &result); err != nil {
		return nil, err
	}
	a := answer{}
	a.add("", result)
	return a, nil
}

// add takes apart what JSON holds. In a list of columns the path is by name.
func (a answer) add(at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			a.add(at+"/"+key, value)
		}
	case []any:
		for i, value := range v {
			key := fmt.Sprint(i)
			if m, ok := value.(map[string]any); ok && m["name"] != nil {
				key = fmt.Sprint(m["name"])
			}
			a.add(at+"/"+key, value)
		}
	default:
		a[at] = v
	}
}

// tolerance is how far two numbers may be apart, in relation to them.
const tolerance = 1e-9

// same reports where an answer does not say what another one does. It may say more.
func same(got, want answer) error {
	for _, at := range slices.Sorted(maps.Keys(want)) {
		w, isNumber := want[at].(float64)
		g, ok := got[at].(float64)
		switch {
		case isNumber && (!ok || math.Abs(g-w) > tolerance*math.Abs(w)+1e-12):
			return fmt.Errorf("%s: %v and %v", at, got[at], want[at])
		case !isNumber && got[at] != want[at]:
			return fmt.Errorf("%s: %v and %v", at, got[at], want[at])
		}
	}
	return nil
}
