package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"thresher/bench/quiet"
)

// way is one way to call an empty export of a guest in an instance of its own.
type way struct {
	name string
	do   func(context.Context) error
	stop func(context.Context) error
	took []time.Duration
	rate float64 // calls a second, of two goroutines
}

const turns = 3 // each way is measured so often, by turns, so that all see the same machine

// fresh is a call that nothing of another call can reach.
func fresh(ctx context.Context, b *bench) error {
	title("A fresh isolated call of an empty export: p50, p99, calls/s of two goroutines, and times slower than Thresher")
	for _, g := range b.guests {
		ways, err := waysOf(ctx, b, g)
		if err != nil {
			return err
		}
		for range turns {
			for _, w := range ways {
				if err := w.measure(ctx, 700*time.Millisecond); err != nil {
					return fmt.Errorf("%s, %s: %w", g.name, w.name, err)
				}
			}
		}
		base := percentile(ways[0].took, 0.5)
		for _, w := range ways {
			fmt.Printf("%-16s %-24s %10.1f µs %10.1f µs %10.0f/s %8.0f×\n", g.name, w.name, micros(percentile(w.took, 0.5)), micros(percentile(w.took, 0.99)),
				w.rate, float64(percentile(w.took, 0.5))/float64(base))
			if err := w.stop(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func waysOf(ctx context.Context, b *bench, g guest) ([]*way, error) {
	empty := call(g, "nothing", quiet.Host{})
	ways := []*way{{name: "Thresher, Host.Run", stop: func(context.Context) error { return nil }, do: func(ctx context.Context) error {
		_, err := b.host.Run(ctx, empty)
		return err
	}}}
	for _, make := range []func(context.Context, guest) (*way, error){plainWay, extismWay} {
		w, err := make(ctx, g)
		if err != nil {
			return nil, err
		}
		ways = append(ways, w)
	}
	return ways, nil
}

// plainWay is wazero as its documentation has it: the module is compiled once, and
// instantiated for each call.
func plainWay(ctx context.Context, g guest) (*way, error) {
	r, err := plainRuntime(ctx, wazero.NewRuntimeConfigCompiler())
	if err != nil {
		return nil, err
	}
	compiled, err := r.CompileModule(ctx, g.wasm)
	if err != nil {
		return nil, err
	}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize")
	return &way{name: "wazero", stop: r.Close, do: func(ctx context.Context) error {
		m, err := r.InstantiateModule(ctx, compiled, config)
		if err != nil {
			return err
		}
		_, err = m.ExportedFunction("nothing").Call(ctx)
		return errors.Join(err, m.Close(ctx))
	}}, nil
}

func plainRuntime(ctx context.Context, config wazero.RuntimeConfig) (wazero.Runtime, error) {
	r := wazero.NewRuntimeWithConfig(ctx, config)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	return r, nil
}

// extismWay is Extism's Go SDK: the plugin is compiled once, with an instance for each
// call.
func extismWay(ctx context.Context, g guest) (*way, error) {
	manifest := extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: g.wasm}}}
	compiled, err := extism.NewCompiledPlugin(ctx, manifest, extism.PluginConfig{EnableWasi: true}, nil)
	if err != nil {
		return nil, err
	}
	config := wazero.NewModuleConfig().WithStdout(io.Discard)
	return &way{name: "Extism Go SDK", stop: compiled.Close, do: func(ctx context.Context) error {
		p, err := compiled.Instance(ctx, extism.PluginInstanceConfig{ModuleConfig: config})
		if err != nil {
			return err
		}
		_, _, err = p.CallWithContext(ctx, "nothing", nil)
		return errors.Join(err, p.Close(ctx))
	}}, nil
}

// measure lets one goroutine make calls, and then two, each for a while.
func (w *way) measure(ctx context.Context, length time.Duration) error {
	for range 20 {
		if err := w.do(ctx); err != nil {
			return err
		}
	}
	for began := time.Now(); time.Since(began) < length; {
		start := time.Now()
		if err := w.do(ctx); err != nil {
			return err
		}
		w.took = append(w.took, time.Since(start))
	}
	var all sync.WaitGroup
	var calls [2]int
	var errs [2]error
	began := time.Now()
	for n := range calls {
		all.Go(func() {
			for time.Since(began) < length && errs[n] == nil {
				errs[n] = w.do(ctx)
				calls[n]++
			}
		})
	}
	all.Wait()
	w.rate = max(w.rate, float64(calls[0]+calls[1])/time.Since(began).Seconds())
	return errors.Join(errs[:]...)
}
