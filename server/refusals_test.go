package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/plugins/builtin/guesttest"
	attacks "thresher/plugins/hostile"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
	"thresher/plugins/sandbox"
	"thresher/plugins/sandbox/vet"
	"thresher/server"
	"thresher/server/problem"
	"thresher/server/servertest"
)

// refusal is an upload that is not taken, and under which code.
type refusal struct {
	name, code string
	on         func(*testing.T) *servertest.Server // the server that refuses it
	wasm       []byte
	signature  []byte // the module comes in a form with it
	query      string // default ?wait=60s
	kind       string // its Content-Type; default application/wasm
}

// Every code that an upload can be answered with is provoked by an upload, over HTTP,
// and explained at the place that the answer names. Where a code is added to the source
// this fails until there is an upload for it.
func TestEveryRefusalHasAnUploadAndAnAnchor(t *testing.T) {
	t.Parallel()
	anchors := request(t, "GET", servertest.Start(t, core.Limits{}).URL+"/docs/errors", "").body
	provoked := map[string]bool{}
	for _, r := range slices.Concat(ofAttacks(t), ofVerification(t), ofSignatures(t), ofRequests(t)) {
		require.NotNil(t, r.on, r.name)
		provoked[r.code] = true
		t.Run(r.code+"/"+r.name, func(t *testing.T) {
			t.Parallel()
			code, docs := r.send(t)
			require.Equal(t, r.code, code)
			assert.Equal(t, "/docs/errors#"+code, docs)
			assert.Equal(t, 1, strings.Count(anchors, `id="`+code+`"`), "of the anchor")
		})
	}
	for _, code := range slices.Concat(registry.Codes(), codesInSource(t)) {
		assert.True(t, provoked[code], "no upload is refused with %s", code)
	}
}

// send uploads it, and returns how it was refused: at once, or by its verification.
func (r refusal) send(t *testing.T) (code, docs string) {
	t.Helper()
	body, kind := string(r.wasm), r.kind
	if kind == "" {
		kind = "application/wasm"
	}
	if r.signature != nil {
		body, kind = signedForm(t, r.wasm, r.signature)
	}
	query := r.query
	if query == "" {
		query = "?wait=60s"
	}
	a := request(t, "POST", r.on(t).URL+"/api/v1/plugins"+query, body, "Content-Type", kind)
	if a.status >= 300 {
		var p problem.Problem
		require.NoError(t, json.Unmarshal([]byte(a.body), &p), a.body)
		return p.Code, p.Type
	}
	var v registry.View
	require.NoError(t, json.Unmarshal([]byte(a.body), &v))
	require.Equal(t, "rejected", v.State, a.body)
	require.NotNil(t, v.Report.Refusal)
	assert.NotEmpty(t, v.Report.Refusal.Detail)
	return v.Report.Refusal.Code, v.Report.Refusal.Docs
}

func signedForm(t *testing.T, wasm, signature []byte) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, content := range map[string][]byte{"module": wasm, "signature": signature} {
		part, err := w.CreateFormFile(name, name)
		require.NoError(t, err)
		_, err = part.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

// serving starts a server that is set up in some way, with plugins that it has taken
// before.
func serving(cfg sandbox.Config, keeps registry.Config, before ...registrytest.Plugin) func(*testing.T) *servertest.Server {
	return func(t *testing.T) *servertest.Server {
		if cfg.CacheDir == "" {
			cfg.CacheDir = guesttest.CacheDir(t)
		}
		cfg.Log = slog.New(slog.DiscardHandler)
		host, err := sandbox.New(t.Context(), cfg)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, host.Close(context.Background())) })
		s := servertest.StartOn(t, host, server.Config{}, keeps, core.Limits{})
		for _, p := range before {
			_, v := pushed(t, s, p.Wasm(), "?wait=60s")
			require.Equal(t, "ready", v.State)
		}
		return s
	}
}

