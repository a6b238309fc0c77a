package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
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
		"many_comparisons": {`{"$defs":{"e":{"enum":[` + strings.Repeat("1,", 2000) + `1]}},"allOf":[` + strings.Repeat(`{"$ref":"#/$defs/e"},`, 1000) + `{}]}`, "compared"},
		// A loop at run time, which the references do not show.
		"dynamic_reference": {`{"$id":"http://a/r","$dynamicAnchor":"n","$ref":"inner","$defs":{"inner":{"$id":"inner",` +
			`"properties":{"a":{"allOf":[{"$dynamicRef":"#n"},{"$dynamicRef":"#n"}]}},"$defs":{"leaf":{"$dynamicAnchor":"n"}}}}}`, "$dynamicRef"},
		"recursive_reference": {`{"$schema":"https://json-schema.org/draft/2019-09/schema","properties":{"a":{"$recursiveRef":"#"}}}`, ""},
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
	list := func(n int, of string) string { return "[" + strings.Repeat(of+",", n) + of + "]" }
	numbered := func(n int, format string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(all, ",")
	}
	object := func(n int) string { return "{" + numbered(n, `"n%d":1`) + "}" }
	names := func(n int) string { return "[" + numbered(n, `"n%d"`) + "]" }
	const tooMany = "more values than can be checked"
	for name, c := range map[string]struct{ schema, few, many, says string }{
		"parts_of_elements":     {`{"items":{"anyOf":` + list(500, `{"type":"string"}`) + `}}`, list(100, "1"), list(50_000, "1"), tooMany},
		"values_to_compare":     {`{"items":{"enum":` + list(40_000, "2") + `}}`, list(2, "1"), list(50_000, "1"), tooMany},
		"names_that_are_needed": {`{"items":{"required":` + names(5000) + `}}`, "[]", list(50_000, "{}"), tooMany},
		"names_that_depend":     {`{"items":{"dependentRequired":{"a":` + list(0, `"b"`) + `}}}`, list(10, "{}"), list(400_000, "{}"), tooMany},
		"parts_of_an_object":    {`{"allOf":` + list(2000, `{"additionalProperties":{}}`) + `}`, object(10), object(20_000), tooMany},
		"names_as_values":       {`{"propertyNames":{"allOf":` + list(2000, `{"maxLength":100}`) + `}}`, object(10), object(20_000), tooMany},
		"within_elements": {`{"items":{"properties":{"x":{"items":{"anyOf":` + list(500, `{"type":"string"}`) + `}}}}}`,
			list(2, `{"x":[1]}`), list(10, `{"x":`+list(5000, "1")+`}`), tooMany},
		"unique_lists": {`{"uniqueItems":true}`, list(3, "1"), list(6000, "[]"), tooMany},
		"large_number": {`{}`, "1e9", "[1e-999999]", "400 digits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Compile(json.RawMessage(`{"properties":{"a":` + c.schema + `}}`))
			require.NoError(t, err)
			_, err = s.Fill(json.RawMessage(`{"a":` + c.few + `}`))
			assert.NotContains(t, fmt.Sprint(err), c.says)
			_, err = s.Fill(json.RawMessage(`{"a":` + c.many + `}`))
			assert.ErrorContains(t, err, c.says)
		})
	}
}

// The longest lists that params can have are checked against a simple schema.
func TestLongListsAreChecked(t *testing.T) {
	t.Parallel()
	s, err := Compile(json.RawMessage(`{"properties":{"a":{"type":"array","uniqueItems":true,"items":{"type":"integer","minimum":0}},"b":{"enum":["x","y"]}},"required":["a"]}`))
	require.NoError(t, err)
	var all strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&all, "%d,", i)
	}
	_, err = s.Fill(json.RawMessage(`{"a":[` + all.String() + `40000],"b":"x"}`))
	assert.NoError(t, err)
}

// Errors are bounded, however many values are wrong, and however many the schema allows.
func TestWhatIsSaidOfParamsIsBounded(t *testing.T) {
	t.Parallel()
	s, err := Compile(json.RawMessage(`{"properties":{"a":{"items":{"enum":["` + strings.Repeat("x", 100_000) + `","y"]}},"` + strings.Repeat("n", 100_000) + `":{"type":"string"}}}`))
	require.NoError(t, err)
	_, err = s.Fill(json.RawMessage(`{"a":[` + strings.Repeat("1,", 20_000) + `1],"` + strings.Repeat("n", 100_000) + `":1}`))
	var bad Invalid
	require.ErrorAs(t, err, &bad)
	assert.Len(t, bad, maxViolations)
	for _, v := range bad {
		assert.LessOrEqual(t, len(v.Message), maxMessage+10)
		assert.LessOrEqual(t, len(v.Field), maxField+10)
	}
}

// Texts whose format is regex are checked by any number at once, and those of one do not
// count for another.
func TestPatternsInParamsAreBoundedAlone(t *testing.T) {
	t.Parallel()
	s, err := Compile(json.RawMessage(`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"format":"regex"}}}`))
	require.NoError(t, err)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 30 {
				_, err := s.Fill(json.RawMessage(fmt.Sprintf(`{"a":"%d%d(abcdefgh|ijk){10}"}`, g, i)))
				assert.NoError(t, err)
				_, err = s.Fill(json.RawMessage(`{"a":"(a|bc|d){1000}"}`))
				assert.ErrorContains(t, err, "patterns are too large")
			}
		})
	}
	all.Wait()
}
