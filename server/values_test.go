package server_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/routine"
	"thresher/server/servertest"
)

// A field of a body takes each of the values that the document lists for it, and no other.
func TestABodyTakesTheValuesThatAreListed(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	status := func(route, path, body string) int {
		a := request(t, route, s.URL+"/api/v1"+path, body, "Content-Type", "application/json")
		t.Log(path, body, a.status, a.body)
		return a.status
	}
	filter := func(term string) int {
		return status("POST", "/bulk", `{"action": "stop", "preview": true, "filter": {`+term+`}}`)
	}
	for _, phase := range job.Phases {
		assert.Equal(t, http.StatusAccepted, filter(fmt.Sprintf(`"phase": %q`, phase)))
		assert.Equal(t, http.StatusAccepted, filter(fmt.Sprintf(`"phases": [%q, "failed"]`, phase)))
	}
	for _, kind := range routine.Kinds {
		assert.Equal(t, http.StatusAccepted, filter(fmt.Sprintf(`"kind": %q`, kind)))
	}
	assert.Equal(t, http.StatusUnprocessableEntity, filter(`"phase": "asleep"`))
	rule := `{"retention": {"*": {"age_seconds": 60, "rules": [{"phase": "%s", "age_seconds": 30}]}}}`
	assert.Equal(t, http.StatusOK, status("PATCH", "/limits", fmt.Sprintf(rule, "completed")))
	assert.Equal(t, http.StatusUnprocessableEntity, status("PATCH", "/limits", fmt.Sprintf(rule, "asleep")))
}
