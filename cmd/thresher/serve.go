package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/server"
)

// serveFlags say how a server works.
type serveFlags struct {
	Listen        string        `help:"Address to listen on. Only this machine's own: there are no keys." default:"127.0.0.1:5000"`
	Data          string        `help:"Folder that everything is kept in." default:"./thresher-data" type:"path"`
	Sync          string        `help:"When a write is on disk: always (before it is acknowledged) or interval (seconds later; a power cut loses the newest)." default:"always" enum:"always,interval"`
	Slots         int           `help:"Jobs that run at once; 0: as many as cores. Limits that were changed while a server ran are stored, and win." default:"0"`
	QueueCap      int           `help:"Jobs that may wait; 0: 10000. The stored limit wins, as for --slots." default:"0"`
	Memory        size          `help:"Memory that the server may use, jobs included, such as 2GiB; a number alone is MiB. Default: the container's limit, or else the machine's memory." placeholder:"SIZE"`
	Plugins       string        `help:"Folder with more plugins (*.wasm) to load." type:"path"`
	Vet           []string      `sep:"none" help:"A limit of what a plugin's module may be like: NAME=VALUE, -1 for none. docs/abi.md lists them." placeholder:"NAME=VALUE"`
	RequireSigned bool          `help:"Take only plugins that a trusted key has signed: see thresher keys."`
	DisableAfter  int           `help:"After how many jobs in a row that crashed or took too long a version is disabled; 0: never." default:"0" placeholder:"N"`
	Drain         time.Duration `help:"How long shutdown may take: running jobs have most of it to end; the rest run again at the next start." default:"10s"`
	LogLevel      slog.Level    `help:"debug, info, warn or error." default:"info"`
	Pprof         string        `help:"Serve profiles of this process, for go tool pprof, at another loopback address." placeholder:"ADDRESS"`
}

type serveCmd struct {
	serveFlags `embed:""`
}

// Run serves until ctx ends.
func (f *serveCmd) Run(ctx context.Context, s streams, c *commands) error {
	return serve(ctx, f.serveFlags, s, c.JSON, func(context.Context, string) error { return nil })
}

// serve starts a server, calls ready with its address, and serves until ctx ends
// or ready fails.
func serve(ctx context.Context, f serveFlags, s streams, asJSON bool, ready func(ctx context.Context, url string) error) (err error) {
	if err := server.CheckListen(f.Listen); err != nil {
		return &core.Invalid{Field: "listen", Message: err.Error()}
	}
	limits, err := vetLimits(f.Vet)
	if err != nil {
		return err
	}
	log, say := logTo(s.err, f.LogLevel, asJSON)
	slog.SetDefault(log)
	if err := checkPluginFolder(f.Plugins); err != nil {
		return err
	}
	if err := makeDataFolder(f.Data); err != nil {
		return err
	}
	listener, err := listen("listen", f.Listen)
	if err != nil {
		return err
	}
	endProfiles, err := serveProfiles(f.Pprof)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer endProfiles()
	srv := server.Starting(server.Config{Version: version, Log: log})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	started, err := start(ctx, core.Config{
		Dir: f.Data, Sync: ledger.Sync(f.Sync), Log: log,
		Memory: int64(f.Memory), Recovering: srv.Recovering,
		Limits: core.Limits{Slots: cmp.Or(f.Slots, leaveRoom()), QueueCap: f.QueueCap},
	}, pluginSetup{
		cacheDir: filepath.Join(f.Data, "cache"), folder: f.Plugins, limits: limits,
		signed: f.RequireSigned, disableAfter: f.DisableAfter,
	})
	if ctx.Err() != nil {
		say("Shutting down: it had not started yet")
		return errors.Join(started.close(), hangUp(srv))
	}
	if err != nil {
		return errors.Join(err, hangUp(srv))
	}
	srv.Open(started.engine, started.plugins)
	f.warnOfStored(started.engine.Limits(), log)
	go sayHowFast(f, log)
	url := "http://" + listener.Addr().String()
	say("Thresher %s serves %s, data in %s", version, url, f.Data)

	readyErr := ready(ctx, url)
	if readyErr == nil {
		select {
		case <-ctx.Done():
		case err := <-served:
			readyErr = fmt.Errorf("serve: %w", err)
			served <- nil
		}
	}
	say("Shutting down: waiting for running jobs")
	return errors.Join(readyErr, shutDown(f.Drain, srv, started.closeEngine, served))
}

// makeDataFolder makes the folder, unless something else is there.
func makeDataFolder(dir string) error {
	err := ledger.CheckFolder(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return &core.Invalid{Field: "data", Message: err.Error()}
	}
	return nil
}

// checkPluginFolder refuses what is no folder; none is fine.
func checkPluginFolder(dir string) error {
	if dir == "" {
		return nil
	}
	if _, err := os.ReadDir(dir); err != nil {
		return &core.Invalid{Field: "plugins", Message: fmt.Sprintf("%s: %v: want a folder with modules (*.wasm)", dir, reason(err))}
	}
	return nil
}

