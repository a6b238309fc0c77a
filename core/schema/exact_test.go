package schema

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const anything = `{"type":"object"}`

// A value is as it was given, or as every decoder reads it without a change.
func TestValuesAreExact(t *testing.T) {
	t.Parallel()
	s, err := Compile(json.RawMessage(anything))
	require.NoError(t, err)
	for given, want := range map[string]string{
		`100.0`: `100`, `1e2`: `100`, `1E+2`: `100`, `1.50e1`: `15`, `-2.0`: `-2`, `100e-2`: `1`, `0.0`: `0`, `0e9999999`: `0`, `-0.0`: `-0`,
		`9007199254740993.0`: `9007199254740993`, `9223372036854775807e0`: `9223372036854775807`, `1.8446744073709551615e19`: `18446744073709551615`,
		`1e19`: `10000000000000000000`, `1e20`: `1e20`, `1e300`: `1e300`, `1e-400`: `1e-400`, `1.5`: `1.5`, `15e-1`: `15e-1`,
		`9223372036854775808`: `9223372036854775808`, `[1e2, {"a": 2.0, "1.0": "1e2"}]`: `[100,{"a":2,"1.0":"1e2"}]`,
		`"a\u0000b"`: `"a\u0000b"`, `"\ud83d\ude00 \uD83D\uDE00"`: `"\ud83d\ude00 \uD83D\uDE00"`, `"\\ud800"`: `"\\ud800"`, `"\"\\"`: `"\"\\"`,
	} {
		got, err := s.Fill(json.RawMessage(`{"v":` + given + `}`))
		require.NoError(t, err, given)
		assert.Equal(t, `{"v":`+want+`}`, string(got), given)
	}
}

// What a decoder would change is refused, and named.
func TestValuesThatCannotBeExactAreRefused(t *testing.T) {
	t.Parallel()
	s, err := Compile(json.RawMessage(anything))
	require.NoError(t, err)
	for given, says := range map[string]string{
		`{"v": 1e400}`:                            `v: 1e400 is beyond the range of numbers`,
		`{"v": [-1e1000001]}`:                     `v: -1e1000001 is beyond`,
		`{"v": ` + strings.Repeat("9", 400) + `}`: `beyond the range`,
		`{"v": "\ud800"}`:                         `v: \ud800 is half of a surrogate pair`,
		`{"v": ["a", "\uDC00b"]}`:                 `v: \uDC00 is half`,
		`{"v": "\ud800\ud800"}`:                   `\ud800 is half`,
		`{"v": "\ud800x\udc00"}`:                  `\ud800 is half`,
		`{"v": {"\udfff": 1}}`:                    `v: \udfff is half`,
		`{"\ud800": 1}`:                           `the name is not UTF-8`,
		"{\"v\": \"\xff\"}":                       `v: the text is not UTF-8`,
		`{"v": 1, "v": 2}`:                        `the name "v" is given twice`,
		`{"v": [{"n": 9, "\u006e": 1}]}`:          `the name "n" is given twice`,
	} {
		_, err := s.Fill(json.RawMessage(given))
		require.ErrorContains(t, err, says, given)
		var invalid Invalid
		require.ErrorAs(t, err, &invalid)
	}
}

// For any JSON that is taken, decoding it with exact numbers gives the same before and after.
func TestExactChangesNoValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Custom(func(t *rapid.T) any { return rapid.Float64().Draw(t, "f") })
		text := rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "s") })
		value := rapid.SliceOf(rapid.OneOf(number, text)).Draw(t, "value")
		given, err := json.Marshal(value)
		require.NoError(t, err)
		got, err := exact(given)
		require.NoError(t, err)
		var back []any
		require.NoError(t, json.Unmarshal(got, &back))
		if len(value) > 0 {
			assert.Equal(t, value, back)
		}
	})
}

// Integers are compared with bounds of 64 bits exactly.
func TestBoundsOf64BitsAreExact(t *testing.T) {
	t.Parallel()
	s, err := Compile(json.RawMessage(`{"properties":{"n":{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}}}`))
	require.NoError(t, err)
	for _, n := range []string{"9223372036854775807", "-9223372036854775808", "9223372036854775807.0"} {
		got, err := s.Fill(json.RawMessage(`{"n":` + n + `}`))
		require.NoError(t, err)
		assert.Equal(t, `{"n":`+strings.TrimSuffix(n, ".0")+`}`, string(got))
	}
	for n, says := range map[string]string{
		"9223372036854775808":   "n: maximum: got 9223372036854775808, want 9223372036854775807",
		"-9223372036854775809":  "n: minimum: got -9223372036854775809, want -9223372036854775808",
		"1e19":                  "n: maximum: got 10000000000000000000, want 9223372036854775807",
		"9223372036854775807.5": "n: got number, want integer",
	} {
		_, err := s.Fill(json.RawMessage(`{"n":` + n + `}`))
		require.ErrorContains(t, err, says)
	}
}

// Text of languages where a NUL ends it has none, and that is said in words.
func TestTextWithoutNUL(t *testing.T) {
	t.Parallel()
	s, err := Compile(json.RawMessage(`{"properties":{"text":{"type":"string","pattern":"^[^\u0000]*$"}}}`))
	require.NoError(t, err)
	_, err = s.Fill(json.RawMessage(`{"text":"a\nb\r\n"}`))
	require.NoError(t, err)
	_, err = s.Fill(json.RawMessage(`{"text":"a\u0000b"}`))
	require.ErrorContains(t, err, `text: "a\x00b" has the character U+0000`)
}

// A default that the schema itself refuses is found before a job meets it.
func TestCheckDefaults(t *testing.T) {
	t.Parallel()
	for property, says := range map[string]string{
		`{"type":"string","enum":["no","yes"],"default":"no"}`:     "",
		`{"type":"string","enum":["no","yes"],"default":"\"no\""}`: `p: default "\"no\"": value must be one of 'no', 'yes'`,
		`{"type":"integer","default":"1"}`:                         `p: default "1": got string, want integer`,
		`{"type":"integer","minimum":2,"default":1}`:               `minimum: got 1, want 2`,
		`{"type":"string","default":null}`:                         `got null, want string`,
		`{"type":"array","items":{"type":"string"},"default":[1]}`: `got number, want string`,
		`{"$ref":"#/$defs/short","default":"long"}`:                `maxLength`,
		`{"type":"number","default":1e350}`:                        `beyond the range`,
		`{"default":{"any":"thing"}}`:                              "",
		`{"type":"integer","default":2.0}`:                         "",
	} {
		s, err := Compile(json.RawMessage(`{"type":"object","$defs":{"short":{"type":"string","maxLength":2}},"required":["other"],"properties":{"p":` + property + `,"other":{}}}`))
		require.NoError(t, err)
		err = s.CheckDefaults()
		if says == "" {
			require.NoError(t, err, property)
			continue
		}
		require.ErrorContains(t, err, says, property)
	}
}
