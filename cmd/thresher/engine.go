package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"thresher/core"
	"thresher/plugins/builtin"
	"thresher/plugins/registry"
	"thresher/plugins/sandbox"
	"thresher/plugins/sandbox/vet"
)

// pluginSetup says where plugins come from, and which are taken.
type pluginSetup struct {
	cacheDir     string // for compiled code
	folder       string // with more plugins than those that ship; empty: none
	limits       vet.Limits
	signed       bool // uploads must be
	disableAfter int  // failures in a row
}

// registry keeps what is uploaded to a host.
func (p pluginSetup) registry(host *sandbox.Host, log *slog.Logger) *registry.Registry {
	most := int64(p.limits.ModuleBytes)
	if most < 0 {
		most = anyModule
	}
	return registry.New(host, registry.Config{MaxBytes: most, RequireSigned: p.signed, DisableAfter: p.disableAfter, Log: log})
}

// anyModule is the most bytes of a module where its limit is taken away.
const anyModule = 1 << 30

// loadPlugins makes a sandbox with the plugins that ship and those in a folder.
func loadPlugins(ctx context.Context, p pluginSetup, log *slog.Logger) (*sandbox.Host, error) {
	compile, err := compiler()
	if err != nil {
		return nil, err
	}
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: p.cacheDir, Compiler: compile, Log: log, Vet: p.limits, Cores: cores})
	if err != nil {
		return nil, err
	}
	modules, err := builtin.Modules()
	if err != nil && p.folder == "" {
		return nil, errors.Join(err, host.Close(ctx))
	}
	var loading errgroup.Group // side by side: that is what a start with few jobs waits for
	for name, wasm := range modules {
		loading.Go(func() error {
			if _, err := host.Load(ctx, wasm, true); err != nil {
				return fmt.Errorf("plugin %s: %w", name, err)
			}
			return nil
		})
	}
	if err := loading.Wait(); err != nil {
		return nil, errors.Join(err, host.Close(ctx))
	}
	if p.folder != "" {
		if err := loadFolder(ctx, host, p.folder); err != nil {
			return nil, errors.Join(err, host.Close(ctx))
		}
	}
	return host, nil
}

func loadFolder(ctx context.Context, host *sandbox.Host, folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, "*.wasm"))
	if err != nil {
		return fmt.Errorf("plugins: %w", err)
	}
	var loading errgroup.Group
	loading.SetLimit(runtime.NumCPU())
	for _, path := range paths {
		loading.Go(func() error {
			wasm, err := readModule(path)
			if err != nil {
				return fmt.Errorf("plugins: %w", err)
			}
			if _, err := host.Load(ctx, wasm, false); err != nil {
				return fmt.Errorf("plugin %s: %w", path, err)
			}
			return nil
		})
	}
	return loading.Wait()
}

// quietHost is a sandbox for looking at one module: it compiles in a process of its own,
// into a folder, and logs nothing. The caller closes it.
func quietHost(ctx context.Context, cacheDir string, limits vet.Limits) (*sandbox.Host, error) {
	compile, err := compiler()
	if err != nil {
		return nil, err
	}
	return sandbox.New(ctx, sandbox.Config{CacheDir: cacheDir, Compiler: compile, Vet: limits, Log: slog.New(slog.DiscardHandler)})
}

// openEngine opens an engine with its registry and its sandbox. closeAll drains until
// ctx ends.
func openEngine(ctx context.Context, cfg core.Config, p pluginSetup) (e *core.Engine, plugins *registry.Registry, closeAll func(context.Context) error, err error) {
	defer lessCollecting()()
	cfg, err = withMemory(cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	var host *sandbox.Host
	e, err = core.OpenWhile(ctx, cfg, func() (core.Plugins, error) {
		var err error
		if host, err = loadPlugins(ctx, p, cfg.Log); err != nil {
			return nil, err
		}
		plugins = p.registry(host, cfg.Log)
		return plugins, nil
	})
	if err != nil && host != nil {
		err = errors.Join(err, host.Close(ctx))
	}
	if err != nil {
		return nil, nil, nil, err
	}
	return e, plugins, func(ctx context.Context) error {
		return errors.Join(e.Close(ctx), host.Close(context.WithoutCancel(ctx)))
	}, nil
}

// lessCollecting lets the heap grow more between two collections until its result is
// called. While records are read hardly anything becomes garbage that is worth going
// through all of them for: it saves a third of the time. GOGC, if set, stands.
func lessCollecting() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(startPercent)
	return func() {
		debug.SetGCPercent(before)
		go debug.FreeOSMemory() // what only the start needed, beside the first requests
	}
}

const startPercent = 300

// vetLimits reads the limits of modules that are given as NAME=VALUE.
func vetLimits(settings []string) (l vet.Limits, err error) {
	for _, s := range settings {
		if err := l.Set(s); err != nil {
			return l, &core.Invalid{Field: "vet", Message: err.Error()}
		}
	}
	return l, nil
}
