package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server/problem"
	"thresher/server/servertest"
)

// encoded encodes every byte of a path but its slashes, though none needs it.
func encoded(path string) string {
	var out strings.Builder
	for i, b := range []byte(path) {
		switch {
		case b == '/':
			out.WriteByte(b)
		case i%2 == 0:
			fmt.Fprintf(&out, "%%%02x", b)
		default:
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

// rawly sends a request with a path as it is, which net/http's client may not.
func rawly(t *testing.T, server, method, path string) answer {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, path)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func TestAPathIsWhatItsPercentEncodingStandsFor(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{}, hostile)
	s.Sample(t, "own", "agentfarm-population.csv")
	done, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	require.NotEmpty(t, done.Outcome.Artifacts)
	job := "/api/v1/jobs/" + done.ID
	paths := []string{
		"/healthz", "/openapi.json", "/", "/docs/errors", "/ui/main.js", "/api/simulations", "/api/v1/limits",
		"/api/v1/datasets", "/api/v1/datasets/own", "/api/v1/datasets/own/tables/data", "/api/v1/plugins/models",
		"/api/v1/plugins/models/versions/" + done.Spec.Version, "/api/v1/routines/models/sir", "/api/v1/bulk/none", "/api/v1/nowhere",
		job, job + "/result", job + "/logs", job + "/tables", job + "/artifacts/" + done.Outcome.Artifacts[0].Name,
	}
	for _, table := range done.Outcome.Tables {
		paths = append(paths, job+"/tables/"+table.Name)
	}
	for _, path := range paths {
		plain, same := rawly(t, s.URL, "GET", path), rawly(t, s.URL, "GET", encoded(path))
		assert.Equal(t, plain.status, same.status, path)
		assert.Equal(t, plain.header.Get("Content-Type"), same.header.Get("Content-Type"), path)
		if plain.status == http.StatusOK {
			assert.Equal(t, plain.body, same.body, path)
		}
	}
	assert.Equal(t, http.StatusOK, rawly(t, s.URL, "HEAD", encoded("/api/v1/datasets/own")).status)
	assert.Equal(t, http.StatusMethodNotAllowed, rawly(t, s.URL, "PUT", encoded("/api/v1/jobs")).status)
	assert.Equal(t, http.StatusMethodNotAllowed, rawly(t, s.URL, "PUT", encoded("/api/simulations")).status)
	assert.Equal(t, http.StatusNoContent, rawly(t, s.URL, "DELETE", encoded("/api/v1/datasets/own")).status)
}

func TestAPathThatIsNotWellEncodedGetsAProblemOrLeadsNowhere(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{}, hostile)
	s.Sample(t, "own", "agentfarm-population.csv")
	for name, c := range map[string]struct {
		path       string
		status     int
		code, says string
	}{
		"no_digits":            {"/api/v1/datasets/%", 400, "bad_request", "hexadecimal digits"},
		"one_digit":            {"/api/v1/datasets/own%2", 400, "bad_request", "hexadecimal digits"},
		"other_digits":         {"/api/v1/datasets/%zzown", 400, "bad_request", `%zz`},
		"a_digit_too_few":      {"/api/v1/datasets/o%7/tables", 400, "bad_request", `%7/`},
		"not_text":             {"/api/v1/datasets/%ff", 400, "bad_request", "UTF-8"},
		"raw_bytes":            {"/api/v1/datasets/\xff", 400, "bad_request", "UTF-8"},
		"in_no_route":          {"/nowhere/%", 400, "bad_request", "hexadecimal digits"},
		"slash_in_a_name":      {"/api/v1/datasets/a%2fb", 404, "not_found", "a%2Fb"},
		"slash_for_a_segment":  {"/api/v1/datasets/own%2Ftables%2Fdata", 404, "not_found", ""},
		"slash_before_a_route": {"/api%2Fv1/jobs", 404, "not_found", ""},
		"encoded_twice":        {"/api/v1/datasets/o%2577n", 404, "not_found", "o%2577n"},
		"dots":                 {"/api/v1/plugins/%2e%2e/datasets/own", 404, "not_found", ""},
		"null":                 {"/api/v1/datasets/own%00", 404, "not_found", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := rawly(t, s.URL, "GET", c.path)
			assert.Equal(t, c.status, got.status, got.body)
			var p problem.Problem
			require.NoError(t, json.Unmarshal([]byte(got.body), &p), got.body)
			assert.Equal(t, c.code, p.Code)
			assert.Contains(t, p.Detail, c.says)
			assert.Equal(t, got.header.Get("X-Request-ID"), p.Instance)
		})
	}
}

func TestAMethodThatNoRouteHasGetsAProblem(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	got := rawly(t, s.URL, "BREW", "/api/v1/jobs")
	assert.Equal(t, http.StatusMethodNotAllowed, got.status)
	assert.Equal(t, problem.MediaType, got.header.Get("Content-Type"))
	assert.Contains(t, got.body, "BREW")
}
