package ui_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/docs"
	"thresher/server/problem"
	"thresher/server/ui"
)

func get(t *testing.T, app *fiber.App, address string, header ...string) *http.Response {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, address, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := app.Test(req)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, resp.Body.Close()) })
	return resp
}

func mounted() *fiber.App {
	app := fiber.New()
	ui.Mount(app)
	return app
}

func TestFilesCarryTheirType(t *testing.T) {
	t.Parallel()
	app := mounted()
	for address, media := range map[string]string{
		"/":                       "text/html; charset=utf-8",
		"/docs":                   "text/html; charset=utf-8",
		"/docs/errors":            "text/html; charset=utf-8",
		"/ui/main.js":             "text/javascript; charset=utf-8",
		"/ui/style.css":           "text/css; charset=utf-8",
		"/ui/icon.svg":            "image/svg+xml",
		"/ui/vendor/vega.min.js":  "text/javascript; charset=utf-8",
		"/ui/vendor/LICENSE-vega": "text/plain; charset=utf-8",
	} {
		resp := get(t, app, address)
		assert.Equal(t, http.StatusOK, resp.StatusCode, address)
		assert.Equal(t, media, resp.Header.Get("Content-Type"), address)
	}
	assert.Equal(t, http.StatusNotFound, get(t, app, "/ui/nothing.js").StatusCode)
}

func TestABrowserAsksAgainAndGetsAFileOnce(t *testing.T) {
	t.Parallel()
	app := mounted()
	first := get(t, app, "/ui/main.js")
	assert.Equal(t, "no-cache", first.Header.Get("Cache-Control"))
	again := get(t, app, "/ui/main.js", "If-None-Match", first.Header.Get("ETag"))
	assert.Equal(t, http.StatusNotModified, again.StatusCode)
}

// What a browser may do with a file is said again where it has the file: it keeps the newest
// headers that it got.
func TestTheHeadersOfAFileAreThoseOfTheOneThatIsKept(t *testing.T) {
	t.Parallel()
	app := mounted()
	for _, at := range []string{"/", "/ui/main.js", "/ui/draw.html"} {
		first := get(t, app, at)
		again := get(t, app, at, "If-None-Match", first.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode)
		for _, name := range []string{"Content-Security-Policy", "X-Frame-Options", "Cache-Control", "ETag"} {
			assert.NotEmpty(t, first.Header.Get(name), "%s of %s", name, at)
			assert.Equal(t, first.Header.Get(name), again.Header.Get(name), "%s of %s", name, at)
		}
	}
}

func TestThePageRunsOnlyWhatIsEmbedded(t *testing.T) {
	t.Parallel()
	policy := get(t, mounted(), "/").Header.Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'self'")
	assert.NotContains(t, policy, "unsafe")
}

// Data reaches the page as text: the ways in which it could become HTML or script
// are not used at all.
func TestTheModulesNeverReadHTMLFromData(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://`)
	static := os.DirFS("static")
	modules, err := fs.Glob(static, "*.*")
	require.NoError(t, err)
	for _, name := range modules {
		if path.Ext(name) == ".svg" {
			continue // names its namespace, which is a URL
		}
		content, err := fs.ReadFile(static, name)
		require.NoError(t, err)
		assert.NotRegexp(t, forbidden, string(content), name)
	}
}

// The type of every problem leads to its line in the page of errors.
func TestEveryErrorHasItsPlaceInThePage(t *testing.T) {
	t.Parallel()
	body, err := io.ReadAll(get(t, mounted(), "/docs/errors").Body)
	require.NoError(t, err)
	for _, code := range append(problem.Codes(), "guest_trap", "lost") {
		assert.Equal(t, 1, strings.Count(string(body), `<tr id="`+code+`">`), code)
	}
	for _, code := range []string{"limit_locals", "limit_effort"} { // they share a line
		assert.Equal(t, 1, strings.Count(string(body), `id="`+code+`"`), code)
	}
	assert.NotContains(t, string(body), "](")
	assert.NotContains(t, string(body), "`", "all of the document's marks are read")
	assert.NotContains(t, string(body), "|--")
	var tags []string // that are open
	for _, tag := range regexp.MustCompile(`</?(table|tr|td|th|p|pre|h1|h2|main|code)\b`).FindAllString(string(body), -1) {
		if name, closes := strings.CutPrefix(tag, "</"); closes {
			require.NotEmpty(t, tags)
			require.Equal(t, "<"+name, tags[len(tags)-1])
			tags = tags[:len(tags)-1]
		} else {
			tags = append(tags, tag)
		}
	}
	assert.Empty(t, tags)
}

// Whatever a message names, and whatever a document links to, can be opened: the page, and
// the place in it.
func TestEveryDocumentThatIsNamedCanBeOpened(t *testing.T) {
	t.Parallel()
	app := mounted()
	read := func(at string) string {
		resp := get(t, app, at)
		require.Equal(t, http.StatusOK, resp.StatusCode, at)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(body)
	}
	for _, name := range namedDocuments(t, "../..") {
		read("/docs/" + strings.TrimSuffix(name, ".md"))
		assert.Equal(t, http.StatusMovedPermanently, get(t, app, "/docs/"+name).StatusCode, name)
	}
	link := regexp.MustCompile(`<a href="(/docs/[^"#]*)(?:#([^"]*))?"`)
	names, err := fs.Glob(docs.Files, "*.md")
	require.NoError(t, err)
	for _, name := range names {
		at := "/docs/" + strings.TrimSuffix(name, ".md")
		found := link.FindAllStringSubmatch(read(at), -1)
		require.NotEmpty(t, found, name)
		for _, m := range found {
			if page := read(m[1]); m[2] != "" {
				assert.True(t, strings.Contains(page, `id="`+m[2]+`"`), "%s: %s#%s", name, m[1], m[2])
			}
		}
	}
	assert.Equal(t, http.StatusNotFound, get(t, app, "/docs/nothing").StatusCode)
}

// namedDocuments lists the documents that texts in the source name: docs/abi.md.
func namedDocuments(t *testing.T, root string) (names []string) {
	t.Helper()
	named := regexp.MustCompile(`"[^"]*\bdocs/([a-z/]+\.md)`)
	for _, part := range []string{"core", "plugins", "server", "cmd", "client"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(at string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(at) != ".go" || strings.HasSuffix(at, "_test.go") {
				return err
			}
			source, err := os.ReadFile(at)
			for _, m := range named.FindAllSubmatch(source, -1) {
				names = append(names, string(m[1]))
			}
			return err
		})
		require.NoError(t, err)
	}
	require.Contains(t, names, "abi.md")
	return names
}
