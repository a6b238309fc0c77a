package sandbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/cpu"
)

// A Compiler compiles a rewritten module, as [Compile] does, into a folder: in a
// process of its own, so that a module that its compiler chokes on costs that
// process and nothing else. See [Child]. An error that wraps [ErrCompiler] is not the
// module's fault.
type Compiler func(ctx context.Context, wasm []byte, folder string) error

// ErrCompiler is wrapped by the error of a compiler that could not do its work: the disk
// is full, or something ended its process. The same module may be compiled later.
var ErrCompiler = errors.New("the compiler could not do its work")

// Compile compiles a rewritten module and leaves the code in a folder. It is what a
// compiler's process does. It runs nothing of the module.
func Compile(ctx context.Context, wasm []byte, folder string) (err error) {
	cache, err := newCache(folder)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCompiler, err)
	}
	defer func() { err = errors.Join(err, cache.Close(ctx)) }()
	r, err := newRuntime(ctx, cache)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	compiled, err := r.CompileModule(experimental.WithCompilationWorkers(ctx, compileWorkers(ctx)), wasm)
	if file := (*fs.PathError)(nil); errors.As(err, &file) && !errors.Is(err, syscall.EFBIG) { // it compiled, and could not be kept
		return fmt.Errorf("%w: %w", ErrCompiler, err)
	}
	if err != nil {
		return refuse("invalid_module", "%v", err)
	}
	return compiled.Close(ctx)
}

type workersKey struct{}

// compileWorkers is how many goroutines compile a module: someone waits for it.
func compileWorkers(ctx context.Context) int {
	n, _ := ctx.Value(workersKey{}).(int)
	return cmp.Or(n, min(runtime.GOMAXPROCS(0), 4))
}

// compileHere is the compiler of a host that was given none.
func (h *Host) compileHere(ctx context.Context, wasm []byte, folder string) error {
	return Compile(context.WithValue(ctx, workersKey{}, h.workers), wasm, folder)
}

// translate makes code of a rewritten module. Where there is a cache, the runtime only
// reads what a compiler has finished; code there that it cannot read is compiled once
// more.
func (h *Host) translate(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	if h.cacheDir == "" {
		compiled, err := h.hand(ctx, wasm)
		if err != nil && ctx.Err() == nil {
			return nil, refuse("invalid_module", "%v", err)
		}
		return compiled, err
	}
	for last := false; ; last = true {
		if !h.finished(wasm) {
			if err := h.compileApart(ctx, wasm); err != nil {
				return nil, err
			}
			h.trim()
		}
		compiled, err := h.hand(ctx, wasm)
		if err == nil || ctx.Err() != nil || last {
			return compiled, err
		}
		h.lost("compiled code unusable: compiling again", err)
		h.forget(h.mark(wasm))
	}
}

// hand gives the runtime a module, one at a time.
func (h *Host) hand(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	select {
	case h.handing <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.handing }()
	return h.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, h.workers), wasm)
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
		return failedCompile(ctx, err)
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
		return h.place(path, entry)
	})
	if err != nil {
		return fmt.Errorf("sandbox: keep compiled code: %w", err)
	}
	if len(entries) == 0 {
		return refuse("compile_failed", "the compiler left no code")
	}
	return h.finish(wasm, entries)
}

// failedCompile tells a module that cannot be compiled from a compiler that could not
// do its work.
func failedCompile(ctx context.Context, err error) error {
	var refused *Refusal
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, ErrCompiler):
		return fmt.Errorf("sandbox: %w", err)
	}
	return refuse("compile_failed", "%v", err)
}

// finish writes the mark of a module's code.
func (h *Host) finish(wasm []byte, entries []string) error {
	text, err := h.seal(h.mark(wasm), entries)
	if err == nil {
		err = h.write(h.mark(wasm), []byte(text))
	}
	if err != nil {
		return fmt.Errorf("sandbox: keep compiled code: %w", err)
	}
	return nil
}

// write puts a file into the cache, whole.
func (h *Host) write(entry string, content []byte) error {
	return h.writeWith(entry, func(f *os.File) error { _, err := f.Write(content); return err })
}

// writeWith is write with a file that fill writes.
func (h *Host) writeWith(entry string, fill func(*os.File) error) error {
	f, err := os.CreateTemp(h.cacheDir, "rewriting-")
	if err != nil {
		return err
	}
	if err = errors.Join(fill(f), f.Close()); err == nil {
		err = h.place(f.Name(), entry)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // gone already, maybe
	}
	return err
}

// finished reports whether the module's code is in the cache, whole, for this
// machine.
func (h *Host) finished(wasm []byte) bool {
	mark := h.mark(wasm)
	entries, err := h.marked(mark)
	if err != nil {
		if _, missing := os.Lstat(filepath.Join(h.cacheDir, mark)); missing == nil {
			h.lost("compiled code unusable: compiling again", err)
			h.forget(mark)
		}
		return false
	}
	h.used(append(entries, mark)...)
	return true
}

// forget drops a mark and the files that it names.
func (h *Host) forget(mark string) {
	entries, _ := h.marked(mark) // those that it names up to the first that is damaged
	for _, entry := range append(entries, mark) {
		h.drop(entry)
	}
}

// mark is the file that says that a module's code is finished. Its name is that of
// the rewritten bytes, and so of how they were rewritten, and of what the code relies
// on: the runtime's version is in the entries that it lists.
func (h *Host) mark(wasm []byte) string {
	sum := sha256.New()
	sum.Write(wasm)
	fmt.Fprintf(sum, "%+v %+v", cpu.X86, cpu.ARM64)
	return "finished-" + hex.EncodeToString(sum.Sum(nil))
}
