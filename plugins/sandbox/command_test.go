package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/compilers"
)

// commandHost returns a host with a program and its manifest loaded.
func commandHost(t *testing.T, wasm []byte, manifest string) (*Host, string, error) {
	t.Helper()
	h, err := New(t.Context(), Config{CacheDir: guesttest.CacheDir(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close(context.Background())) })
	with, err := WithManifest(wasm, []byte(manifest))
	require.NoError(t, err)
	if len(with) > 1<<20 {
		file := filepath.Join(t.TempDir(), "large.wasm")
		require.NoError(t, os.WriteFile(file, with, 0o600))
		require.NoError(t, guesttest.Warm(file))
	}
	p, err := h.Load(t.Context(), with, false)
	return h, p.Digest, err
}

func goCommand(t *testing.T) (wasm []byte, manifest string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "sum.wasm")
	guesttest.Needs(t, compilers.Go(t.Context(), "testdata/command", out, compilers.Command))
	wasm, err := os.ReadFile(out)
	require.NoError(t, err)
	text, err := os.ReadFile("testdata/command/manifest.json")
	require.NoError(t, err)
	return wasm, string(text)
}

func cCommand(t *testing.T, source string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "command.wasm")
	file := source
	if !strings.HasSuffix(source, ".c") {
		file = filepath.Join(t.TempDir(), "command.c")
		require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	}
	guesttest.Needs(t, compilers.C(t.Context(), []string{file}, out, compilers.Command))
	wasm, err := os.ReadFile(out)
	require.NoError(t, err)
	return wasm
}

func commandCall(t *testing.T, digest, name, params string, inputs map[string]*table.File) (work.Call, *recorder) {
	r := newRecorder(t)
	return work.Call{
		Job: "J", Digest: digest, Routine: name, Kind: routine.Analysis, Params: json.RawMessage(params), Seed: 7, Host: r, Inputs: inputs,
		Limits: job.Limits{MemoryBytes: 64 << 20, OutputBytes: 32 << 20, LogBytes: 1 << 20},
	}, r
}

func TestAProgramReadsItsTableAndParamsAndWritesItsResult(t *testing.T) {
	t.Parallel()
	wasm, manifest := goCommand(t)
	h, digest, err := commandHost(t, wasm, manifest)
	require.NoError(t, err)
	in := map[string]*table.File{"data": sealed(t, "a,b\n1,x\n2,y\n4,z\n")}
	for range 2 { // the second has an instance that the first left
		c, r := commandCall(t, digest, "sum", `{"column":"a"}`, in)
		report, err := h.Run(t.Context(), c)
		require.NoError(t, err)
		assert.JSONEq(t, `{"rows": 3, "sum": 7, "params": {"column": "a"}}`, string(report.Result))
		assert.Equal(t, "3 rows, seed 7\n", r.log.String())
	}

	c, r := commandCall(t, digest, "running", `{"column":"a","to":"csv"}`, in)
	report, err := h.Run(t.Context(), c)
	require.NoError(t, err)
	assert.JSONEq(t, `{"rows": 3}`, string(report.Result))
	var text strings.Builder
	require.NoError(t, table.WriteCSV(&text, r.tables["sums"], 0, 10))
	assert.Equal(t, "running\n1\n3\n7\n", text.String())

	c, _ = commandCall(t, digest, "sum", `{"column":"c"}`, in)
	_, err = h.Run(t.Context(), c)
	assert.Equal(t, &job.Error{Code: "guest_error", Title: "The program ended with exit code 3", Detail: `no column "c" among [a b]`}, failure(t, err))

	c, _ = commandCall(t, digest, "sum", `{"column":"a","rate":3}`, in)
	_, err = h.Run(t.Context(), c)
	assert.Equal(t, "The program ended with exit code 2", failure(t, err).Title, "params are arguments: this program knows no --rate")
}

// What a program is given comes back as the same table, in every format.
func TestTablesPassThroughAProgramInEveryFormat(t *testing.T) {
	t.Parallel()
	wasm := cCommand(t, "testdata/command/echo.c")
	var text strings.Builder
	text.WriteString("n,x,flag,name,day,at\n")
	for n := range 20_000 {
		fmt.Fprintf(&text, "%d,%d.5,%v,\"é \"\"%d\"\"\",2024-02-%02d,2024-02-03T04:05:06Z\n", n, n, n%2 == 0, n, n%28+1)
	}
	text.WriteString("1,,,,,\n")
	in := sealed(t, text.String())
	var want strings.Builder
	require.NoError(t, table.WriteCSV(&want, in, 0, in.Rows()))
	for _, format := range []string{"csv", "ndjson", "arrow"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			h, digest, err := commandHost(t, wasm, fmt.Sprintf(`{"name": "echo-%[1]s", "version": "1.0.0", "summary": "", "routines": [{"name": "echo",
				"kind": "analysis", "title": "", "params": {}, "stdin": "%[1]s", "stdout": "%[1]s", "inputs": [{"name": "in"}], "outputs": [{"name": "out"}]}]}`, format))
			require.NoError(t, err)
			c, r := commandCall(t, digest, "echo", `{}`, map[string]*table.File{"in": in})
			r.left = 1 << 40
			report, err := h.Run(t.Context(), c)
			require.NoError(t, err)
			assert.JSONEq(t, `{"rows": 20001}`, string(report.Result))
			var got strings.Builder
			require.NoError(t, table.WriteCSV(&got, r.tables["out"], 0, in.Rows()))
			assert.Equal(t, want.String(), got.String())
			assert.Equal(t, "done\n", r.log.String())
		})
	}
}

