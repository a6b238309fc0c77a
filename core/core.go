// Package core is the engine that everything else is a face of: submit jobs, run
// them within limits, keep what they leave. [Engine] is the one door to it for the
// server and the command line.
//
// It guarantees that a submit that returned is durable, that a job moves by
// [job.Apply] only, and that what Engine answers was committed. It knows neither
// HTTP nor WebAssembly: what runs jobs is a [Plugins] that the caller brings.
package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"thresher/core/clock"
	"thresher/core/dispatch"
	"thresher/core/feed"
	"thresher/core/guard"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/schema"
	"thresher/core/table"
	"thresher/core/work"
)

// Config says how an engine works. Dir is needed; the rest has defaults.
type Config struct {
	Dir    string       // where everything is kept; made if absent
	Sync   ledger.Sync  // default ledger.SyncAlways
	Limits Limits       // until changed at run time; see DefaultLimits
	Node   string       // default "local"
	Log    *slog.Logger // default slog.Default()
	Now    func() time.Time
	// Clock reads the machine's clocks; default clock.Machine, or, where Now is given,
	// clocks that follow it and never jump.
	Clock func() clock.Reading
	// Reserve is the space on disk that new work leaves free, in bytes; default
	// ledger.DefaultReserve.
	Reserve int64
	// Memory is how much this process may use, guests included, in bytes: three quarters
	// are the default budget of the guests. Default MachineMemory.
	Memory int64
	// Heed is called with the limits in force, at the start and when they change. It must
	// not block. May be nil.
	Heed func(Limits)
	// Recovering is told how far Open is, where it must read all records of a kind. It
	// must not block. May be nil.
	Recovering func(kind string, read, of uint64)
	Faults     Faults // planted by tests
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("engine: no data folder given")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("engine: %w", err)
	}
	c.Dir = dir
	if c.Log == nil {
		c.Log = slog.Default()
	}
	switch {
	case c.Now == nil && c.Clock == nil:
		c.Now, c.Clock = time.Now, clock.Machine
	case c.Now == nil:
		c.Now = func() time.Time { return c.Clock().Wall }
	case c.Clock == nil:
		c.Clock = clock.Following(c.Now)
	}
	if c.Node == "" {
		c.Node = "local"
	}
	if c.Memory == 0 {
		memory, err := MachineMemory()
		if err != nil {
			c.Log.Warn("memory", "error", err)
		}
		c.Memory = memory
	}
	if c.Heed == nil {
		c.Heed = func(Limits) {}
	}
	if !nodeName.MatchString(c.Node) {
		return c, fmt.Errorf("engine: node name %.80q: want up to 64 letters, digits, dots, dashes and underscores", c.Node)
	}
	c.Limits = c.Limits.withDefaults(c.Memory)
	return c, c.Limits.check()
}

// Engine runs jobs. Its methods may be called concurrently. Every error that they
// return has a stable code: see [Code].
type Engine struct {
	cfg     Config
	plugins Registry
	started time.Time

	ledger   *ledger.Ledger
	jobs     *ledger.Store[job.Record]
	datasets *ledger.Store[Dataset]
	settings *ledger.Store[Limits]
	batches  *ledger.Store[batchRecord]
	bulks    *ledger.Store[bulkRecord]
	dispatch *dispatch.Dispatcher
	pool     *work.Pool
	tables   *table.Cache
	hub      *feed.Hub

	ids     ids
	clock   *clock.Clock // set when the records have been read
	state   *guard.Value[engineState]
	schemas *guard.Value[map[string]*schema.Schema] // by plugin digest and routine
	owned   *guard.Value[map[string][]string]       // who owns the blobs that are damaged, by digest
	repairs *guard.Value[[]repair]                  // to be done once the disk takes writes
	running *guard.Value[map[string]*bulkRun]       // bulks that are being carried out
	pages   pages
	writing writing
	submits singleflight.Group // by idempotency key
	closing atomic.Bool        // intake is closed
	life    context.Context    // ends when Close is called
	halt    context.CancelFunc // ends it
	loop    errgroup.Group     // what lives as long

	tidy     chan struct{} // capacity 1: retention has changed
	prunes   chan struct{} // capacity 1: held by who prunes
	verifies chan struct{} // capacity 1: held by who checks all blobs
	pruned   atomic.Uint64 // jobs deleted by retention since the start

	observed        atomic.Uint64 // revision up to which the dispatcher and the workers have heard of jobs
	inconsistencies atomic.Uint64
}

