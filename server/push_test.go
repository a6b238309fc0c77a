package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
	"thresher/server/servertest"
)

// pushed uploads a module over HTTP and decodes the answer.
func pushed(t *testing.T, s *servertest.Server, wasm []byte, query string) (answer, registry.View) {
	t.Helper()
	a := request(t, "POST", s.URL+"/api/v1/plugins"+query, string(wasm), "Content-Type", "application/wasm")
	var v registry.View
	if a.status < 300 {
		require.NoError(t, json.Unmarshal([]byte(a.body), &v))
	}
	return a, v
}

func TestAPluginIsPushedAndRunOverHTTP(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	one, two := registrytest.Plugin{Version: "1.0.0"}, registrytest.Plugin{Version: "1.1.0"}
	a, v := pushed(t, s, one.Wasm(), "?wait=30s&by=ada")
	require.Equal(t, 200, a.status, a.body)
	assert.Equal(t, "ready", v.State)
	assert.Equal(t, "ada", v.Uploaded.By)
	assert.Equal(t, "/api/v1/modules/"+v.Digest+"?tenant=default", a.header.Get("Location"))
	assert.Equal(t, 200, request(t, "GET", s.URL+a.header.Get("Location"), "").status)
	_, v2 := pushed(t, s, two.Wasm(), "?wait=30s&activate=false")
	assert.Equal(t, "ready", v2.State)
	assert.False(t, v2.Active)

	result := func(routine string) (core.Job, string) {
		j, err := s.Client.Submit(t.Context(), core.Request{Routine: routine}, 30e9)
		require.NoError(t, err)
		require.Equal(t, job.Completed, j.Phase)
		return j, string(j.Outcome.Result)
	}
	j, first := result("probe/run")
	assert.JSONEq(t, one.Result(), first)
	assert.Equal(t, v.Digest, j.Spec.Digest)
	_, tried := result("probe@1.1.0/run")
	assert.JSONEq(t, two.Result(), tried, "a version can be tried before it is activated")

	a = request(t, "PUT", s.URL+"/api/v1/plugins/probe/active?by=bob", `{"version":"1.1.0"}`, "Content-Type", "application/json")
	require.Equal(t, 200, a.status, a.body)
	_, now := result("probe/run")
	assert.JSONEq(t, two.Result(), now)
	a = request(t, "POST", s.URL+"/api/v1/plugins/probe/rollback", "")
	require.Equal(t, 200, a.status, a.body)
	assert.Contains(t, a.body, `"active":"1.0.0"`)
	assert.Contains(t, a.body, `"how":"rollback"`)
	_, back := result("probe/run")
	assert.JSONEq(t, one.Result(), back, "a rollback takes effect for the next submit")

	for _, path := range []string{"/plugins", "/plugins/probe", "/plugins/probe/versions", "/plugins/probe/versions/1.1.0", "/plugins/tabular", "/modules", "/routines/probe/run", "/routines/probe@1.1.0/run"} {
		assert.Equal(t, 200, request(t, "GET", s.URL+"/api/v1"+path, "").status, path)
	}
	assert.Equal(t, 404, request(t, "GET", s.URL+"/api/v1/plugins/none", "").status)
	assert.Equal(t, 404, request(t, "GET", s.URL+"/api/v1/modules/00", "").status)
}

// What is refused says which check, where, what was found, and what would pass.
func TestARejectedUploadSaysWhy(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	a, v := pushed(t, s, registrytest.Plugin{Example: `{"version":"2.0.0"}`}.Wasm(), "?wait=30s")
	require.Equal(t, 200, a.status)
	require.Equal(t, "rejected", v.State)
	r := v.Report.Refusal
	assert.Equal(t, "example_failed", r.Code)
	assert.Equal(t, "examples", r.Check)
	assert.Equal(t, "routine run, example answers", r.Place)
	assert.JSONEq(t, `{"version":"1.0.0"}`, r.Found)
	assert.JSONEq(t, `{"version":"2.0.0"}`, r.Want)
	assert.Equal(t, "/docs/errors#example_failed", r.Docs)
	refused := request(t, "POST", s.URL+"/api/v1/jobs", `{"routine":"probe/run"}`, "Content-Type", "application/json")
	assert.Equal(t, 422, refused.status)

	_, v = pushed(t, s, []byte("#!/bin/sh"), "?wait=30s")
	assert.Equal(t, "rejected", v.State)
	assert.Equal(t, "not_wasm", v.Report.Refusal.Code)
}