func TestAProgramThatBreaksTheContractIsTold(t *testing.T) {
	t.Parallel()
	head := "#include <stdio.h>\n#include <stdlib.h>\nint main(int argc, char **argv) { (void)argc; (void)argv; "
	for name, c := range map[string]struct{ code, stdout, body, says string }{
		"no result":          {"abi_violation", "json", `return 0;`, "wrote nothing to standard output"},
		"no JSON":            {"abi_violation", "json", `puts("hello"); return 0;`, `it begins with "hello"`},
		"two results":        {"abi_violation", "json", `puts("{}\n{}"); return 0;`, "not JSON"},
		"no text":            {"abi_violation", "text", `puts("\xff"); return 0;`, "not UTF-8"},
		"failure in words":   {"guest_error", "text", `puts("no such column"); return 2;`, "no such column"},
		"too much text":      {"output_limit", "text", `for (;;) puts("0123456789");`, "limit"},
		"no table":           {"abi_violation", "arrow", `puts("hello"); return 0;`, "no table in arrow"},
		"silent failure":     {"guest_error", "json", `return 4;`, "it wrote nothing"},
		"failure after rows": {"guest_error", "csv", `puts("a\n1"); fputs("half done", stderr); return 1;`, "half done"},
		"too much":           {"output_limit", "json", `for (;;) puts("0123456789");`, "limit"},
		"too many rows":      {"output_limit", "csv", `for (;;) puts("0123456789");`, "limit"},
		"abort":              {"guest_trap", "json", `fputs("I abort", stderr); abort();`, "I abort"},
		"a file":             {"guest_error", "json", `if (!fopen("/etc/passwd", "r")) { perror("open"); return 1; }`, "open: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outputs := ""
			if c.stdout != "json" && c.stdout != "text" {
				outputs = `, "outputs": [{"name": "out"}]`
			}
			h, digest, err := commandHost(t, cCommand(t, head+c.body+"}\n"), fmt.Sprintf(`{"name": "wrong", "version": "1.0.0", "summary": "",
				"routines": [{"name": "wrong", "kind": "analysis", "title": "", "params": {}, "stdout": %q%s}]}`, c.stdout, outputs))
			require.NoError(t, err)
			call, _ := commandCall(t, digest, "wrong", `{}`, nil)
			call.Limits.OutputBytes = 1 << 20
			_, err = h.Run(t.Context(), call)
			failed := failure(t, err)
			assert.Equal(t, c.code, failed.Code, failed)
			assert.Contains(t, failed.Detail, c.says)
		})
	}
}

func TestManifestsOfProgramsAreHeldAgainstWhatProgramsCan(t *testing.T) {
	t.Parallel()
	wasm := cCommand(t, "testdata/command/echo.c")
	for routine, says := range map[string]string{
		`"kind": "simulation"`:                                                                             "a program runs from its start to its end",
		`"kind": "importer", "outputs": [{"name": "a"}]`:                                                   "want no stdin, and stdout csv, ndjson or arrow",
		`"kind": "analysis", "stdin": "xml"`:                                                               `stdin "xml"`,
		`"kind": "analysis", "stdout": "xml"`:                                                              `stdout "xml"`,
		`"kind": "analysis", "args": ["-n", "{n}"]`:                                                        "there is no param n",
		`"kind": "analysis", "stdout": "text", "outputs": [{"name": "a"}]`:                                 "with stdout json or text there are none",
		`"kind": "analysis", "stdout": "csv"`:                                                              "0 outputs",
		`"kind": "analysis", "outputs": [{"name": "a"}]`:                                                   "with stdout json or text there are none",
		`"kind": "analysis", "inputs": [{"name": "a"}, {"name": "b"}]`:                                     "several with stdin arrow",
		`"kind": "analysis", "stdin": "arrow", "inputs": [{"name": "a"}, {"name": "b", "optional": true}]`: "which is missing",
	} {
		_, _, err := commandHost(t, wasm, `{"name": "echo", "version": "1.0.0", "summary": "", "routines": [{"name": "echo", "title": "", "params": {}, `+routine+`}]}`)
		var refused *Refusal
		require.ErrorAs(t, err, &refused, routine)
		assert.Equal(t, "manifest_invalid", refused.Code)
		assert.Contains(t, refused.Detail, says)
	}
	h, err := New(t.Context(), Config{CacheDir: guesttest.CacheDir(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close(context.Background())) })
	_, err = h.Load(t.Context(), wasm, false)
	var refused *Refusal
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "abi_unknown", refused.Code)
	assert.Contains(t, refused.Detail, "without a manifest: put one into a file of its name that ends in .json")
}

func TestAProgramThatReadsNothingLeavesNobodyWaiting(t *testing.T) {
	t.Parallel() // TestMain looks for what was left
	h, digest, err := commandHost(t, cCommand(t, "#include <stdio.h>\nint main(void) { puts(\"1\"); return 0; }\n"),
		`{"name": "deaf", "version": "1.0.0", "summary": "", "routines": [{"name": "deaf", "kind": "analysis", "title": "", "params": {}, "inputs": [{"name": "in"}]}]}`)
	require.NoError(t, err)
	c, _ := commandCall(t, digest, "deaf", `{}`, map[string]*table.File{"in": sealed(t, "a\n"+strings.Repeat("1\n", 100_000))})
	report, err := h.Run(t.Context(), c)
	require.NoError(t, err)
	assert.JSONEq(t, `1`, string(report.Result))
}