// engineState is what can be changed at run time.
type engineState struct {
	limits Limits
}

// Open recovers what is in cfg.Dir and starts granting. The caller must Close.
func Open(ctx context.Context, cfg Config, plugins Plugins) (*Engine, error) {
	return OpenWhile(ctx, cfg, func() (Plugins, error) { return plugins, nil })
}

// OpenWhile is Open with plugins that are loaded while the records are read, because
// both take their time. It returns only after load has.
func OpenWhile(ctx context.Context, cfg Config, load func() (Plugins, error)) (*Engine, error) {
	var plugins Plugins
	var loading errgroup.Group
	loading.Go(func() (err error) { plugins, err = load(); return err })
	e, err := read(ctx, cfg)
	if err := errors.Join(err, loading.Wait()); err != nil {
		return nil, errors.Join(err, e.letGo(ctx))
	}
	if err := e.start(ctx, plugins); err != nil {
		return nil, errors.Join(err, e.letGo(ctx))
	}
	return e, nil
}

// read makes an engine that knows what is in cfg.Dir. If it returns an error too, the
// engine, which may be nil, is only to be let go.
func read(ctx context.Context, cfg Config) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l, err := ledger.Open(ctx, ledger.Config{
		Dir: cfg.Dir, Sync: cfg.Sync, Log: cfg.Log, Reserve: cfg.Reserve,
		Reading: cfg.Recovering, Faults: cfg.Faults.Ledger,
	})
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg:      cfg,
		started:  cfg.Now(),
		ledger:   l,
		ids:      newIDs(cfg.Now),
		state:    guard.New("engine", guard.RankEngine, engineState{limits: cfg.Limits}),
		schemas:  guard.New("schemas", guard.RankEngine, map[string]*schema.Schema{}),
		owned:    guard.New("owners", guard.RankEngine, map[string][]string{}),
		repairs:  guard.New("repairs", guard.RankEngine, []repair(nil)),
		running:  guard.New("bulks", guard.RankEngine, map[string]*bulkRun{}),
		pages:    newPages(),
		writing:  newWriting(),
		tidy:     make(chan struct{}, 1),
		prunes:   make(chan struct{}, 1),
		verifies: make(chan struct{}, 1),
	}
	e.cfg.Heed(cfg.Limits)
	e.life, e.halt = context.WithCancel(context.Background())
	// Waiting is measured: a jump of the clock lets nobody pass nor starve.
	e.dispatch = dispatch.New(e.cfg.Limits.dispatch(), e.cfg.Node, actions{e}, e.lookUp, func() time.Time { return e.clock.SteadyNow() })
	if err := e.openStores(ctx); err != nil {
		return e, err
	}
	newest, err := e.resumeIDs(ctx)
	if err != nil {
		return e, err
	}
	e.clock = clock.Open(clock.Config{Read: cfg.Clock, File: filepath.Join(cfg.Dir, clockFile), Newest: newest, Log: cfg.Log})
	return e, nil
}

// clockFile is where the clock's state is kept.
const clockFile = "clock"

// letGo closes what read opened.
func (e *Engine) letGo(ctx context.Context) error {
	if e == nil {
		return nil
	}
	e.halt()
	if e.plugins != nil {
		e.plugins.Close()
	}
	return e.ledger.Close(context.WithoutCancel(ctx))
}