// As browsers and curl send it: with its length.
func TestAFormMayHaveTheModule(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("module", "probe.wasm")
	require.NoError(t, err)
	_, err = part.Write(registrytest.Plugin{}.Wasm())
	require.NoError(t, err)
	require.NoError(t, w.Close())
	a := request(t, "POST", s.URL+"/api/v1/plugins?wait=30s", b.String(), "Content-Type", w.FormDataContentType())
	assert.Equal(t, 200, a.status, a.body)
	assert.Contains(t, a.body, `"state":"ready"`)
}

func TestAnUploadThatIsNoUploadIsRefused(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	form := func(parts ...string) (body, kind string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for _, name := range parts {
			f, err := w.CreateFormFile(name, name)
			require.NoError(t, err)
			fmt.Fprint(f, "x")
		}
		require.NoError(t, w.Close())
		return b.String(), w.FormDataContentType()
	}
	without, kind := form("signature")
	odd, oddKind := form("module", "else")
	for name, c := range map[string]struct {
		query, body, kind string
		status            int
		code              string
	}{
		"empty":            {"", "", "application/wasm", 400, "bad_request"},
		"media_type":       {"", "x", "text/html", 415, "media_type"},
		"activate":         {"?activate=maybe", "x", "application/wasm", 422, "invalid"},
		"wait":             {"?wait=long", "x", "application/wasm", 422, "invalid"},
		"tenant":           {"?tenant=A", "x", "application/wasm", 422, "invalid"},
		"too_large":        {"", string(make([]byte, 33<<20)), "application/wasm", 413, "too_large"},
		"form_without":     {"", without, kind, 400, "bad_request"},
		"form_odd_part":    {"", odd, oddKind, 400, "bad_request"},
		"form_broken_off":  {"", without[:20], kind, 400, "bad_request"},
		"form_no_boundary": {"", "x", "multipart/form-data", 400, "bad_request"},
	} {
		a := request(t, "POST", s.URL+"/api/v1/plugins"+c.query, c.body, "Content-Type", c.kind)
		assert.Equal(t, c.status, a.status, name)
		assert.Contains(t, a.body, `"code":"`+c.code+`"`, name)
	}
	assert.Contains(t, request(t, "GET", s.URL+"/api/v1/modules", "").body, `"modules":[]`, "nothing is kept")
}

// Every step of a verification is told, and how it ended.
func TestAVerificationIsToldStepByStep(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	all, err := s.Engine.Subscribe(t.Context(), 0, "")
	require.NoError(t, err)
	defer all.Close()
	_, v := pushed(t, s, registrytest.Plugin{Salt: "told"}.Wasm(), "?wait=30s")
	require.Equal(t, "ready", v.State)
	var steps []string
	for e, ok := all.Next(); ok; e, ok = all.Next() {
		var told registry.View
		if e.Type != "module" || json.Unmarshal(e.Data, &told) != nil || told.Digest != v.Digest {
			continue
		}
		assert.Nil(t, told.Plugin().Routines, "events go without the manifest")
		if told.Report != nil && told.Report.Now != "" && !slices.Contains(steps, told.Report.Now) {
			steps = append(steps, told.Report.Now)
		}
	}
	assert.Subset(t, steps, []string{"compile", "image", "describe", "examples"})

	var last registry.View
	require.NoError(t, s.Client.FollowPath(t.Context(), "/api/v1/modules/"+v.Digest+"/events", func(e client.Event) bool {
		assert.NoError(t, json.Unmarshal(e.Data, &last))
		return false
	}))
	assert.Equal(t, "ready", last.State, "who comes late is told how it is")
	assert.Equal(t, 404, request(t, "GET", s.URL+"/api/v1/modules/none/events", "").status)
}
