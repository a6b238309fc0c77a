package server_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	attacks "thresher/plugins/hostile"
	"thresher/plugins/registry"
	"thresher/plugins/sandbox"
	"thresher/samples"
	"thresher/server"
	"thresher/server/servertest"
)

// importing uploads a file as a dataset, which an importer reads.
func importing(t *testing.T, s *servertest.Server, name, importer, params, file string) answer {
	t.Helper()
	query := url.Values{"name": {name}, "importer": {importer}, "params": {params}}.Encode()
	return request(t, "POST", s.URL+"/api/v1/datasets?"+query, file, "Content-Type", "text/tab-separated-values")
}

// A file that an importer reads is the same dataset as one that the server reads itself,
// and its job says how it was made.
func TestAnImporterMakesADatasetOfAFile(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	s.Sample(t, "as-csv", "agentfarm-population.csv")
	text, err := samples.Files.ReadFile("agentfarm-population.csv")
	require.NoError(t, err)
	a := importing(t, s, "as-tsv", "formats/tsv", "", strings.ReplaceAll(string(text), ",", "\t"))
	require.Equal(t, 201, a.status, a.body)
	assert.Equal(t, "/api/v1/datasets/as-tsv", a.header.Get("Location"))
	rows := func(name string) string {
		return request(t, "GET", s.URL+"/api/v1/datasets/"+name+"/tables/data", "", "Accept", "text/csv").body
	}
	assert.Equal(t, rows("as-csv"), rows("as-tsv"))
	assert.NotEmpty(t, rows("as-tsv"))

	page, err := s.Engine.Jobs(t.Context(), core.Filter{Kind: "importer"})
	require.NoError(t, err)
	require.Len(t, page.Jobs, 1)
	assert.Equal(t, "as-tsv", page.Jobs[0].Spec.Labels["dataset"])
	require.NoError(t, s.Engine.Delete(t.Context(), page.Jobs[0].ID))
	assert.NotEmpty(t, rows("as-tsv"), "the dataset does not need its job")
	j, err := s.Client.Submit(t.Context(), core.Request{Routine: "tabular/describe", Inputs: map[string]string{"data": "as-tsv"}}, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, job.Completed, j.Phase)
}

func TestAnImportThatDoesNotWorkSaysWhy(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	crashes := strings.Replace(attacks.Manifest("importer"), `"title":""`, `"title":"","outputs":[{"name":"data"}]`, 1)
	_, v := pushed(t, s, attacks.Module{Manifest: crashes, Run: attacks.Unreachable}.Encode(), "?wait=60s")
	require.Equal(t, "ready", v.State, v.Report)
	empty := strings.Replace(crashes, "forged", "empty", 1)
	_, v = pushed(t, s, attacks.Module{Manifest: empty}.Encode(), "?wait=60s")
	require.Equal(t, "ready", v.State, v.Report)
	for name, c := range map[string]struct {
		importer, params, file string
		status                 int
		code, says             string
	}{
		"cell":       {"formats/tsv", `{"types":["b:int64"]}`, "a\tb\n1\tx\n", 422, "bad_table", `"line":2,"column":2`},
		"found":      {"formats/tsv", `{"types":["b:int64"]}`, "a\tb\n1\tx\n", 422, "bad_table", `column b: found \"x\": want a whole number such as -12`},
		"params":     {"formats/tsv", `{"types":["x:int64"]}`, "a\n1\n", 422, "bad_table", `there is no column`},
		"no_params":  {"formats/fixed", `{}`, "a\n1\n", 422, "invalid_params", `columns`},
		"no_json":    {"formats/tsv", `{`, "a\n1\n", 422, "invalid_params", `want a JSON object`},
		"no_routine": {"formats/xml", ``, "a\n1\n", 422, "invalid", `no routine formats/xml`},
		"analysis":   {"tabular/describe", ``, "a\n1\n", 422, "invalid", `of kind analysis: it reads no file`},
		"crash":      {"forged/attack", ``, "a\n1\n", 422, "import_failed", `unreachable`},
		"no_table":   {"empty/attack", ``, "a\n1\n", 422, "bad_table", `found no table`},
	} {
		a := importing(t, s, "bad", c.importer, c.params, c.file)
		assert.Equal(t, c.status, a.status, name+": "+a.body)
		assert.Contains(t, a.body, `"code":"`+c.code+`"`, name)
		assert.Contains(t, a.body, c.says, name)
	}
	assert.Equal(t, 404, request(t, "GET", s.URL+"/api/v1/datasets/bad", "").status, "nothing was kept")
	a := request(t, "POST", s.URL+"/api/v1/jobs", `{"routine":"formats/tsv"}`, "Content-Type", "application/json")
	assert.Equal(t, 422, a.status)
	assert.Contains(t, a.body, "datasets put NAME FILE --importer formats/tsv")
}

