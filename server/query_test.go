package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server/api"
	"thresher/server/problem"
	"thresher/server/servertest"
)

// queryParam is a parameter as the OpenAPI document has it.
type queryParam struct {
	Name, In string
	Explode  *bool
	Schema   struct {
		Type   any // a name, or a list with null
		Format string
		Enum   []any
	}
}

// list reports whether it may be given more than once.
func (p queryParam) list() bool {
	kinds, _ := json.Marshal(p.Schema.Type) // it was decoded from JSON
	return strings.Contains(string(kinds), "array") && (p.Explode == nil || *p.Explode)
}

// sample is a value that the parameter may have.
func (p queryParam) sample() string {
	switch {
	case len(p.Schema.Enum) > 0:
		return p.Schema.Enum[0].(string)
	case p.Name == "wait":
		return "1ms"
	case p.Name == "label":
		return "a=b"
	case p.Name == "phase":
		return "failed"
	case p.Schema.Format == "date-time":
		return "2026-01-31T13:00:00Z"
	case p.Schema.Type == "integer":
		return "1"
	case p.Schema.Type == "boolean":
		return "true"
	case p.Name == "params":
		return "{}"
	}
	return "x"
}

// Nothing of a query is ignored, on any route of the document: one that it does not have,
// or one that is given twice, is refused, and all that it has are taken.
func TestEveryRouteTakesTheQueryOfTheDocumentAndNoOther(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	raw, err := api.Document("test")
	require.NoError(t, err)
	var document struct {
		Paths map[string]map[string]struct{ Parameters []queryParam }
	}
	require.NoError(t, json.Unmarshal(raw, &document))
	segment := regexp.MustCompile(`\{\w+\}`)
	taken := 0
	for path, methods := range document.Paths {
		path = segment.ReplaceAllString(path, "x")
		for method, op := range methods {
			method, at := strings.ToUpper(method), s.URL+path
			for _, same := range []string{at, at + "/", s.URL + strings.ToUpper(path)} {
				field, message := refusedQuery(t, method, same+"?nope=1")
				assert.Equal(t, "query.nope", field, "%s %s", method, same)
				assert.Contains(t, message, "unknown query parameter: this route takes ", "%s %s", method, same)
			}
			for _, p := range op.Parameters {
				if p.In == "query" {
					taken++
					checkTaken(t, method, at, p)
				}
			}
		}
	}
	assert.Greater(t, taken, 50)
}

// checkTaken checks that a route takes a parameter: as often as the document says.
func checkTaken(t *testing.T, method, at string, p queryParam) {
	t.Helper()
	_, message := refusedQuery(t, method, at+"?nope=1")
	assert.Contains(t, message, p.Name, "%s %s", method, at)
	once := url.QueryEscape(p.Name) + "=" + url.QueryEscape(p.sample())
	field, message := refusedQuery(t, method, at+"?"+once+"&"+once)
	if p.list() {
		assert.NotEqual(t, "query."+p.Name, field, "%s %s: %s", method, at, message)
	} else {
		assert.Equal(t, "query."+p.Name, field, "%s %s", method, at)
		assert.Contains(t, message, "given 2 times", "%s %s", method, at)
	}
	switch p.Name { // what it is not taken without
	case "params":
		once += "&name=x&importer=a/b"
	case "format":
		once += "&name=x"
	}
	field, message = refusedQuery(t, method, at+"?"+once)
	assert.NotEqual(t, "query."+p.Name, field, "%s %s: %s", method, at, message)
}

// refusedQuery sends a request, and returns the first field that is refused and why, if
// one is.
func refusedQuery(t *testing.T, method, url string) (field, message string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnprocessableEntity {
		return "", "" // a stream's body would not end
	}
	var p problem.Problem
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&p))
	if p.Code != "invalid" {
		return "", ""
	}
	require.NotEmpty(t, p.Errors)
	return p.Errors[0].Field, p.Errors[0].Message
}

