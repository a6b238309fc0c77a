package openapitest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/server/openapitest"
)

// told is a test that remembers what it was told.
type told struct {
	testing.TB
	errors []string
}

func (t *told) Helper() {}

func (t *told) Error(args ...any) { t.errors = append(t.errors, fmt.Sprint(args...)) }

// said is what a listener finds of one exchange. The server answers with the raw bytes.
func said(t *testing.T, request, answer string) []string {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := openapitest.Listen(t, inner)
	served := make(chan error, 1)
	go func() {
		served <- func() error {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
				return err
			}
			_, err = io.WriteString(c, answer)
			return err
		}()
	}()
	c, err := net.Dial("tcp", inner.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, request)
	require.NoError(t, err)
	_, err = io.ReadAll(c)
	require.NoError(t, err)
	require.NoError(t, <-served)
	require.NoError(t, l.Close())
	heard := &told{TB: t}
	l.Stop(heard)
	return heard.errors
}

func TestAnAnswerThatTheDocumentDoesNotDescribeIsReported(t *testing.T) {
	t.Parallel()
	const (
		json    = "Content-Type: application/json\r\n"
		problem = "Content-Type: application/problem+json\r\n"
		broken  = `{"type":"/docs/errors#not_found","title":"x","status":404,"code":"not_found"}`
		events  = "Content-Type: text/event-stream\r\n"
	)
	for name, c := range map[string]struct {
		request, status, headers, body string
		says                           string // empty: nothing is wrong
	}{
		"as_described":       {"GET /healthz", "200 OK", json, `{"status":"ok"}`, ""},
		"another_case":       {"GET /HEALTHZ/", "200 OK", json, `{"status":"ok"}`, ""},
		"encoded_path":       {"GET /healt%68z", "200 OK", json, `{"status":"ok"}`, ""},
		"status":             {"GET /healthz", "201 Created", json, `{"status":"ok"}`, "no such status"},
		"value":              {"GET /healthz", "200 OK", json, `{"status":"fine"}`, "/status"},
		"field":              {"GET /healthz", "200 OK", json, `{"status":"ok","more":1}`, "more"},
		"missing_field":      {"GET /healthz", "200 OK", json, `{}`, "missing"},
		"not_json":           {"GET /healthz", "200 OK", json, `{`, "body"},
		"media_type":         {"GET /healthz", "200 OK", "Content-Type: text/html\r\n", `{"status":"ok"}`, "text/html"},
		"no_media_type":      {"GET /healthz", "200 OK", "", `{"status":"ok"}`, "Content-Type"},
		"header":             {"GET /healthz", "200 OK", json + "X-Strange: 1\r\n", `{"status":"ok"}`, "X-Strange"},
		"problem":            {"GET /api/v1/jobs/x", "404 Not Found", problem, broken, ""},
		"problem_as_json":    {"GET /api/v1/jobs/x", "404 Not Found", json, broken, "application/json"},
		"other_status":       {"GET /api/v1/jobs/x", "422 Unprocessable Entity", problem, broken, "want status 422"},
		"unknown_code":       {"GET /api/v1/jobs/x", "404 Not Found", problem, strings.Replace(broken, `"not_found"`, `"odd"`, 1), "/code"},
		"word_twice":         {"GET /api/v1/jobs/x", "404 Not Found", problem, strings.Replace(broken, `"code"`, `"detail":"body.job: job x: not found","code"`, 1), "each word of its prefix once"},
		"words_once":         {"GET /api/v1/jobs/x", "404 Not Found", problem, strings.Replace(broken, `"code"`, `"detail":"body.job: x: not found: it has none","code"`, 1), ""},
		"unknown_path":       {"GET /nowhere", "404 Not Found", problem, broken, ""},
		"unknown_success":    {"GET /nowhere", "200 OK", json, "{}", "no such operation"},
		"undescribed_method": {"PUT /healthz", "200 OK", json, `{"status":"ok"}`, "no such operation"},
		"body_of_no_content": {"DELETE /api/v1/jobs/x", "204 No Content\r\nX-Ignore: 1", "", "", "X-Ignore"},
		"event":              {"GET /api/v1/events", "200 OK", events, "event: deleted\ndata: {\"job\":\"1\"}\n\n:\n\n", ""},
		"unknown_event":      {"GET /api/v1/events", "200 OK", events, "event: odd\ndata: {}\n\n", "odd"},
		"wrong_event":        {"GET /api/v1/events", "200 OK", events, "event: deleted\ndata: {\"id\":\"1\"}\n\n", "deleted"},
		"broken_off_event":   {"GET /api/v1/events", "200 OK", events, "event: deleted\ndata: {\"i", ""},
		"line":               {"GET /api/v1/verify", "200 OK", "Content-Type: application/x-ndjson\r\n", "{\"done\":1}\n", "done"},
		"page":               {"GET /ui/main.js", "200 OK", "Content-Type: text/javascript\r\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := said(t, c.request+" HTTP/1.1\r\nHost: localhost\r\n\r\n",
				fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", c.status, c.headers, len(c.body), c.body))
			if c.says == "" {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Contains(t, found[0], c.says)
		})
	}
}