// ofAttacks are the modules of package hostile that are not loaded, on a server as it
// is by default but for its patience.
func ofAttacks(t *testing.T) (all []refusal) {
	s := serving(sandbox.Config{DescribeTime: 200 * time.Millisecond}, registry.Config{})(t)
	for _, a := range attacks.Attacks() {
		if !a.Refused || a.Code == "module_too_large" || len(a.Wasm) == 0 {
			continue // an upload that is too large is not kept, an empty one is none
		}
		all = append(all, refusal{name: a.Name, code: a.Code, wasm: a.Wasm, on: func(*testing.T) *servertest.Server { return s }})
	}
	return all
}

// ofVerification need a server that is set up for them.
func ofVerification(t *testing.T) []refusal {
	probe := registrytest.Plugin{}
	gaveUp := func(context.Context, []byte, string) error { return errors.New("it gave up") }
	never := func(ctx context.Context, _ []byte, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	}
	return []refusal{
		{name: "another_result", code: "example_failed", wasm: registrytest.Plugin{Example: `1`}.Wasm(), on: serving(sandbox.Config{}, registry.Config{})},
		{name: "compiler_gave_up", code: "compile_failed", wasm: probe.Wasm(),
			on: serving(sandbox.Config{CacheDir: t.TempDir(), Compiler: gaveUp}, registry.Config{})},
		{name: "limit_of_the_vetting", code: "module_too_large", wasm: probe.Wasm(),
			on: serving(sandbox.Config{Vet: vet.Limits{ModuleBytes: 64}}, registry.Config{})},
		{name: "limit_of_an_upload", code: "too_large", wasm: probe.Wasm(), on: serving(sandbox.Config{}, registry.Config{MaxBytes: 64})},
		{name: "other_bytes", code: "version_taken", wasm: registrytest.Plugin{Salt: "other"}.Wasm(),
			on: serving(sandbox.Config{}, registry.Config{}, probe)},
		{name: "one_plugin_is_the_limit", code: "registry_full", wasm: registrytest.Plugin{Name: "other"}.Wasm(),
			on: serving(sandbox.Config{}, registry.Config{MaxPlugins: 1}, probe)},
		{name: "no_room_to_compile", code: "verification_failed", wasm: probe.Wasm(), on: func(t *testing.T) *servertest.Server {
			dir := filepath.Join(t.TempDir(), "cache")
			s := serving(sandbox.Config{CacheDir: dir, Compiler: gaveUp}, registry.Config{Retry: time.Millisecond})(t)
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o600))
			return s
		}},
		{name: "one_waits_for_ever", code: "too_many_uploads", wasm: probe.Wasm(), on: func(t *testing.T) *servertest.Server {
			s := serving(sandbox.Config{CacheDir: t.TempDir(), Compiler: never}, registry.Config{MaxVerifying: 1})(t)
			a, _ := pushed(t, s, registrytest.Plugin{Name: "slow"}.Wasm(), "")
			require.Equal(t, http.StatusAccepted, a.status)
			return s
		}},
	}
}

// ofSignatures are refused by a server that takes only what is signed.
func ofSignatures(t *testing.T) []refusal {
	s := serving(sandbox.Config{}, registry.Config{RequireSigned: true})(t)
	on := func(*testing.T) *servertest.Server { return s }
	trusted, trustedText := keyPair(t)
	revoked, revokedText := keyPair(t)
	unknown, _ := keyPair(t)
	trust := func(key string) (k registry.Key) {
		body, err := json.Marshal(map[string]string{"key": key})
		require.NoError(t, err)
		a := request(t, "POST", s.URL+"/api/v1/keys", string(body), "Content-Type", "application/json")
		require.Equal(t, 200, a.status, a.body)
		require.NoError(t, json.Unmarshal([]byte(a.body), &k))
		return k
	}
	trust(trustedText)
	require.Equal(t, 200, request(t, "POST", s.URL+"/api/v1/keys/"+trust(revokedText).ID+"/revoke", "").status)
	wasm, tampered := registrytest.Plugin{}.Wasm(), registrytest.Plugin{Salt: "tampered"}.Wasm()
	return []refusal{
		{name: "unsigned", code: "signature_missing", wasm: wasm, on: on},
		{name: "tampered", code: "signature_wrong", wasm: tampered, signature: signed(t, trusted, wasm), on: on},
		{name: "noise", code: "signature_wrong", wasm: wasm, signature: []byte("noise"), on: on},
		{name: "unknown_key", code: "signature_key_unknown", wasm: wasm, signature: signed(t, unknown, wasm), on: on},
		{name: "revoked_key", code: "signature_key_revoked", wasm: wasm, signature: signed(t, revoked, wasm), on: on},
	}
}

