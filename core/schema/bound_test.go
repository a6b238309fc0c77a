package schema

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSchemasThatCostTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ schema, says string }{
		"refers_to_itself": {`{"properties":{"a":{"$ref":"#"}}}`, "parts"},
		"large_pattern":    {`{"pattern":"(a|bc|d){1000}"}`, "patterns are too large"},
		"long_pattern":     {`{"pattern":"` + strings.Repeat("a", 1025) + `"}`, "the limit is 1024"},
		"large_number":     {`{"multipleOf":1e-401}`, "a number of more than 400 digits"},
		"long_number":      {`{"const":` + strings.Repeat("1", 401) + `}`, "a number of more than 400 digits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Compile(json.RawMessage(c.schema))
			assert.ErrorContains(t, err, c.says)
		})
	}
	s, err := Compile(json.RawMessage(`{"$defs":{"n":{"pattern":"^[a-z]{1,64}$"}},"properties":{"a":{"$ref":"#/$defs/n"},"b":{"$ref":"#/$defs/n"}}}`))
	require.NoError(t, err, "references are no fault")
	_, err = s.Fill(json.RawMessage(`{"a":"x","b":"y"}`))
	assert.NoError(t, err)
}

func TestParamsThatCostTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	s, err := Compile(json.RawMessage(`{"properties":{"a":{"type":"array","items":{"anyOf":[` + strings.Repeat(`{"type":"string"},`, 500) + `{}]}}}}`))
	require.NoError(t, err)
	list := func(n int) json.RawMessage {
		return json.RawMessage(`{"a":[` + strings.Repeat("1,", n) + `1]}`)
	}
	_, err = s.Fill(list(100))
	assert.NoError(t, err)
	_, err = s.Fill(list(50_000))
	assert.ErrorContains(t, err, "more values than can be checked")
	_, err = s.Fill(json.RawMessage(`{"a":[1e999999]}`))
	assert.ErrorContains(t, err, "400 digits")
}
