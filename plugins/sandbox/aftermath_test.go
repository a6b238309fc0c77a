package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/compilers"
)

// crash runs a plugin's routine named crash.
func crash(t *testing.T, wasm []byte) *job.Error {
	t.Helper()
	h, err := New(t.Context(), Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close(context.Background())) })
	p, err := h.Load(t.Context(), wasm, false)
	require.NoError(t, err)
	c, _ := forgedCall(t, p.Digest)
	c.Routine = "crash"
	_, err = h.Run(t.Context(), c)
	return failure(t, err)
}

func TestACrashInCNamesFileAndLine(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"-gdwarf-4", "-gdwarf-5"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "crash.wasm")
			guesttest.Needs(t, compilers.C(t.Context(), []string{"testdata/lined/crash.c"}, out, compilers.Plugin, format))
			wasm, err := os.ReadFile(out)
			require.NoError(t, err)
			failed := crash(t, wasm)
			assert.Equal(t, "guest_trap", failed.Code)
			assert.Regexp(t, `^integer divide by zero, in routine crash\. It had used \d+ of 16777216 bytes of memory, \d+ of gas\. Its log ends:\nabout to divide$`, failed.Detail)
			require.Len(t, failed.Stack, 2)
			assert.Regexp(t, `^divide\(i32\) i32 at .*testdata/lined/crash\.c:`+lineOf(t, "crash.c", "this is where")+`:\d+$`, failed.Stack[0])
			assert.Regexp(t, `^run\(i32\) i32 at .*testdata/lined/crash\.c:`+lineOf(t, "crash.c", "and from here")+`:\d+$`, failed.Stack[1])
		})
	}
}

func TestACrashInRustNamesFileAndLine(t *testing.T) {
	t.Parallel()
	rustc, err := compilers.Rust(compilers.RustTarget)
	guesttest.Needs(t, err)
	out := filepath.Join(t.TempDir(), "crash.wasm")
	guesttest.Run(t, rustc, "--target", compilers.RustTarget, "-g", "-O", "-Cpanic=abort", "-o", out, "testdata/lined/crash.rs")
	wasm, err := os.ReadFile(out)
	require.NoError(t, err)
	failed := crash(t, wasm)
	assert.Equal(t, "guest_trap", failed.Code)
	assert.Contains(t, failed.Detail, "unreachable, in routine crash")
	stack := strings.Join(failed.Stack, "\n")
	assert.Regexp(t, `(?m)^crash::pick.* at .*testdata/lined/crash\.rs:`+lineOf(t, "crash.rs", "line 19")+`:\d+$`, stack)
	assert.Regexp(t, `(?m)^thresher_run.* at .*testdata/lined/crash\.rs:`+lineOf(t, "crash.rs", "line 24")+`:\d+$`, stack)
}

// Go writes no DWARF for WebAssembly: its panics say file and line in the log.
func TestAPanicInGoNamesFileAndLine(t *testing.T) {
	t.Parallel()
	_, err := attack(t, t.Context(), "panic", newRecorder(t))
	failed := failure(t, err)
	assert.Regexp(t, `Its log ends:\n(.*\n)*panic: `, failed.Detail)
	assert.Regexp(t, `main\.go:\d+`, failed.Detail)
}

func TestDamagedLinesAreLeftOut(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "crash.wasm")
	guesttest.Needs(t, compilers.C(t.Context(), []string{"testdata/lined/crash.c"}, out, compilers.Plugin))
	wasm, err := os.ReadFile(out)
	require.NoError(t, err)
	at := strings.Index(string(wasm), ".debug_line")
	require.Positive(t, at)
	for i := at + len(".debug_line"); i < at+len(".debug_line")+80; i++ {
		damaged := append([]byte(nil), wasm...)
		damaged[i] ^= 0xff
		h, err := New(t.Context(), Config{})
		require.NoError(t, err)
		_, err = h.Load(t.Context(), damaged, false)
		var refused *Refusal
		if !errors.As(err, &refused) { // the next section may begin here
			require.NoError(t, err)
		}
		require.NoError(t, h.Close(t.Context()))
	}
}

// lineOf is the number of the only line of a file that says something.
func lineOf(t *testing.T, file, says string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/lined", file))
	require.NoError(t, err)
	before, _, found := strings.Cut(string(text), says)
	require.True(t, found)
	return strconv.Itoa(strings.Count(before, "\n") + 1)
}

func TestNamesOfRustAreReadable(t *testing.T) {
	t.Parallel()
	for mangled, want := range map[string]string{
		"_ZN5crash4pick17h8abb28bf37abc490E": "crash::pick",
		"_ZN3std9panicking19begin_panic_handler28_$u7b$$u7b$closure$u7d$$u7d$17h106d97be21bfe094E":             "std::panicking::begin_panic_handler::{{closure}}",
		"_ZN71_$LT$core..ops..range..Range$LT$Idx$GT$$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE": "<core::ops::range::Range<Idx> as core::fmt::Debug>::fmt",
		"_ZN99short":  "_ZN99short",
		"_ZN3std":     "_ZN3std",
		"_ZN":         "_ZN",
		"main.divide": "main.divide",
	} {
		assert.Equal(t, want+"(i32)", frame("."+mangled+"(i32)"))
	}
}
