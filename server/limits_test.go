package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server/servertest"
)

// Whatever a patch names is in force afterwards, or the patch is refused: an answer of 200
// to something that changed nothing would be taken for a limit.
func TestALimitThatIsNamedIsInForceOrRefused(t *testing.T) {
	s := servertest.Start(t, core.Limits{Slots: 2, TenantSlots: map[string]int{"acme": 1}})
	type object = map[string]any
	limits := func() (l object) {
		require.NoError(t, s.Client.Get(t.Context(), "/api/v1/limits", &l))
		return l
	}
	patch := func(change any) int {
		body, err := json.Marshal(change)
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, s.URL+"/api/v1/limits", bytes.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	first := limits()
	named := map[string]object{} // a path in words → what names it, alone
	for field, now := range first {
		named[field] = object{field: nil}
		if of, isObject := now.(object); isObject && (field == "job" || field == "max_job") {
			for part := range of {
				named[field+"."+part] = object{field: object{part: nil}}
			}
			named[field+".gas"] = object{field: object{"gas": nil}} // no bound: it is not shown
		}
	}
	require.Greater(t, len(named), 25)
	for path, change := range named {
		assert.Equal(t, http.StatusUnprocessableEntity, patch(change), path+" null")
		assert.Equal(t, first, limits(), path+" null")
		if status := patch(withZero(change)); status == http.StatusOK {
			assert.Zero(t, at(limits(), change), path+" 0")
			require.Equal(t, http.StatusOK, patch(object{"cache_seconds": first["cache_seconds"]}))
		} else {
			assert.Equal(t, http.StatusUnprocessableEntity, status, path+" 0")
			assert.Equal(t, first, limits(), path+" 0")
		}
	}
	assert.Equal(t, http.StatusUnprocessableEntity, patch(nil), "null is no patch")
}

// withZero is a patch with 0 in the place of null.
func withZero(change map[string]any) map[string]any {
	zero := map[string]any{}
	for field, value := range change {
		if of, isObject := value.(map[string]any); isObject {
			zero[field] = withZero(of)
		} else {
			zero[field] = 0
		}
	}
	return zero
}

// at is the value at the one place that a patch names; 0 if it is not shown.
func at(limits, change map[string]any) any {
	for field, value := range change {
		if of, isObject := value.(map[string]any); isObject {
			return at(limits[field].(map[string]any), of)
		}
		if now, shown := limits[field]; shown {
			return now
		}
	}
	return 0
}
