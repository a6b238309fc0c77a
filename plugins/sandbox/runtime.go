package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// newRuntime is the only place that makes a WebAssembly runtime: a test refuses a
// second one. Nothing but rewritten modules may be run in it, since it has no way of
// its own to end a guest: see meter.go. The memory limit is each job's own: see
// memory.go.
func newRuntime(ctx context.Context, cache wazero.CompilationCache) (wazero.Runtime, error) {
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().
		WithCompilationCache(cache).
		WithCoreFeatures(api.CoreFeaturesV2).
		WithDebugInfoEnabled(true))
	if err := exportHost(ctx, r); err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	if err := exportWASI(ctx, r); err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	if err := exportTick(ctx, r); err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	return r, nil
}

func newCache(dir string) (wazero.CompilationCache, error) {
	if dir == "" {
		return wazero.NewCompilationCache(), nil
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox: compilation cache: %w", err)
	}
	return cache, nil
}
