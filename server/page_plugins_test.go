package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
	"thresher/plugins/sandbox"
	"thresher/server"
	"thresher/server/servertest"
)

// drop drops files, name and content, on the page as a hand does.
func drop(t *testing.T, files ...any) step {
	t.Helper()
	var add strings.Builder
	for i := 0; i < len(files); i += 2 {
		name, err := json.Marshal(files[i])
		require.NoError(t, err)
		fmt.Fprintf(&add, "data.items.add(new File([Uint8Array.from(atob('%s'), (c) => c.charCodeAt(0))], %s));\n",
			base64.StdEncoding.EncodeToString(files[i+1].([]byte)), name)
	}
	return eval[chromedp.Void]("{ const data = new DataTransfer();\n" + add.String() +
		"document.querySelector('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })); }")
}

// pick chooses files in the form's own picker.
func pick(t *testing.T, files ...any) step {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i].(string))
		require.NoError(t, os.WriteFile(path, files[i+1].([]byte), 0o600))
		paths = append(paths, path)
	}
	return chromedp.SetUploadFiles("#module", paths)
}

func textOf(t *testing.T, ctx context.Context, selector string) string {
	t.Helper()
	return read(t, ctx, eval[string](`document.querySelector(`+fmt.Sprintf("%q", selector)+`).textContent`))
}

// push uploads a module, signed if there is a key, and waits until it is decided on.
func push(t *testing.T, s *servertest.Server, wasm []byte, by string, key *minisign.PrivateKey) registry.View {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part := func(name string, content []byte) {
		w, err := form.CreateFormField(name)
		require.NoError(t, err)
		_, err = w.Write(content)
		require.NoError(t, err)
	}
	part("module", wasm)
	if key != nil {
		signer := minisign.NewReader(bytes.NewReader(wasm))
		_, err := io.Copy(io.Discard, signer)
		require.NoError(t, err)
		part("signature", signer.Sign(*key))
	}
	require.NoError(t, form.Close())
	resp, err := http.Post(s.URL+"/api/v1/plugins?wait=60s&by="+by, form.FormDataContentType(), &body)
	require.NoError(t, err)
	defer resp.Body.Close()
	var v registry.View
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&v))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return v
}

func TestAPluginIsUploadedTriedActivatedAndRolledBackOnThePage(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	one, two := registrytest.Plugin{Version: "1.0.0"}, registrytest.Plugin{Version: "2.0.0-rc.1+b7"}
	do(t, ctx, chromedp.Navigate(s.URL+"/#/plugins"), chromedp.WaitVisible(".plugins li"),
		drop(t, "probe.wasm", one.Wasm()), chromedp.WaitVisible("#by"), chromedp.SetValue("#by", "ada"),
		chromedp.Click(".push button"), chromedp.WaitVisible(".outcome .active"))
	assert.Equal(t, "active probe 1.0.0 is active.", textOf(t, ctx, ".outcome"))
	assert.Equal(t, 1, read(t, ctx, eval[int](`document.querySelectorAll('.examples .passed').length`)))
	do(t, ctx, chromedp.WaitVisible("li[data-plugin=probe]"))

	do(t, ctx, pick(t, "probe-2.wasm", two.Wasm()), chromedp.WaitVisible("#activate"),
		eval[chromedp.Void](`document.querySelector('#activate').focus()`),
		// By the keyboard alone: the box, and then the button behind it.
		chromedp.KeyEvent(" "), chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"), chromedp.WaitVisible(".outcome .ready"),
		chromedp.Click(".outcome a"), chromedp.WaitVisible(".routines a"))
	assert.Equal(t, "probe 2.0.0-rc.1+b7", textOf(t, ctx, "h1"))
	assert.Contains(t, textOf(t, ctx, "dl"), "ada", "who is remembered")

	do(t, ctx, chromedp.Click(".routines a"), chromedp.WaitVisible("#submit"))
	assert.Contains(t, textOf(t, ctx, ".note"), "which is not active")
	do(t, ctx, chromedp.Click("#submit"), phase("completed"), chromedp.WaitVisible("#result"))
	assert.Contains(t, read(t, ctx, chromedp.Text("#result")), "2.0.0-rc.1+b7")
	do(t, ctx, chromedp.Click("#again"), chromedp.WaitVisible(".note"))
	assert.Contains(t, textOf(t, ctx, ".note"), "2.0.0-rc.1+b7", "again is the same version")

	do(t, ctx, chromedp.Navigate(s.URL+"/#/plugins/probe"), chromedp.WaitVisible("tr[data-version]"),
		chromedp.Click(`button[aria-label^="Activate"]`), chromedp.WaitVisible("dialog[open]"), chromedp.Click(`dialog button[value="yes"]`),
		chromedp.WaitVisible(`tr[data-version^="2"] .active`), chromedp.WaitVisible("#rollback"))
	assert.Equal(t, "Roll back to 1.0.0", textOf(t, ctx, "#rollback"))
	do(t, ctx, chromedp.Click("#rollback"), chromedp.WaitVisible("dialog[open]"), chromedp.Click(`dialog button[value="yes"]`),
		chromedp.WaitVisible(`tr[data-version="1.0.0"] .active`), chromedp.WaitNotPresent("#rollback"))
	j, err := s.Client.Submit(t.Context(), core.Request{Routine: one.Routine()}, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, "1.0.0", j.Spec.Version)
	assert.Equal(t, "rolled back", read(t, ctx, eval[string](`document.querySelector('[aria-label=History] td:nth-child(2)').textContent`)))

	do(t, ctx, chromedp.Click(`tr[data-version^="2"] td.num a`), chromedp.WaitVisible("tr[data-job]"))
	assert.Equal(t, 1, read(t, ctx, eval[int](`document.querySelectorAll('tr[data-job]').length`)), "the job that tried it")
	assert.Empty(t, complaints())
}

