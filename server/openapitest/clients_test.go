package openapitest_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/plugins/registry/registrytest"
	"thresher/server/api"
	"thresher/server/servertest"
)

// tools returns the folder that the environment names in THRESHER_OPENAPI: package.json's
// packages are installed there. Without it the test is skipped.
func tools(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("THRESHER_OPENAPI")
	if folder == "" {
		t.Skip("the tools of OpenAPI are not installed: npm ci in a folder with server/openapitest/testdata/node/package*.json, and name that in THRESHER_OPENAPI")
	}
	return folder
}

// workshop is a folder with a copy of a folder of testdata, and the document.
func workshop(t *testing.T, of string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", of))))
	document, err := api.Document("test")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "openapi.json"), document, 0o600))
	return dir
}

// run runs a command in a folder. Its failure is the test's.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "GOFLAGS=-mod=mod")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v:\n%s", name, args, out)
}

// nodeWorkshop is a workshop with the packages of npm.
func nodeWorkshop(t *testing.T) (dir, bin string) {
	t.Helper()
	packages := filepath.Join(tools(t), "node_modules")
	dir = workshop(t, "node")
	require.NoError(t, os.Symlink(packages, filepath.Join(dir, "node_modules")))
	return dir, filepath.Join(packages, ".bin")
}

func TestTheDocumentPassesItsLinters(t *testing.T) {
	t.Parallel()
	dir, bin := nodeWorkshop(t)
	run(t, dir, filepath.Join(bin, "redocly"), "lint", "--config", "redocly.yaml", "openapi.json")
	run(t, dir, filepath.Join(bin, "spectral"), "lint", "--ruleset", "spectral.yaml", "--fail-severity", "hint", "openapi.json")
}

// travel starts a server for a tour, and returns its URL and a module to upload.
func travel(t *testing.T) (url, module string) {
	t.Helper()
	module = filepath.Join(t.TempDir(), "tour.wasm")
	require.NoError(t, os.WriteFile(module, registrytest.Plugin{Name: "tour"}.Wasm(), 0o600))
	return servertest.Start(t, core.Limits{}).URL, module
}

func TestAGeneratedClientInTypeScriptTakesTheTour(t *testing.T) {
	t.Parallel()
	dir, bin := nodeWorkshop(t)
	run(t, dir, filepath.Join(bin, "openapi-typescript"), "openapi.json", "--output", "schema.d.ts")
	run(t, dir, filepath.Join(bin, "tsc"), "--project", ".")
	url, module := travel(t)
	run(t, dir, "node", "out/tour.js", url, module)
}

func TestAGeneratedClientInGoTakesTheTour(t *testing.T) {
	t.Parallel()
	tools(t) // it needs none of them, but downloads a module
	dir := workshop(t, "go")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "thresher"), fs.ModePerm))
	run(t, dir, "go", "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", "openapi.json")
	run(t, dir, "go", "build", "-o", "tour", ".")
	url, module := travel(t)
	run(t, dir, filepath.Join(dir, "tour"), url, module)
}
