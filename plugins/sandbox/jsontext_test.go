package sandbox

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var jsonTexts = []string{
	``, ` `, `1`, `-0`, `01`, `-`, `1.`, `1.5e+3`, `1e`, `1E-7`, `.5`, `+1`, `1ee1`, `1eE1`, `1-`, `--1`, `00`, `-01`, `0.0.0`,
	`"a"`, `"`, `"\u00e9\n"`, `"\u00g0"`, `"\x"`, `"\`, `"\u12`, "\"\x01\"", "\"\x7f\xff\"", `"a" "b"`,
	`true`, `tru`, `truer`, `false`, `null`, `nul`, `nulll`, `nan`,
	`[]`, `[`, `]`, `[1`, `[1,]`, `[,1]`, `[1,2]`, `[1 2]`, `[1}`, `[[],[[]],{}]`, `[]]`, " [ 1 ,\t2 ]\r\n",
	`{}`, `{`, `{"a":1}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{1:1}`, `{"a":1,"b":[{"c":null}]}`, `{"a":1]`, `{"a" : 1 , "b" : 2}`, `{,}`, `{"a"::1}`,
	"\xef\xbb\xbf1", "1\x00", "\x00", "{\"a\":1}\x00",
}

// What is JSON here is what it is for encoding/json, however deep and long it is.
func TestJSONIsWhatTheLibrarySaysItIs(t *testing.T) {
	t.Parallel()
	texts := jsonTexts
	for _, deep := range []int{jsonNesting - 1, jsonNesting, jsonNesting + 1} {
		texts = append(texts, strings.Repeat("[", deep)+strings.Repeat("]", deep), strings.Repeat(`{"a":`, deep)+"1"+strings.Repeat("}", deep),
			strings.Repeat("[", deep)+"1"+strings.Repeat("]", deep), strings.Repeat("[", deep))
	}
	for _, text := range texts {
		assert.Equal(t, json.Valid([]byte(text)), isJSON([]byte(text), func(int) {}), "%.40q", text)
	}
}

// It is paid for all along, whatever the text is of.
func TestReadingJSONIsPaidPartByPart(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`"` + strings.Repeat("a", 1<<20) + `"`, strings.Repeat("1", 1<<20), strings.Repeat(" ", 1<<20) + "1",
		"[" + strings.Repeat("[],", 1<<18) + "0]", `"` + strings.Repeat(`\u0000`, 1<<18) + `"`, "[" + strings.Repeat("null,", 1<<18) + "0]",
	} {
		paid := 0
		assert.True(t, isJSON([]byte(text), func(next int) {
			assert.LessOrEqual(t, next, partBytes)
			paid += next
		}))
		assert.Equal(t, len(text), paid, "%.20q", text)
	}
}

func FuzzJSON(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		assert.Equal(t, json.Valid(text), isJSON(text, func(int) {}))
	})
}