func TestARefusedUploadSaysWhichCheckAndWhatWouldPassOnThePage(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	wrong := registrytest.Plugin{Example: `{"version":"9.9.9"}`}
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(s.URL+"/#/plugins"), chromedp.WaitVisible(".plugins li"),
		drop(t, "probe.wasm", wrong.Wasm()), chromedp.WaitVisible("#by"), chromedp.Click(".push button"), chromedp.WaitVisible(".report .problem"))
	said := textOf(t, ctx, ".report .problem")
	for _, want := range []string{"example_failed", "Its own examples", "routine run, example answers", `{"version":"1.0.0"}`, `{"version":"9.9.9"}`} {
		assert.Contains(t, said, want)
	}
	assert.Equal(t, "examples", read(t, ctx, eval[string](`document.querySelector('.steps .failed').dataset.step`)))
	assert.Equal(t, "/docs/errors#example_failed", read(t, ctx, eval[string](`document.querySelector('.report .problem a').getAttribute('href')`)))
	do(t, ctx, chromedp.WaitVisible(".stacked .rejected"))
	shot(t, ctx, "plugin-refused")

	do(t, ctx, pick(t, "notes.txt", []byte("not a module")), chromedp.WaitVisible("#by"), chromedp.Click(".push button"), chromedp.WaitVisible(".report .problem"))
	assert.Contains(t, textOf(t, ctx, ".report .problem"), "not_wasm")
	do(t, ctx, chromedp.Click(".outcome a"), chromedp.WaitVisible("h1"), chromedp.WaitVisible(".report .problem"))
	assert.Equal(t, "An upload", textOf(t, ctx, "h1"), "what was found stays")

	// Two modules, and a signature that is none.
	do(t, ctx, chromedp.Navigate(s.URL+"/#/plugins"), chromedp.WaitVisible(".drop"),
		drop(t, "a.wasm", wrong.Wasm(), "b.wasm", wrong.Wasm()), chromedp.WaitVisible(".drop .problem"))
	assert.Contains(t, textOf(t, ctx, ".drop .problem"), "One module at a time")
	do(t, ctx, drop(t, "a.wasm", wrong.Wasm(), "a.wasm.minisig", []byte("nonsense")), chromedp.WaitVisible("#by"))
	assert.Contains(t, textOf(t, ctx, ".push .file"), "a.wasm.minisig")
	do(t, ctx, chromedp.Click(".push button"), chromedp.WaitVisible(".drop .problem a"))
	assert.Contains(t, textOf(t, ctx, ".drop .problem"), "signature")
	for _, text := range complaints() {
		assert.Contains(t, text, "403", "only the signature that is none")
	}
}

