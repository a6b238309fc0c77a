package sdk

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/schema"
)

type everyKind struct {
	Count  int      `json:"count" default:"10" minimum:"1" maximum:"100" unit:"agents" title:"Count" doc:"How many."`
	Rate   float64  `json:"rate" above:"0"`
	Loud   bool     `json:"loud" default:"true"`
	Colour string   `json:"colour" default:"red" enum:"red,green"`
	Names  []string `json:"names,omitempty"`
}

// What the tags say is what the host enforces: the schema is read back with the
// checker that the server uses.
func TestTheSchemaSaysWhatTheTagsSay(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile(Schema(everyKind{}))
	require.NoError(t, err)
	filled, err := s.Fill(json.RawMessage(`{"rate": 0.5}`))
	require.NoError(t, err)
	assert.JSONEq(t, `{"count": 10, "rate": 0.5, "loud": true, "colour": "red"}`, string(filled))
	for _, bad := range []string{
		`{}`, `{"rate": 0}`, `{"rate": 1, "count": 0}`, `{"rate": 1, "count": 101}`, `{"rate": 1, "count": 1.5}`,
		`{"rate": 1, "loud": 1}`, `{"rate": 1, "colour": "blue"}`, `{"rate": 1, "names": [1]}`, `{"rate": 1, "more": 1}`,
	} {
		_, err := s.Fill(json.RawMessage(bad))
		assert.Error(t, err, bad)
	}
	var doc struct {
		Properties map[string]map[string]any
		Order      []string `json:"x-order"`
	}
	require.NoError(t, json.Unmarshal(Schema(everyKind{}), &doc))
	assert.Equal(t, []string{"count", "rate", "loud", "colour", "names"}, doc.Order, "as declared")
	assert.Equal(t, "agents", doc.Properties["count"]["x-unit"])
	assert.Equal(t, "How many.", doc.Properties["count"]["description"])
}

type everyInteger struct {
	Int     int       `json:"int,omitempty"`
	Int64   int64     `json:"int64,omitempty"`
	Int32   int32     `json:"int32,omitempty"`
	Uint32  uint32    `json:"uint32,omitempty"`
	Uint64  uint64    `json:"uint64,omitempty"`
	List    []int64   `json:"list,omitempty"`
	Lists   [][]int32 `json:"lists,omitempty"`
	Above   int64     `json:"above,omitempty" above:"-5"`
	Bounded int       `json:"bounded,omitempty" minimum:"1" maximum:"9"`
}

// What a field's type cannot hold is refused by the schema; what is taken is decoded
// without a change.
func TestIntegersFitTheirTypes(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile(Schema(everyInteger{}))
	require.NoError(t, err)
	for name, edges := range map[string]struct{ holds, not []string }{
		"int":     {[]string{"-9223372036854775808", "9223372036854775807", "9223372036854775807.0", "1e18"}, []string{"-9223372036854775809", "9223372036854775808", "1e19", "1.5"}},
		"int64":   {[]string{"-9223372036854775808", "9223372036854775807"}, []string{"-9223372036854775809", "9223372036854775808"}},
		"int32":   {[]string{"-2147483648", "2147483647", "2.147483647e9"}, []string{"-2147483649", "2147483648"}},
		"uint32":  {[]string{"0", "4294967295"}, []string{"-1", "4294967296"}},
		"uint64":  {[]string{"0", "18446744073709551615", "18446744073709551615.0"}, []string{"-1", "18446744073709551616", "2e19"}},
		"list":    {[]string{"[9223372036854775807,1e2]"}, []string{"[9223372036854775808]", "[1.5]"}},
		"lists":   {[]string{"[[2147483647],[-1.0]]"}, []string{"[[2147483648]]", "[1]"}},
		"above":   {[]string{"-4"}, []string{"-5", "9223372036854775808"}},
		"bounded": {[]string{"9"}, []string{"0", "10"}},
	} {
		for _, value := range edges.holds {
			filled, err := s.Fill(json.RawMessage(`{"` + name + `":` + value + `}`))
			require.NoError(t, err, "%s %s", name, value)
			var back everyInteger
			assert.NoError(t, json.Unmarshal(filled, &back), "%s", filled)
		}
		for _, value := range edges.not {
			_, err := s.Fill(json.RawMessage(`{"` + name + `":` + value + `}`))
			assert.Error(t, err, "%s %s", name, value)
		}
	}
}

// A wrong declaration fails at once, at the plugin's start, and not at a user's.
func TestAWrongDeclarationPanics(t *testing.T) {
	t.Parallel()
	for name, params := range map[string]any{
		"no_struct":   1,
		"no_json_tag": struct{ A int }{},
		"a_map": struct {
			A map[string]int `json:"a"`
		}{},
		"a_wrong_default": struct {
			A int `json:"a" default:"many"`
		}{},
		"a_default_beyond_its_type": struct {
			A int32 `json:"a" default:"2147483648"`
		}{},
		"a_fraction_for_an_integer": struct {
			A int `json:"a" maximum:"1.5"`
		}{},
		"a_struct_in_slice": struct {
			A []struct{} `json:"a"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Panics(t, func() { Schema(params) })
		})
	}
}

func TestTheManifestIsTheDeclaration(t *testing.T) {
	t.Parallel()
	p := Plugin{Name: "p", Version: "1.2.3", Summary: "s", License: "MIT", Routines: []Routine{
		Analysis("a", Doc{Title: "A"}, func(*Call, struct{}) (any, error) { return nil, nil },
			In("data", Title("Data"), Optional(), MinRows(3), Require("x", "number"))),
		Simulation("s", Doc{Title: "S", Summary: "more"}, func(*Call, everyKind) (Stepper, error) { return nil, nil }, Out("steps", "Steps")),
	}}
	got, err := json.Marshal(p.Manifest())
	require.NoError(t, err)
	var m struct{ Routines []map[string]any }
	require.NoError(t, json.Unmarshal(got, &m))
	assert.Equal(t, "analysis", m.Routines[0]["kind"])
	assert.Equal(t, []any{map[string]any{
		"name": "data", "title": "Data", "optional": true, "min_rows": 3.0,
		"columns": []any{map[string]any{"name": "x", "type": "number"}},
	}}, m.Routines[0]["inputs"])
	assert.Equal(t, "simulation", m.Routines[1]["kind"])
	assert.Equal(t, []any{map[string]any{"name": "steps", "title": "Steps"}}, m.Routines[1]["outputs"])
}
