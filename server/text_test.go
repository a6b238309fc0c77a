package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server/servertest"
)

// Text that a decoder would replace is refused wherever a body is JSON, with its place. All
// other text comes back as it was sent.
func TestTextInABodyIsExactOrRefused(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	for _, text := range []string{`\ud800`, `\udfff x`, `a\ude00\ud83d`, "\xff"} {
		for route, body := range map[string]string{
			"POST /jobs":    `{"routine": "models/sir", "labels": {"name": "TEXT"}}`,
			"POST /batches": `{"jobs": [{"routine": "models/sir"}], "labels": {"TEXT": "value"}}`,
			"POST /bulk":    `{"action": "stop", "filter": {"text": "TEXT"}}`,
			"PATCH /limits": `{"tenant_weights": {"TEXT": 2}}`,
		} {
			method, path, _ := strings.Cut(route, " ")
			a := request(t, method, s.URL+"/api/v1"+path, strings.ReplaceAll(body, "TEXT", text), "Content-Type", "application/json")
			assert.Equal(t, http.StatusBadRequest, a.status, "%s %s: %s", route, text, a.body)
			assert.Contains(t, a.body, "of the body", route)
		}
	}
	sent := `{"name":"\u0001 é \ud83d\ude00 � \\ud800"}`
	a := request(t, "POST", s.URL+"/api/v1/jobs", `{"routine": "models/sir", "labels": `+sent+`}`, "Content-Type", "application/json")
	require.Equal(t, http.StatusAccepted, a.status, a.body)
	assert.Contains(t, a.body, `"labels":{"name":"\u0001 é 😀 � \\ud800"}`)
}