func TestAVersionIsDisabledDeprecatedAndDeletedOnThePage(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	one, two := registrytest.Plugin{Version: "1.0.0"}, registrytest.Plugin{Version: "2.0.0"}
	push(t, s, one.Wasm(), "", nil)
	push(t, s, two.Wasm(), "", nil)
	ctx, complaints := browser(t)
	yes := chromedp.Click(`dialog button[value="yes"]`)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/plugins/probe/1.0.0"), chromedp.WaitVisible("#disable"),
		chromedp.Click("#deprecate"), chromedp.WaitVisible("#answer"), chromedp.SendKeys("#answer", "use 2.0.0\r"), chromedp.WaitVisible(".state .deprecated"))
	assert.Equal(t, "Deprecated: use 2.0.0", textOf(t, ctx, ".note"))
	do(t, ctx, chromedp.Click("#disable"), chromedp.WaitVisible("#answer"), chromedp.SetValue("#answer", "it is slow"), yes, chromedp.WaitVisible(".state .disabled"))
	assert.Equal(t, "Disabled: it is slow", textOf(t, ctx, ".note"))
	assert.Zero(t, read(t, ctx, eval[int](`document.querySelectorAll('.routines a').length`)), "it cannot be tried")
	assert.Equal(t, "enable", read(t, ctx, eval[string](`document.activeElement.id`)), "the next button takes over")
	_, err := s.Client.Submit(t.Context(), core.Request{Routine: "probe@1.0.0/run"}, 0)
	require.ErrorContains(t, err, "plugin_disabled")
	do(t, ctx, chromedp.Click("#enable"), chromedp.WaitVisible("#disable"))

	// The active one cannot be deleted while there is another: the page says why.
	do(t, ctx, chromedp.Navigate(s.URL+"/#/plugins/probe/2.0.0"), chromedp.WaitVisible(".state .active"),
		chromedp.Click("#delete"), chromedp.WaitVisible("dialog[open]"), yes, chromedp.WaitVisible(".problem"))
	assert.Contains(t, textOf(t, ctx, ".problem"), "activate another version first")
	do(t, ctx, chromedp.Navigate(s.URL+"/#/plugins/probe/1.0.0"), chromedp.WaitVisible("#delete"),
		chromedp.Click("#delete"), chromedp.WaitVisible("dialog[open]"), yes, chromedp.WaitVisible(`tr[data-version="2.0.0"]`))
	assert.Equal(t, 1, read(t, ctx, eval[int](`document.querySelectorAll('tr[data-version]').length`)))
	do(t, ctx, chromedp.Navigate(s.URL+"/#/plugins/probe/1.0.0"), chromedp.WaitVisible(".problem"))
	require.GreaterOrEqual(t, len(complaints()), 2)
	assert.Contains(t, complaints()[0], "409")
	for _, text := range complaints()[1:] { // the view may have been reading when it was deleted
		assert.Contains(t, text, "404")
	}
}

// A file of the server's folder that is not served is listed with the reason, beside what
// is served.
func TestThePageListsFilesThatAreNotServed(t *testing.T) {
	t.Parallel()
	host, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, host.Close(context.Background())) })
	s := servertest.StartOn(t, host, server.Config{}, registry.Config{Shipped: []registry.Shipped{
		{Origin: registry.Folder, Place: "secret.wasm", Err: errors.New("open secret.wasm: permission denied")},
	}}, core.Limits{})
	ctx, complaints := browser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/plugins"), chromedp.WaitVisible(`[data-left-out="secret.wasm"]`))
	row := textOf(t, ctx, `[data-left-out="secret.wasm"]`)
	assert.Contains(t, row, "unreadable")
	assert.Contains(t, row, "permission denied")
	assert.Empty(t, complaints())
}