func (e *Engine) start(ctx context.Context, plugins Plugins) error {
	e.plugins = registryOf(plugins)
	e.tables = table.NewCache(e.ledger.Blobs().Temp(), e.ledger.Blobs().Room)
	e.pool = work.NewPool(work.Config{
		Store:   pendingStore{e},
		Blobs:   e.ledger.Blobs(),
		Tables:  e.tables,
		Runner:  plugins,
		Samples: e.samples(),
		News:    news{e},
		Claim:   e.claim,
		Holds:   e.dispatch.Holds,
		Settle:  e.dispatch.Settle,
		Unready: e.dispatch.Unready,
		Park:    e.park,
		Node:    e.cfg.Node,
		Now:     e.cfg.Now,
		Log:     e.cfg.Log,
	})
	e.observed.Store(e.jobs.Revision())
	if err := e.plugins.Open(ctx, e.ledger, e.hub, e.dispatch.Module); err != nil {
		return err
	}
	if err := e.recover(ctx); err != nil {
		return err
	}
	if err := e.warmUp(ctx); err != nil {
		return err
	}
	if err := e.resumeBulks(ctx); err != nil {
		return err
	}
	e.loop.Go(func() error { e.dispatch.Run(e.life); return nil })
	e.loop.Go(func() error { e.keep(e.life); return nil })
	e.loop.Go(func() error { e.repairLoop(e.life); return nil })
	e.loop.Go(func() error { e.sweep(e.life); return nil })
	e.loop.Go(func() error { e.watchDamage(e.life); return nil })
	e.loop.Go(func() error { e.scrub(e.life); return nil })
	return nil
}

// Close stops intake, lets running jobs finish until ctx ends, hands the rest
// back to pending, and closes the ledger. It may be called more than once.
func (e *Engine) Close(ctx context.Context) error {
	if e.closing.Swap(true) {
		return nil
	}
	e.halt()
	_ = e.loop.Wait() // returns no error
	e.pool.Drain(ctx)
	e.tables.Close()
	e.clock.Check() // so that the next start knows how late it was
	e.plugins.Close()
	e.hub.Close()
	return e.ledger.Close(context.WithoutCancel(ctx))
}

// closed returns ErrShuttingDown once Close was called.
func (e *Engine) closed() error {
	if e.closing.Load() {
		return ErrShuttingDown
	}
	return nil
}

// actions carries out what the dispatcher decides.
type actions struct{ e *Engine }

func (a actions) Grant(id string) {
	if wrong := a.e.cfg.Faults.Grant; wrong != nil {
		wrong(id, a.e.pool.Grant)
		return
	}
	a.e.pool.Grant(id)
}

func (e *Engine) claim(id string) bool {
	if wrong := e.cfg.Faults.Claim; wrong != nil {
		return wrong(id)
	}
	return e.dispatch.Claim(id)
}

func (a actions) End(ctx context.Context, id string, how dispatch.Ending) error {
	err := a.e.endJob(ctx, id, how)
	var illegal *job.IllegalMove
	switch {
	case err == nil, errors.As(err, &illegal), errors.Is(err, ErrNotFound):
		return nil // illegal: it has moved on
	case errors.Is(err, dispatch.ErrOutcomeGone):
		return err
	}
	a.e.cfg.Log.Warn("job not ended yet", "job", id, "error", err)
	return err
}

func (a actions) Need(r job.Record) {
	a.e.plugins.Need(r.Spec.Plugin(), r.Spec.Version, r.Spec.Digest)
}

var (
	_ dispatch.Actions = actions{}
	_ dispatch.Loader  = actions{}
)

// pendingStore lets the pool be made before the store that it writes to: the
// store calls the pool with every change, so one of the two has to come first.
type pendingStore struct{ e *Engine }

func (s pendingStore) Get(ctx context.Context, id string) (ledger.Entry[job.Record], error) {
	return s.e.jobs.Get(ctx, id)
}

func (s pendingStore) Modify(ctx context.Context, id string, change func(*job.Record) (*job.Record, error)) (ledger.Entry[job.Record], error) {
	return s.e.jobs.Modify(ctx, id, change)
}
