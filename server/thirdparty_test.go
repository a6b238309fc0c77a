package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/plugins/registry"
	"thresher/plugins/sandbox"
	"thresher/server/servertest"
)

// stranger is a module that nobody here wrote, as its authors ship it.
type stranger struct {
	path    string // in wazero's module, where Go keeps it
	from    string // what it was made with
	calls   string // what of it is called, in words; empty: it is not taken
	routine string // what its manifest says of its routine, beside name and params
	params  string
	result  any    // of its job
	code    string // of the refusal, or of its job's failure
	says    string // a part of its detail
}

const (
	preview1 = "imports/wasi_snapshot_preview1/"
	zigCC    = preview1 + "testdata/zig-cc/wasi.wasm"
	isPipe   = "stdin isatty: false\nstdout isatty: false\nstderr isatty: false\n/ isatty: false\n"
)

// strangers are listed in docs/wasi.md.
var strangers = []stranger{
	{path: "examples/cli/testdata/cli.wasm", from: "TinyGo", calls: "adds two params", params: `{"a":3,"b":4}`,
		routine: `"stdout":"text","args":["{a}","{b}"]`, result: "result: 7\n"},
	{path: "examples/cli/testdata/cli.wasm", from: "TinyGo", calls: "subtracts them, by a flag", params: `{"a":3,"b":4,"flag":true}`,
		routine: `"stdout":"text","args":["-sub={flag}","{a}","{b}"]`, result: "result: -1\n"},
	{path: "examples/cli/testdata/cli.wasm", from: "TinyGo", calls: "is not given what it needs", params: `{"a":3}`,
		routine: `"stdout":"text","args":["{a}","{b}"]`, code: "guest_error", says: "bad arguments"},
	{path: preview1 + "testdata/cargo-wasi/wasi.wasm", from: "Rust", calls: "looks at its streams",
		routine: `"stdout":"text","args":["stat"]`, result: isPipe},
	{path: preview1 + "testdata/tinygo/wasi.wasm", from: "TinyGo", calls: "looks at its streams, and at a file that is not there",
		routine: `"stdout":"text","args":["stat"]`, code: "guest_trap", says: "panic: fstat : errno 8"},
	{path: preview1 + "testdata/zig/wasi.wasm", from: "Zig", calls: "looks at its streams",
		routine: `"stdout":"text","args":["stat"]`, result: isPipe},
	{path: zigCC, from: "C, by Zig", calls: "looks at its streams", routine: `"stdout":"text","args":["stat"]`, result: isPipe},
	{path: zigCC, from: "C, by Zig", calls: "waits for its input", routine: `"stdout":"text","args":["poll","0","1"]`, result: "STDIN\n"},
	{path: zigCC, from: "C, by Zig", calls: "sleeps, by the clock that it is given",
		routine: `"stdout":"text","args":["sleepmillis","999"]`, result: "OK\n"},
	{path: zigCC, from: "C, by Zig", calls: "lists a folder", routine: `"stdout":"text","args":["ls","."]`, result: "No such file or directory\n"},
	{path: preview1 + "testdata/print_args.wasm", from: "by hand", calls: "prints its arguments", params: `{"a":"é {b}"}`,
		routine: `"stdout":"text","args":["x","{a}"]`, result: "run\x00x\x00é {b}\x00"},
	{path: "cmd/wazero/testdata/wasi_env.wasm", from: "by hand", calls: "prints its environment", params: `{"a":1}`,
		routine: `"stdout":"text"`, result: "THRESHER_PARAMS={\"a\":1}\x00THRESHER_SEED=0\x00"},
	{path: preview1 + "example/testdata/cargo-wasi/cat.wasm", from: "Rust", calls: "opens a file",
		routine: `"stdout":"text","args":["a.txt"]`, code: "guest_error", says: "error opening: a.txt: No such file or directory"},
	{path: preview1 + "example/testdata/zig/cat.wasm", from: "Zig", calls: "opens a file",
		routine: `"stdout":"text","args":["a.txt"]`, code: "guest_error", says: "error: AccessDenied"},
	{path: preview1 + "example/testdata/zig-cc/cat.wasm", from: "C, by Zig", calls: "opens a file",
		routine: `"stdout":"text","args":["a.txt"]`, code: "guest_error", says: "error opening a.txt"},
	{path: "internal/testing/dwarftestdata/testdata/zig/main.wasm", from: "Zig", calls: "panics",
		routine: `"stdout":"text"`, code: "guest_trap", says: "unreachable"},

	{path: "examples/basic/testdata/add.wasm", from: "TinyGo", code: "abi_unknown", says: "it exports no function of the contract"},
	{path: "experimental/testdata/fac.wasm", from: "by hand", code: "abi_unknown", says: "it exports no function of the contract"},
	{path: "examples/allocation/rust/testdata/greet.wasm", from: "Rust", code: "import_unknown", says: "env.log"},
	{path: "examples/allocation/zig/testdata/greet.wasm", from: "Zig", code: "import_unknown", says: "env.log"},
	{path: "imports/assemblyscript/example/testdata/index.wasm", from: "AssemblyScript", code: "import_unknown", says: "env.trace"},
	{path: "imports/emscripten/testdata/grow.wasm", from: "C++, by Emscripten", code: "import_unknown", says: "env.emscripten_notify_memory_growth"},
	{path: preview1 + "testdata/exit_on_start_unstable.wasm", from: "by hand, for WASI before preview 1", code: "import_unknown", says: "wasi_unstable.proc_exit"},
	{path: preview1 + "testdata/exit_on_start.wasm", from: "by hand, without a memory", routine: `"stdout":"text"`, code: "export_missing", says: `no memory named "memory"`},
	{path: "experimental/testdata/cpp_exceptions.wasm", from: "C++", code: "feature_exceptions", says: "needs exceptions"},
	{path: "experimental/testdata/pthread.wasm", from: "C, with threads", code: "feature_threads", says: "shared memory needs threads"},
}

