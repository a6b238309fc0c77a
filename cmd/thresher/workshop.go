package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"thresher/client"
	"thresher/core"
	"thresher/core/guard"
	"thresher/core/ledger"
	"thresher/core/work"
	"thresher/plugins/author"
	"thresher/plugins/sandbox"
	"thresher/server"
)

// workshop is what `plugins dev` keeps from one run to the next, because it is slow to
// start: compilers, and a server of its own that can run the plugin as it was built last.
type workshop struct {
	builder author.Builder
	latest  *latest
	engine  *core.Engine
	server  *server.Server
	served  chan error
	client  *client.Client
	dir     string // of the engine; gone in the end
	took    string // by what was built last
	built   time.Time
}

// openWorkshop opens one. The caller closes it.
func openWorkshop(ctx context.Context, s streams) (w *workshop, err error) {
	w = &workshop{latest: newLatest(), served: make(chan error, 1)}
	if w.dir, err = os.MkdirTemp("", "thresher-dev-"); err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelError}))
	w.engine, err = core.Open(context.WithoutCancel(ctx), core.Config{Dir: w.dir, Sync: ledger.SyncInterval, Log: log}, w.latest)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.dir))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, w.engine.Close(ctx), os.RemoveAll(w.dir))
	}
	w.server = server.New(server.Config{Version: version, Log: log}, w.engine, nil)
	go func() { w.served <- w.server.Serve(listener) }()
	w.client = client.New("http://" + listener.Addr().String())
	return w, nil
}

func (w *workshop) close(ctx context.Context) error {
	now, cancel := context.WithCancel(ctx)
	cancel() // there is nothing to wait for
	w.builder.Close()
	return errors.Join(w.engine.Close(now), w.server.Shutdown(ctx), <-w.served, w.latest.put(nil), os.RemoveAll(w.dir))
}

// begin starts the clock that tells what a run took. end stops it.
func (w *workshop) begin() (end func()) {
	start := time.Now()
	w.built = time.Time{}
	return func() {
		w.took = fmt.Sprintf("%.2f s", time.Since(start).Seconds())
		if !w.built.IsZero() {
			w.took += fmt.Sprintf(", of that %.2f s for the build", w.built.Sub(start).Seconds())
		}
	}
}

// build builds the plugin of a folder and lets the engine run it, in place of what it ran
// before.
func (w *workshop) build(ctx context.Context, dir string) (core.Plugin, error) {
	wasm, err := w.builder.Build(ctx, dir)
	if err != nil {
		return core.Plugin{}, notBuilt(ctx, err)
	}
	w.built = time.Now()
	// What its author compiles again and again here needs neither a process of its own
	// nor a place on the disk.
	host, err := sandbox.New(ctx, sandbox.Config{Log: slog.New(slog.DiscardHandler), Workers: runtime.GOMAXPROCS(0)})
	if err != nil {
		return core.Plugin{}, err
	}
	plugin, err := host.Load(ctx, wasm, false)
	if err != nil {
		return core.Plugin{}, errors.Join(err, host.Close(context.WithoutCancel(ctx)))
	}
	return plugin, w.latest.put(&loadedPlugin{host: host, plugin: plugin})
}

// rehearse checks the examples of what was built last.
func (w *workshop) rehearse(ctx context.Context, out io.Writer) error {
	var p *loadedPlugin
	w.latest.now.Must(func(now **loadedPlugin) { p = *now })
	passed, err := rehearse(ctx, out, p.host, p.plugin.Digest, "")
	if err == nil && passed > 0 {
		fmt.Fprintf(out, "examples that passed: %d\n", passed)
	}
	return err
}

// latest is all that a workshop's engine can run: the plugin as it was built last.
type latest struct{ now *guard.Value[*loadedPlugin] }

// loadedPlugin is a plugin in a sandbox of its own, as a sandbox forgets nothing that it
// has loaded.
type loadedPlugin struct {
	host   *sandbox.Host
	plugin core.Plugin
	users  sync.WaitGroup // jobs that run it; added to only while it is the latest
}

func newLatest() *latest {
	return &latest{guard.New[*loadedPlugin]("latest", guard.RankRegistry, nil)}
}

// put puts a plugin, or none, in the place of the one before, which it closes when no job
// runs it any more.
func (l *latest) put(p *loadedPlugin) error {
	var before *loadedPlugin
	l.now.Must(func(now **loadedPlugin) { before, *now = *now, p })
	if before == nil {
		return nil
	}
	before.users.Wait()
	return before.host.Close(context.Background())
}

// List implements [core.Plugins].
func (l *latest) List() (list []core.Plugin) {
	l.now.Must(func(now **loadedPlugin) {
		if *now != nil {
			list = append(list, (*now).plugin)
		}
	})
	return list
}

// Run implements [work.Runner].
func (l *latest) Run(ctx context.Context, call work.Call) (work.Report, error) {
	var p *loadedPlugin
	l.now.Must(func(now **loadedPlugin) {
		if p = *now; p != nil {
			p.users.Add(1)
		}
	})
	if p == nil {
		return work.Report{}, errors.New("nothing was built yet")
	}
	defer p.users.Done()
	return p.host.Run(ctx, call)
}