// The file is bound as any upload is.
func TestAFileForAnImporterHasALimit(t *testing.T) {
	t.Parallel()
	s := servertest.StartWith(t, server.Config{MaxUpload: 1000}, core.Limits{})
	a := importing(t, s, "large", "formats/tsv", "", strings.Repeat("x", 1001))
	assert.Equal(t, 413, a.status)
	assert.Contains(t, a.body, `"code":"too_large"`)
}

// A program of WASI can be an importer: the file is what it reads, its output the table.
func TestAProgramCanBeAnImporter(t *testing.T) {
	t.Parallel()
	s := serving(sandbox.Config{}, registry.Config{})(t)
	manifest := `{"name":"echo","version":"1.0.0","summary":"","routines":[{"name":"csv","kind":"importer","title":"","params":{},"stdout":"csv",
		"outputs":[{"name":"rows"}],"examples":[{"name":"two","file":"a\n1\n2\n","result":{"rows":2}}]}]}`
	wasm, err := sandbox.WithManifest(echo, []byte(manifest))
	require.NoError(t, err)
	_, v := pushed(t, s, wasm, "?wait=60s")
	require.Equal(t, "ready", v.State, v.Report)
	a := importing(t, s, "echoed", "echo/csv", "", "x,y\n1,a\n2,b\n")
	require.Equal(t, 201, a.status, a.body)
	var d core.Dataset
	require.NoError(t, json.Unmarshal([]byte(a.body), &d))
	assert.Equal(t, "rows", d.Tables[0].Name)
	assert.EqualValues(t, 2, d.Tables[0].Rows)
}

// echo is a program that writes what it reads, 4 KiB at a time:
//
//	loop: fd_read(0, iov, 1, n); if n == 0 return; iov.len = n; fd_write(1, iov, 1, n); iov.len = 4096
var echo = echoProgram()

func echoProgram() []byte {
	fd := []byte{attacks.I32, attacks.I32, attacks.I32, attacks.I32}
	call := func(function uint32, stream int32) []byte {
		return attacks.Code(attacks.I32Const(stream), attacks.I32Const(8), attacks.I32Const(1), attacks.I32Const(0), attacks.Call(function), attacks.Drop)
	}
	load := []byte{0x41, 0, 0x28, 2, 0} // i32.load of 0
	body := attacks.Code(
		attacks.Store(8, 16), attacks.Store(12, 4096),
		[]byte{0x03, 0x40}, call(0, 0), load, []byte{0x04, 0x40},
		attacks.I32Const(12), load, []byte{0x36, 2, 0}, call(1, 1), attacks.Store(12, 4096), []byte{0x0c, 1},
		[]byte{0x0b, 0x0b})
	return attacks.Program([]attacks.Function{
		{Module: "wasi_snapshot_preview1", Name: "fd_read", Params: fd, Results: []byte{attacks.I32}},
		{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: fd, Results: []byte{attacks.I32}},
	}, body)
}