// warnOfStored says which flags have no effect because limits that were changed while a
// server ran are stored, and win.
func (f serveFlags) warnOfStored(stored core.Limits, log *slog.Logger) {
	for _, l := range []struct {
		flag, name    string
		given, stored int
	}{{"--slots", "slots", f.Slots, stored.Slots}, {"--queue-cap", "queue_cap", f.QueueCap, stored.QueueCap}} {
		if l.given != 0 && l.given != l.stored {
			log.Warn("flag not used: the stored limit wins", "flag", l.flag, "given", l.given, "stored", l.stored,
				"change_it_with", fmt.Sprintf("thresher limits %s=%d", l.name, l.given))
		}
	}
}

// hangUp ends a server that has not started.
func hangUp(s *server.Server) error {
	end, cancel := context.WithTimeout(context.Background(), leastLastWords)
	defer cancel()
	return s.Shutdown(end)
}

// startGrace is how long an interrupted start may take to end in good order. What it has
// written by then is as after a crash: the next start reads it.
const startGrace = 1500 * time.Millisecond

// start opens an engine. When ctx ends it returns, with the engine or without.
func start(ctx context.Context, cfg core.Config, p pluginSetup) (engine, error) {
	type result struct {
		engine
		err error
	}
	opened := make(chan result, 1)
	go func() {
		var r result
		r.engine, r.err = openEngine(ctx, cfg, p)
		opened <- r
	}()
	select {
	case r := <-opened:
		return r.engine, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-opened:
		return r.engine, r.err
	case <-time.After(startGrace):
		return engine{}, context.Cause(ctx)
	}
}

// close closes an engine that nobody was told of: its jobs are handed back at once.
func (e engine) close() error {
	if e.closeEngine == nil {
		return nil
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return e.closeEngine(now)
}

// lastWords is what is kept at the end of the drain time for streams to say goodbye
// and for requests under way to be answered; and the least that they get.
const (
	lastWords      = time.Second
	leastLastWords = 250 * time.Millisecond
)

// shutDown ends everything within the drain time: jobs first, then streams, which
// the engine ends, then connections. What does not end by itself is cut off.
func shutDown(drain time.Duration, s *server.Server, closeEngine func(context.Context) error, served <-chan error) error {
	began := time.Now()
	jobs, cancel := context.WithTimeout(context.Background(), drain-min(drain/5, lastWords))
	defer cancel()
	closeErr := closeEngine(jobs)
	end, cancelEnd := context.WithTimeout(context.Background(), max(drain-time.Since(began), leastLastWords))
	defer cancelEnd()
	shutdownErr := s.Shutdown(end)
	select {
	case err := <-served:
		return errors.Join(closeErr, shutdownErr, err)
	case <-end.Done():
		return errors.Join(closeErr, shutdownErr)
	}
}

// logTo returns the server's log, and what says a line to who started it: that is
// part of the log where the log is JSON.
func logTo(w io.Writer, level slog.Level, asJSON bool) (log *slog.Logger, say func(format string, args ...any)) {
	options := &slog.HandlerOptions{Level: level}
	if asJSON {
		log = slog.New(slog.NewJSONHandler(w, options))
		return log, func(format string, args ...any) { log.Info(fmt.Sprintf(format, args...)) }
	}
	return slog.New(slog.NewTextHandler(w, options)), func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
}

// slowSync is from where on a disk makes every acknowledged write wait noticeably.
const slowSync = 20 * time.Millisecond

// sayHowFast logs how long the data folder's disk takes to sync, which every
// acknowledged write waits for.
func sayHowFast(f serveFlags, log *slog.Logger) {
	if ledger.Sync(f.Sync) != ledger.SyncAlways {
		return
	}
	took, err := ledger.MeasureSync(f.Data)
	if err != nil {
		log.Warn("disk not measured", "error", err)
		return
	}
	log.Info("disk", "sync_p50", took.P50, "sync_p99", took.P99, "writes", took.Writes)
	if took.P99 > slowSync {
		log.Warn("the disk is slow to sync: every acknowledged write waits for it", "sync_p99", took.P99)
	}
}

// cores is how many this program may use.
var cores = runtime.GOMAXPROCS(0)

// leaveRoom lets one goroutine more run at once than there are cores, and returns how
// many cores there are. With a guest on every core the scheduler looks at the network
// only now and then; with one to spare, whoever asks is answered at once:
// `make bench-sandbox` measures both.
var leaveRoom = sync.OnceValue(func() int {
	runtime.GOMAXPROCS(cores + 1)
	return cores
})

// listen listens at an address that a flag gives.
func listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &core.Invalid{Field: flag, Message: fmt.Sprintf("%s is in use by another program: choose another port with --%s 127.0.0.1:PORT", address, flag)}
	}
	return l, err
}