// The checks are shown as they are made: the test holds the stream, and tells.
func TestThePageShowsAVerificationWhileItGoesOn(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/routines"), chromedp.WaitVisible(".routines"), eval[chromedp.Void](`
		delete window.SharedWorker;
		window.EventSource = class { constructor() { this.on = {}; window.stream = this; } addEventListener(type, fn) { this.on[type] = fn; } close() { this.closed = true; } };
		window.tell = (v) => stream.on.module({ data: JSON.stringify({ digest: 'd0', bytes: 9, uploaded: { at: new Date() }, ...v }) });
		const real = window.fetch;
		window.fetch = (at, how) => at.includes('/modules/d0') ? Promise.resolve(new Response(JSON.stringify({ digest: 'd0', bytes: 9, state: 'verifying', uploaded: { at: new Date() } }))) : real(at, how);
		location.hash = '#/uploads/d0';`), chromedp.WaitVisible(".steps .ahead"))
	steps := func() string {
		return read(t, ctx, eval[string](`[...document.querySelectorAll('.steps li')].map((li) => li.dataset.step + ':' + li.className).join(' ')`))
	}
	assert.Equal(t, "vet:ahead rewrite:ahead compile:ahead describe:ahead examples:ahead", steps())
	do(t, ctx, eval[chromedp.Void](`tell({ state: 'verifying', report: { steps: [{ name: 'vet', seconds: 0.01 }], now: 'rewrite' } })`))
	assert.Equal(t, "vet:passed rewrite:running compile:ahead describe:ahead examples:ahead", steps())
	do(t, ctx, eval[chromedp.Void](`tell({ state: 'verifying', name: 'p', version: '1.0.0', report: { steps: ['vet', 'rewrite', 'compile', 'image', 'describe'].map((name) => ({ name, seconds: 1 })), now: 'examples' } })`))
	assert.Equal(t, "vet:passed rewrite:passed compile:passed image:passed describe:passed examples:running", steps())
	do(t, ctx, eval[chromedp.Void](`tell({ state: 'ready', active: true, name: 'p', version: '1.0.0', report: { accepted: true, steps: [{ name: 'vet', seconds: 1 }] } })`))
	assert.Equal(t, "vet:passed", steps())
	assert.Equal(t, "p 1.0.0 is active", read(t, ctx, eval[string](`document.getElementById('announce').textContent`)))
	assert.Empty(t, complaints())
}

// Everything that the plugin views show, in full: a schema, long names, a signature, a
// revoked key, many examples.
func TestPluginViewsFitAPhoneAndTheDark(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	trust := func(name string) (registry.Key, *minisign.PrivateKey) {
		public, private, err := minisign.GenerateKey(nil)
		require.NoError(t, err)
		text, err := public.MarshalText()
		require.NoError(t, err)
		var k registry.Key
		require.NoError(t, s.Client.Post(t.Context(), "/api/v1/keys?by=grace", map[string]string{"key": string(text), "name": name}, &k))
		return k, &private
	}
	_, ada := trust("Ada Lovelace")
	former, _ := trust("a former colleague")
	require.NoError(t, s.Client.Post(t.Context(), "/api/v1/keys/"+former.ID+"/revoke", nil, nil))
	v := push(t, s, guesttest.Builtins(t)["models"], "ada", ada)
	require.Equal(t, "ready", v.State, v.Report.Refusal)
	long := registrytest.Plugin{Name: strings.Repeat("a-plugin-with-a-long-name-", 3)[:64], Version: "10.20.30-alpha.1.beta.2.gamma.3+build.20261125.3f2a91c", Times: 30}
	require.Equal(t, "ready", push(t, s, long.Wasm(), strings.Repeat("a-long-name-", 5), nil).State)
	for i, version := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		p := registrytest.Plugin{Version: version, Salt: "Counts what is in a table"}
		push(t, s, p.Wasm(), []string{"ada", "grace"}[i%2], []*minisign.PrivateKey{ada, nil}[i%2])
	}
	for range 2 {
		_, err := s.Client.Submit(t.Context(), core.Request{Routine: "probe@1.1.0/run", Cache: "off"}, time.Minute)
		require.NoError(t, err)
	}
	require.NoError(t, s.Client.Post(t.Context(), "/api/v1/plugins/probe/versions/1.0.0/deprecate", map[string]string{"note": "use 1.2.0: this one counted twice what was there twice"}, nil))
	require.NoError(t, s.Client.Post(t.Context(), "/api/v1/plugins/probe/versions/1.1.0/disable", map[string]string{"reason": "it is slow"}, nil))
	refused := push(t, s, registrytest.Plugin{Version: "2.0.0", Example: `{"text":"` + strings.Repeat("what was wanted ", 100) + `"}`}.Wasm(), "ada", nil)
	require.Equal(t, "rejected", refused.State)

	ctx, complaints := browser(t)
	longAt := "/#/plugins/" + long.Name
	type shots map[string]string // as what it is seen → name
	views := []struct {
		at, sign string
		shots    shots
	}{
		{"/#/plugins", ".stacked .rejected", shots{"dark": "plugins-dark"}},
		{"/#/plugins/probe", "tr[data-version]", shots{"wide": "plugin", "phone": "plugin-phone"}},
		{"/#/plugins/models/" + v.Version, ".steps .passed", shots{"wide": "plugin-version"}},
		{"/#/uploads/" + refused.Digest, ".report .problem", nil},
		{longAt, "tr[data-version]", nil},
		{longAt + "/" + long.Version, ".report details", nil},
		{"/#/run/" + long.Name + "@" + long.Version + "/run", "#submit", nil},
	}
	look := func(as string) {
		for _, view := range views {
			do(t, ctx, chromedp.Navigate(s.URL+view.at), chromedp.WaitVisible(view.sign),
				eval[chromedp.Void](`document.querySelectorAll('.routines details').forEach((d) => { d.open = true; })`))
			assert.LessOrEqual(t, read(t, ctx, eval[int](`document.documentElement.scrollWidth - window.innerWidth`)), 0, view.at+" "+as)
			if name := view.shots[as]; name != "" {
				shot(t, ctx, name)
			}
		}
	}
	do(t, ctx, chromedp.EmulateViewport(1280, 900))
	look("wide")
	do(t, ctx, chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
	look("phone")
	do(t, ctx, chromedp.EmulateViewport(1280, 900))
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	require.NoError(t, err)
	look("dark")
	assert.Empty(t, complaints())
}
