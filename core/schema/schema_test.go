package schema_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/schema"
)

const agents = `{
	"type": "object", "required": ["name"], "additionalProperties": false,
	"properties": {
		"name": {"type": "string"},
		"population": {"type": "integer", "default": 1000, "minimum": 1},
		"rates": {"type": "array", "items": {"type": "number", "maximum": 1}}
	}
}`

func compile(t *testing.T, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile(json.RawMessage(text))
	require.NoError(t, err)
	return s
}

func TestDefaultsFillWhatIsAbsentOnly(t *testing.T) {
	t.Parallel()
	s := compile(t, agents)
	for params, want := range map[string]string{
		`{"name": "a"}`:                     `{"name":"a","population":1000}`,
		`{"population": 5, "name": "a"}`:    `{"name":"a","population":5}`,
		"\n{\"name\": \"a\", \"rates\":[]}": `{"name":"a","population":1000,"rates":[]}`,
	} {
		got, err := s.Fill(json.RawMessage(params))
		require.NoError(t, err, params)
		assert.Equal(t, want, string(got), "keys are sorted: the cache knows params by their bytes")
	}
}

// What is an integer to JSON Schema is written as one: guests decode it into an int.
func TestWholeNumbersAreWrittenAsIntegers(t *testing.T) {
	t.Parallel()
	s := compile(t, agents)
	for _, number := range []string{"2000", "2000.0", "2e3", "0.2E4"} {
		got, err := s.Fill(json.RawMessage(`{"name": "a", "population": ` + number + `}`))
		require.NoError(t, err, number)
		assert.Equal(t, `{"name":"a","population":2000}`, string(got), number)
	}
	exact, err := s.Fill(json.RawMessage(`{"name": "1.0e3", "population": 9007199254740993}`))
	require.NoError(t, err)
	assert.Equal(t, `{"name":"1.0e3","population":9007199254740993}`, string(exact), "text and large integers are left alone")
}

func TestEveryViolationIsNamedWithItsField(t *testing.T) {
	t.Parallel()
	s := compile(t, agents)
	for params, want := range map[string]string{
		`{}`:                              "missing property 'name'",
		`{"name": 1}`:                     "name: got number, want string",
		`{"name": "a", "population": 0}`:  "population: minimum: got 0, want 1",
		`{"name": "a", "rates": [0.5,2]}`: "rates/1: maximum: got 2, want 1",
		`{"name": "a", "colour": "red"}`:  `there is no "colour": there are name, population, rates`,
		`{"name": "a", "population":1.5}`: "population: got number, want integer",
		`[1]`:                             "want a JSON object",
		`{"name"`:                         "want a JSON object",
	} {
		_, err := s.Fill(json.RawMessage(params))
		var invalid schema.Invalid
		require.True(t, errors.As(err, &invalid), "%s: %v", params, err)
		assert.Equal(t, want, err.Error(), params)
	}
	_, err := s.Fill(json.RawMessage(`{"name": 1, "population": 0}`))
	var invalid schema.Invalid
	require.True(t, errors.As(err, &invalid))
	assert.Len(t, invalid, 2, "all of them at once")
}

func TestNoParamsAreAnEmptyObject(t *testing.T) {
	t.Parallel()
	s := compile(t, "")
	for _, params := range []string{"", " ", "{}", "null"} {
		got, err := s.Fill(json.RawMessage(params))
		require.NoError(t, err, "%q", params)
		assert.Equal(t, "{}", string(got), "%q", params)
	}
	_, err := s.Fill(json.RawMessage(`{"a": 1}`))
	assert.Error(t, err, "a routine without a schema takes no params")
}

// A schema comes from a plugin: it must not make the host read anything.
func TestASchemaReadsNothing(t *testing.T) {
	t.Parallel()
	asked := false
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked = true
		_, _ = w.Write([]byte(`{"type": "string"}`)) // the client may be gone
	}))
	defer web.Close()
	file := filepath.Join(t.TempDir(), "other.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"type": "string"}`), 0o600))
	for _, ref := range []string{web.URL + "/other.json", "file://" + file, "other.json"} {
		_, err := schema.Compile(json.RawMessage(`{"type": "object", "properties": {"a": {"$ref": "` + ref + `"}}}`))
		require.ErrorContains(t, err, "a schema must be self-contained", ref)
	}
	assert.False(t, asked)
	_, err := schema.Compile(json.RawMessage(`{"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}`))
	assert.NoError(t, err, "a reference into itself is fine")
}

func TestWhatIsNoSchemaIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{`, `[]`, `1`, `{"type": "nonsense"}`, `{"properties": 1}`, `{"properties": {"a": {"pattern": "("}}}`} {
		_, err := schema.Compile(json.RawMessage(text))
		assert.ErrorContains(t, err, "schema", text)
	}
}
