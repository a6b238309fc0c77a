package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"golang.org/x/sync/errgroup"

	"thresher/plugins/abi"
	"thresher/plugins/hostile"
)

// compilerArgument makes the tests' own program a compiler.
const compilerArgument = "compile-for-the-tests"

// asCompiler is what the program does when it is started as one. How it fails is its
// second argument.
func asCompiler(args []string) int {
	how, folder := args[0], args[1]
	switch how {
	case "crash":
		panic("the compiler crashed")
	case "nothing":
		return 0
	case "full":
		return ExitBlameless
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // it does not return
	}
	if how == "memory" {
		if err := LimitCompiler(256 << 20); err != nil {
			return 1
		}
		for all := [][]byte{}; ; all = append(all, make([]byte, 64<<20)) {
			for i := 0; i < len(all); i++ {
				for at := 0; at < len(all[i]); at += 4096 {
					all[i][at] = 1
				}
			}
		}
	}
	if how == "threads" { // as the runtime does where the system gives it none
		_, _ = os.Stderr.WriteString("runtime: failed to create new OS thread (have 5 already; errno=11)\n")
		return 2
	}
	wasm, err := os.ReadFile("/dev/stdin")
	if err != nil {
		return 1
	}
	if err := Compile(context.Background(), wasm, folder); err != nil {
		_, _ = os.Stderr.WriteString(err.Error()) // the test sees that it is missing
		return 1
	}
	return 0
}

func apart(t *testing.T, dir string, compiler Compiler) *Host {
	t.Helper()
	h, err := New(t.Context(), Config{CacheDir: dir, Compiler: compiler})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close(context.Background())) })
	return h
}

func child(t *testing.T, how string) Compiler {
	self, err := os.Executable()
	require.NoError(t, err)
	return Child(self, compilerArgument, how)
}

// A module is compiled by another process, once: this one reads the code that is
// finished.
func TestAModuleIsCompiledApartAndOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	compiled := 0
	count := func(ctx context.Context, wasm []byte, folder string) error {
		compiled++
		return child(t, "well")(ctx, wasm, folder)
	}
	for range 3 {
		h := apart(t, dir, count)
		p, err := h.Load(t.Context(), hostile.Module{}.Encode(), false)
		require.NoError(t, err)
		c, _ := forgedCall(t, p.Digest)
		_, err = h.Run(t.Context(), c)
		require.NoError(t, err)
	}
	assert.Equal(t, 1, compiled)
	left, err := filepath.Glob(filepath.Join(dir, "compiling-*"))
	require.NoError(t, err)
	assert.Empty(t, left, "its folder is gone")
	entries, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	require.NoError(t, os.Remove(entries[0]))
	_, err = apart(t, dir, count).Load(t.Context(), hostile.Module{}.Encode(), false)
	require.NoError(t, err)
	assert.Equal(t, 2, compiled, "code that is gone is made again, and not by this process")
}

// However its compiler ends, a module is refused, and the host goes on.
func TestACompilerThatFailsRefusesItsModuleAlone(t *testing.T) {
	t.Parallel()
	for how, says := range map[string]string{
		"crash":   "the compiler crashed",
		"nothing": "left no code",
		"memory":  "of memory", // that it may use: Go's runtime has many ways to end without
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := apart(t, dir, child(t, how)).Load(t.Context(), hostile.Module{}.Encode(), false)
			var refused *Refusal
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, "compile_failed", refused.Code)
			assert.Contains(t, refused.Detail, says)
			assert.Less(t, len(refused.Detail), 1200)
			_, err = apart(t, dir, child(t, "well")).Load(t.Context(), hostile.Module{}.Encode(), false)
			assert.NoError(t, err, "nothing of the failure is left")
		})
	}
}

// A compiler that cannot write, or that something kills, is not its module's fault: the
// module is not refused, and can be compiled later.
func TestACompilerThatCannotWorkRefusesNothing(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"full", "killed", "threads"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := apart(t, dir, child(t, how)).Load(t.Context(), hostile.Module{}.Encode(), false)
			require.ErrorIs(t, err, ErrCompiler)
			var refused *Refusal
			assert.False(t, errors.As(err, &refused), err)
			_, err = apart(t, dir, child(t, "well")).Load(t.Context(), hostile.Module{}.Encode(), false)
			assert.NoError(t, err)
		})
	}
	_, err := apart(t, t.TempDir(), Child("/no/such/program")).Load(t.Context(), hostile.Module{}.Encode(), false)
	assert.ErrorIs(t, err, ErrCompiler)
	missing := filepath.Join(t.TempDir(), "no", "folder")
	require.NoError(t, os.WriteFile(filepath.Dir(missing), nil, 0o600))
	assert.ErrorIs(t, Compile(t.Context(), hostile.Module{}.Encode(), missing), ErrCompiler)
}

// A caller that gives up ends the compiler, and is not told that the module is bad.
func TestGivingUpEndsTheCompiler(t *testing.T) {
	t.Parallel()
	why := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	h := apart(t, t.TempDir(), func(context.Context, []byte, string) error {
		cancel(why)
		return errors.New(strings.Repeat("killed", 2))
	})
	_, err := h.Load(ctx, hostile.Module{}.Encode(), false)
	assert.ErrorIs(t, err, why)
}

// The runtime hands out code that it reads from its folder before that is ready to be
// called.
func TestAModuleIsHandedToManyAtOnce(t *testing.T) {
	t.Parallel()
	folder, wasm := t.TempDir(), hostile.Module{Run: hostile.LoopForever}.Encode()
	require.NoError(t, Compile(t.Context(), wasm, folder))
	h, err := New(t.Context(), Config{CacheDir: folder})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	var all errgroup.Group
	for range 16 {
		all.Go(func() error {
			compiled, err := h.translate(t.Context(), wasm)
			if err != nil {
				return err
			}
			guest, err := h.runtime.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithName(""))
			if err != nil {
				return err
			}
			_, err = guest.ExportedFunction(abi.ExportDescribe).Call(t.Context())
			return err
		})
	}
	require.NoError(t, all.Wait())
}