func keyPair(t *testing.T) (minisign.PrivateKey, string) {
	t.Helper()
	public, secret, err := minisign.GenerateKey(nil)
	require.NoError(t, err)
	text, err := public.MarshalText()
	require.NoError(t, err)
	return secret, string(text)
}

func signed(t *testing.T, key minisign.PrivateKey, wasm []byte) []byte {
	t.Helper()
	r := minisign.NewReader(bytes.NewReader(wasm))
	_, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	return r.SignWithComments(key, "by the test", "untrusted")
}

// ofRequests are no uploads at all.
func ofRequests(t *testing.T) []refusal {
	s := servertest.Start(t, core.Limits{})
	on := func(*testing.T) *servertest.Server { return s }
	wasm := registrytest.Plugin{}.Wasm()
	return []refusal{
		{name: "empty", code: "bad_request", on: on},
		{name: "kind", code: "media_type", wasm: wasm, kind: "text/html", on: on},
		{name: "wait", code: "invalid", wasm: wasm, query: "?wait=long", on: on},
		{name: "tenant", code: "invalid", wasm: wasm, query: "?tenant=A", on: on},
		{name: "giant", code: "too_large", wasm: make([]byte, 33<<20), on: on},
	}
}

// notOfUploads are codes in the same packages that no upload is answered with.
var notOfUploads = []string{
	"illegal_state",   // of activate, rollback and what came with the server; of a module's record, which no upload reaches
	"in_use",          // of rm
	"plugin_disabled", // of a submit
	"starting",        // likewise, while the folder of plugins is verified
	"unreadable",      // of a file of that folder
	"conflict",        // of trusting a key
}

// codesInSource are the codes that the packages which an upload passes through name.
// The others are computed, and in registry.Codes.
func codesInSource(t *testing.T) (codes []string) {
	t.Helper()
	for _, pattern := range []string{"../plugins/sandbox/*.go", "../plugins/sandbox/vet/*.go", "../plugins/registry/*.go", "content/push.go", "content/upload.go", "content/body.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			require.NoError(t, err)
			ast.Inspect(tree, func(n ast.Node) bool {
				if code, ok := codeIn(n); ok {
					codes = append(codes, code)
				}
				return true
			})
		}
	}
	codes = slices.DeleteFunc(codes, func(code string) bool { return slices.Contains(notOfUploads, code) })
	slices.Sort(codes)
	return slices.Compact(codes)
}

// codeIn finds the code of a refusal: the first argument of what makes one, or its field.
func codeIn(n ast.Node) (string, bool) {
	var code ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		if len(n.Args) > 0 && slices.Contains([]string{"refuse", "reject", "problem.New"}, nameOf(n.Fun)) {
			code = n.Args[0]
		}
	case *ast.CompositeLit:
		if !slices.Contains([]string{"Refusal", "sandbox.Refused", "core.Refused"}, nameOf(n.Type)) {
			break
		}
		for _, e := range n.Elts {
			if field, ok := e.(*ast.KeyValueExpr); ok && fmt.Sprint(field.Key) == "Code" {
				code = field.Value
			}
		}
	}
	literal, ok := code.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

// nameOf is NAME or PACKAGE.NAME.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	}
	return ""
}
