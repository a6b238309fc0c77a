package jsontext

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTextThatWouldChangeIsFound(t *testing.T) {
	t.Parallel()
	for value, at := range map[string]int{
		`"\ud800"`:                        1,
		`"\uDFFF"`:                        1,
		`{"a":["\ud83d\ude00","\ude00"]}`: 22,
		`"\ud83d\ud83d\ude00"`:            1,
		`"\\\ud800"`:                      3,
		"{\"a\xff\":1}":                   3,
	} {
		var changed *Changed
		require.ErrorAs(t, Check([]byte(value)), &changed, value)
		assert.Equal(t, at, changed.Offset, value)
	}
	for _, value := range []string{`"\ud83d\ude00"`, `"\\ud800"`, `"\u0000 \n \" �"`, `{"\uD83D\uDE00":[1,null]}`, `1`} {
		assert.NoError(t, Check([]byte(value)), value)
	}
}

// What passes is decoded without a replacement character that was not there.
func TestWhatPassesIsDecodedWhole(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{`\ud800`, `\uDBFF`, `\udc00`, `\uDFff`, `\u0041`, `\\`, `\"`, `u`, `d8`, "é", "\xff"})
	rapid.Check(t, func(t *rapid.T) {
		value := `"`
		for _, p := range rapid.SliceOfN(part, 0, 6).Draw(t, "parts") {
			value += p
		}
		value += `"`
		var text string
		require.NoError(t, json.Unmarshal([]byte(value), &text))
		replaced := false
		for _, r := range text {
			replaced = replaced || r == utf8.RuneError
		}
		assert.Equal(t, replaced, Check([]byte(value)) != nil, value)
	})
}
