package jsontext

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestANameThatIsGivenTwiceIsFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":1,"a":2}`:                  "a",
		`{"b":{"a":1,"c":2,"a":1}}`:      "a",
		`[0,[{}],{"x":[{"a":1,"a":1}]}]`: "a",
		`{"a":1,"\u0061":2}`:             "a",
		`{"":1,"":2}`:                    "",
		`{"a":{"a":[{"a":1}]},"a":3}`:    "a",
	} {
		require.True(t, json.Valid([]byte(text)), text)
		name, found := Twice([]byte(text))
		assert.True(t, found, text)
		assert.Equal(t, want, name, text)
	}
	for _, text := range []string{
		`null`, `"a"`, `1e999`, `{}`, `[]`, `{"a":{"a":[{"a":1},{"a":1}]},"b":{"a":1},"A":0}`, `["a","a"]`, `{"a":"b","b":"a"}`,
	} {
		name, found := Twice([]byte(text))
		assert.False(t, found, "%s: %s", text, name)
	}
}
