package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/cpu"
)

// A Compiler compiles a rewritten module, as [Compile] does, into a folder: in a
// process of its own, so that a module that its compiler chokes on costs that
// process and nothing else. See [Child].
type Compiler func(ctx context.Context, wasm []byte, folder string) error

// Compile compiles a rewritten module and leaves the code in a folder. It is what a
// compiler's process does. It runs nothing of the module.
func Compile(ctx context.Context, wasm []byte, folder string) (err error) {
	cache, err := newCache(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cache.Close(ctx)) }()
	r, err := newRuntime(ctx, cache)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	compiled, err := r.CompileModule(ctx, wasm)
	if err != nil {
		return err
	}
	return compiled.Close(ctx)
}

// translate makes code of a rewritten module. Where there is a compiler, this process
// only reads what that one has finished.
func (h *Host) translate(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	if h.compiler != nil && h.cacheDir != "" && !h.finished(wasm) {
		if err := h.compileApart(ctx, wasm); err != nil {
			return nil, err
		}
		h.trim()
	}
	select {
	case h.handing <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.handing }()
	compiled, err := h.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, h.workers), wasm)
	if err != nil {
		return nil, refuse("invalid_module", "%v", err)
	}
	return compiled, nil
}

// compileApart has the module compiled in a folder of its own, and moves the code to
// the cache when it is whole.
func (h *Host) compileApart(ctx context.Context, wasm []byte) error {
	folder, err := os.MkdirTemp(h.cacheDir, "compiling-")
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	defer os.RemoveAll(folder)
	if err := h.compiler(ctx, wasm, folder); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return refuse("compile_failed", "%v", err)
	}
	var entries []string
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		entry, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		entries = append(entries, entry)
		target := filepath.Join(h.cacheDir, entry)
		return errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.Rename(path, target))
	})
	if err != nil {
		return fmt.Errorf("sandbox: keep compiled code: %w", err)
	}
	if len(entries) == 0 {
		return refuse("compile_failed", "the compiler left no code")
	}
	return os.WriteFile(h.mark(wasm), []byte(strings.Join(entries, "\n")), 0o600)
}

// finished reports whether the module's code is in the cache, whole, for this
// machine.
func (h *Host) finished(wasm []byte) bool {
	entries, err := os.ReadFile(h.mark(wasm))
	if err != nil {
		return false
	}
	for entry := range strings.SplitSeq(string(entries), "\n") {
		if _, err := os.Stat(filepath.Join(h.cacheDir, entry)); err != nil {
			return false
		}
		h.used(entry)
	}
	h.used(filepath.Base(h.mark(wasm)))
	return true
}

// mark is the file that says that a module's code is finished. Its name is that of
// the rewritten bytes, and so of how they were rewritten, and of what the code relies
// on: the runtime's version is in the entries that it lists.
func (h *Host) mark(wasm []byte) string {
	sum := sha256.New()
	sum.Write(wasm)
	fmt.Fprintf(sum, "%+v %+v", cpu.X86, cpu.ARM64)
	return filepath.Join(h.cacheDir, "finished-"+hex.EncodeToString(sum.Sum(nil)))
}
