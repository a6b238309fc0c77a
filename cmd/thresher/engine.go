package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"

	"thresher/core"
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

// anyModule is the most bytes of a module where its limit is taken away.
const anyModule = 1 << 30

// open makes a registry over a sandbox of its own. Nothing is compiled yet.
func (p pluginSetup) open(ctx context.Context, log *slog.Logger) (*registry.Registry, *sandbox.Host, error) {
	compile, err := compiler()
	if err != nil {
		return nil, nil, err
	}
	shipped, err := p.shipped()
	if err != nil {
		return nil, nil, err
	}
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: p.cacheDir, Compiler: compile, Log: log, Vet: p.limits, Cores: cores})
	if err != nil {
		return nil, nil, err
	}
	return registry.New(host, registry.Config{
		MaxBytes: p.maxBytes(), RequireSigned: p.signed, DisableAfter: p.disableAfter, Shipped: shipped, Log: log,
	}), host, nil
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

// engine is an engine that was opened, with what belongs to it.
type engine struct {
	engine      *core.Engine
	plugins     *registry.Registry
	host        *sandbox.Host
	closeEngine func(context.Context) error // drains until its context ends
}

// openEngine opens an engine with its registry and its sandbox.
func openEngine(ctx context.Context, cfg core.Config, p pluginSetup) (engine, error) {
	defer lessCollecting()()
	cfg, err := withMemory(cfg)
	if err != nil {
		return engine{}, err
	}
	var plugins *registry.Registry
	var host *sandbox.Host
	e, err := core.OpenWhile(ctx, cfg, func() (core.Plugins, error) {
		var err error
		plugins, host, err = p.open(ctx, cfg.Log)
		return plugins, err
	})
	if err != nil && host != nil {
		err = errors.Join(err, host.Close(ctx))
	}
	if err != nil {
		return engine{}, err
	}
	return engine{e, plugins, host, func(ctx context.Context) error {
		return errors.Join(e.Close(ctx), host.Close(context.WithoutCancel(ctx)))
	}}, nil
}

// lessCollecting lets the heap grow more between two collections until its result is
// called. While records are read hardly anything becomes garbage that is worth going
// through all of them for: it saves a third of the time. GOGC, if set, stands.
func lessCollecting() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(startPercent)
	return func() {
		debug.SetGCPercent(servePercent)
		go debug.FreeOSMemory() // what only the start needed, beside the first requests
	}
}

// How much the heap may grow between two collections, in percent of what is in use. While
// serving, half as much again as Go's default shortens the slowest pages of large lists by
// a third (bench/scale); the limit of the heap holds in any case.
const (
	startPercent = 300
	servePercent = 150
)

// vetLimits reads the limits of modules that are given as NAME=VALUE.
func vetLimits(settings []string) (l vet.Limits, err error) {
	for _, s := range settings {
		if err := l.Set(s); err != nil {
			return l, &core.Invalid{Field: "vet", Message: err.Error()}
		}
	}
	return l, nil
}