// Modules that others wrote and built, as they ship them, are uploaded: programs of WASI
// with a manifest beside them, which then run, and modules that are no plugins, which
// are refused for what they are.
func TestModulesOfStrangersRunOrAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	dir := moduleDir(t, "github.com/tetratelabs/wazero")
	var rows strings.Builder
	for n, c := range strangers {
		rows.WriteString(c.row())
		t.Run(fmt.Sprint(c.from, "/", c.calls, n), func(t *testing.T) {
			t.Parallel()
			wasm, err := os.ReadFile(filepath.Join(dir, c.path))
			require.NoError(t, err)
			name := fmt.Sprintf("stranger%d", n)
			if c.routine != "" {
				wasm, err = sandbox.WithManifest(wasm, c.manifest(name))
				require.NoError(t, err)
			}
			_, v := pushed(t, s, wasm, "?wait=60s")
			if c.calls == "" {
				c.isRefused(t, v)
				return
			}
			require.Equal(t, "ready", v.State, v.Report.Refusal)
			req := core.Request{Routine: name + "/run", Params: json.RawMessage(c.params)}
			j, err := s.Client.Submit(t.Context(), req, time.Minute)
			require.NoError(t, err)
			c.ends(t, j)
		})
	}
	doc, err := os.ReadFile("../docs/wasi.md")
	require.NoError(t, err)
	assert.Contains(t, string(doc), rows.String(), "docs/wasi.md should have these lines")
}

func (c stranger) manifest(name string) []byte {
	return fmt.Appendf(nil, `{"name":%q,"version":"1.0.0","summary":"","routines":[{"name":"run","kind":"analysis","title":"",
		"params":{"type":"object","properties":{"a":{},"b":{},"flag":{}}},%s}]}`, name, c.routine)
}

func (c stranger) isRefused(t *testing.T, v registry.View) {
	t.Helper()
	require.Equal(t, "rejected", v.State)
	assert.Equal(t, c.code, v.Report.Refusal.Code)
	assert.Contains(t, v.Report.Refusal.Detail, c.says)
	assert.NotEmpty(t, v.Report.Refusal.Want)
}

func (c stranger) ends(t *testing.T, j core.Job) {
	t.Helper()
	if c.code == "" {
		require.Equal(t, job.Completed, j.Phase, j.Outcome.Error)
		want, err := json.Marshal(c.result)
		require.NoError(t, err)
		assert.JSONEq(t, string(want), string(j.Outcome.Result))
		return
	}
	require.NotNil(t, j.Outcome.Error, "%s", j.Outcome.Result)
	assert.Equal(t, c.code, j.Outcome.Error.Code)
	assert.Contains(t, j.Outcome.Error.Detail, c.says)
}

// row is the module's line in the docs.
func (c stranger) row() string {
	calls, ends := c.calls, "runs"
	if calls == "" {
		calls = "–"
	}
	if c.code != "" {
		ends = "`" + c.code + "`: " + c.says
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", c.path, c.from, calls, ends)
}

// moduleDir is where Go keeps a module that this one needs.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