// What was asked for in a query is refused where it is not understood: it would be
// answered as something else.
func TestQueriesOfContentAreReadOrRefused(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	require.Equal(t, 201, request(t, "POST", s.URL+"/api/v1/datasets?name=d", "a\n1\n", "Content-Type", "text/csv").status)
	for _, c := range []struct{ method, path, field, message string }{
		{"GET", "/datasets/d/tables/data?format=csv&limit=2", "query.format", "unknown query parameter: this route takes from, to"},
		{"HEAD", "/datasets/d/tables/data?format=csv", "", ""},
		{"GET", "/datasets/d/tables/data?form=1", "query.form", "unknown query parameter: this route takes from, to; did you mean from?"},
		{"GET", "/datasets/d/tables/data?from=two", "query.from", `"two": want the number of a row, from 0`},
		{"GET", "/datasets/d/tables/data?from=-1", "query.from", `"-1": want the number of a row, from 0`},
		{"GET", "/datasets/d/tables/data?to=99999999999999999999", "query.to", `"99999999999999999999": want the number of a row, from 0`},
		{"GET", "/datasets/d/tables/data?from=3&to=2", "query.to", "2: want from, which is 3, or more"},
		{"GET", "/jobs/x/logs?attempt=0", "query.attempt", `"0": want the number of an attempt, from 1`},
		{"GET", "/jobs/x/logs?attempts=1", "query.attempts", "unknown query parameter: this route takes attempt; did you mean attempt?"},
		{"GET", "/jobs/x/result?from=1", "query.from", "unknown query parameter: this route takes none"},
		{"GET", "/verify?quick=1", "query.quick", "unknown query parameter: this route takes none"},
		{"GET", "/backup?skip_damaged=perhaps", "query.skip_damaged", `"perhaps": want true or false`},
		{"GET", "/backup?skip-damaged=true", "query.skip-damaged", "unknown query parameter: this route takes skip_damaged; did you mean skip_damaged?"},
		{"POST", "/plugins?activat=false", "query.activat", "unknown query parameter: this route takes activate, by, tenant, wait; did you mean activate?"},
		{"POST", "/plugins?activate=off", "query.activate", `"off": want true or false`},
		{"POST", "/plugins?wait=long", "query.wait", `"long": want a duration such as 30s`},
		{"POST", "/datasets?name=e&format=xls", "query.format", `"xls": want csv, json, ndjson or arrow`},
		{"POST", "/datasets?name=e&format=csv&params={}", "query.params", "is only for an importer: add importer=PLUGIN/ROUTINE, or leave it out"},
		{"POST", "/datasets?name=e&format=csv&tenant=a", "query.tenant", "is only for an importer: add importer=PLUGIN/ROUTINE, or leave it out"},
		{"POST", "/datasets?name=e&format=csv&importer=formats/tsv", "query.format", "the importer reads the file: want format or importer, not both"},
		{"GET", "/jobs?phase=failed&phase=stopped", "query.phase", "given 2 times: want it once, with commas between its values"},
	} {
		a := request(t, c.method, s.URL+"/api/v1"+c.path, "")
		assert.Equal(t, 422, a.status, c.path)
		if c.method == "HEAD" {
			continue
		}
		var p problem.Problem
		require.NoError(t, json.Unmarshal([]byte(a.body), &p), a.body)
		require.NotEmpty(t, p.Errors, a.body)
		assert.Equal(t, problem.FieldError{Field: c.field, Message: c.message}, p.Errors[0], c.path)
	}
}

// Bodies that are not sent as JSON are refused with a word on how to send them.
func TestEveryRouteThatTakesJSONNamesItsContentType(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	raw, err := api.Document("test")
	require.NoError(t, err)
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody struct{ Content map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &document))
	checked := 0
	for path, methods := range document.Paths {
		for method, op := range methods {
			if media := op.RequestBody.Content; len(media) != 1 || media["application/json"] == nil {
				continue
			}
			checked++
			at := s.URL + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x")
			for _, media := range []string{"application/x-www-form-urlencoded", "text/plain; charset=utf-8", "nonsense"} {
				a := request(t, strings.ToUpper(method), at, `{}`, "Content-Type", media)
				assert.Equal(t, 415, a.status, "%s %s", method, path)
				assert.Contains(t, a.body, `"code":"media_type"`)
				assert.Contains(t, a.body, `the Content-Type is \"`+media+`\": want application/json`)
			}
			for _, media := range []string{"", "application/json; charset=utf-8"} {
				a := request(t, strings.ToUpper(method), at, `{"nope":1}`, "Content-Type", media)
				assert.NotEqual(t, 415, a.status, "%s %s as %q: %s", method, path, media, a.body)
			}
		}
	}
	assert.Greater(t, checked, 5)
}
