// Package sandbox runs WebAssembly plugins that need not be trusted.
//
// A [Host] loads modules and runs their routines, each call in an instance of its
// own that is gone when the call returns. A guest reaches its own memory, the
// functions of the plugin contract (package abi) and a WASI without files,
// network, environment or real clock; time and random numbers follow from the
// job's seed. Its memory is bounded by the job's limit, and it ends when the
// call's context does. How a call ended is decided by who ended it, never by what
// the guest says.
//
// The package does not decide what may run, when, or how often: that is core.
package sandbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"golang.org/x/mod/semver"

	"thresher/core"
	"thresher/core/guard"
	"thresher/core/routine"
	"thresher/plugins/abi"
	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/rewrite"
	"thresher/plugins/sandbox/vet"
)

// Config says how a host works. The zero value works.
type Config struct {
	CacheDir string       // compiled code is kept here; empty: in memory only
	Log      *slog.Logger // default slog.Default()
	// Compiler compiles modules into CacheDir; nil: this process does.
	Compiler Compiler
	// Workers is how many goroutines compile a module in this process; default 1.
	Workers int
	// Clones is how many instances that no job uses are kept for the next ones;
	// default 32, -1: none. Each keeps up to 16 MiB.
	Clones int
	Vet    vet.Limits // what a module may be like; the zero value has the defaults
	// DescribeTime is the CPU time that initialising and describing a module may take,
	// each; default 10 s.
	DescribeTime time.Duration
	Slice        time.Duration // how long a guest goes on between two ticks, about; default [Slice]
	// Cores is how many guests go on at once, while others wait for their turn; default
	// runtime.GOMAXPROCS(0).
	Cores int
	// Loaded is how many modules are kept loaded that come from a [Source]; default 32.
	// More stay while jobs run them.
	Loaded int
}

// Host runs guests. Its methods may be called concurrently.
type Host struct {
	log      *slog.Logger
	policy   vet.Policy
	compiler Compiler
	workers  int    // that compile a module here
	cacheDir string // empty: code is in memory only
	ownCache bool   // the folder is this host's own, and goes with it
	cache    wazero.CompilationCache
	runtime  wazero.Runtime
	handing  chan struct{}  // full while the runtime takes a module: whoever gave it the same bytes would be given code that is not ready
	flights  sync.WaitGroup // modules being loaded
	modules  *guard.Value[loaded]
	most     int // modules from a source that stay loaded
	clones   *pool
	patience time.Duration // for modules that initialise and describe themselves
	slice    time.Duration
	turns    turns
}

// module is a loaded plugin.
type module struct {
	plugin   core.Plugin
	compiled wazero.CompiledModule
	stays    bool            // it is never unloaded
	users    int             // jobs that run it; as used, under the lock of Host.modules
	used     uint64          // when the last one came
	declared uint64          // the most memory it may have by its own word
	lifted   *rewrite.Lifted // nil: it starts anew for each job, and plain says why
	image    *image          // nil: as lifted, or not yet taken
	giving   sync.WaitGroup  // clones with much to give back
	plain    string
	manifest []byte // of a command, as its section has it
}

// command reports whether it is a program that runs from _start to its end.
func (m *module) command() bool {
	_, contract := m.compiled.ExportedFunctions()[abi.ExportDescribe]
	return !contract
}

// unload closes a module, and before it the clones, which need it to be put back. No job
// may run it, or be about to.
func (h *Host) unload(ctx context.Context, m *module) error {
	h.clones.drain(m)
	return m.close(ctx)
}

func (m *module) close(ctx context.Context) error {
	err := m.compiled.Close(ctx)
	if m.image != nil {
		err = errors.Join(err, m.image.Close())
	}
	return err
}

// New returns a host without plugins. The caller must Close it.
func New(ctx context.Context, cfg Config) (*Host, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	h := &Host{
		log:      cfg.Log,
		policy:   policy(cfg.Vet),
		compiler: cfg.Compiler,
		workers:  cmp.Or(cfg.Workers, 1),
		handing:  make(chan struct{}, 1),
		modules:  guard.New("modules", guard.RankSandbox, loaded{by: map[string]*module{}, loading: map[string]*flight{}}),
		most:     cmp.Or(cfg.Loaded, 32),
		clones:   newPool(cmp.Or(cfg.Clones, 32)),
		patience: cmp.Or(cfg.DescribeTime, 10*time.Second),
		slice:    cmp.Or(cfg.Slice, Slice),
		turns:    newTurns(cmp.Or(cfg.Cores, runtime.GOMAXPROCS(0))),
	}
	var err error
	if err = h.openCache(cfg.CacheDir); err != nil {
		return nil, err
	}
	if h.compiler == nil {
		h.compiler = h.compileHere
	}
	if h.runtime, err = newRuntime(ctx, h.cache); err != nil {
		return nil, errors.Join(err, h.closeCache(ctx))
	}
	h.trim()
	return h, nil
}

// Close unloads everything. No guest may be running, and nobody may wait for a module.
func (h *Host) Close(ctx context.Context) error {
	h.flights.Wait()
	var all []*module
	h.modules.Must(func(l *loaded) { all = slices.Collect(maps.Values(l.by)) })
	var err error
	for _, m := range all {
		err = errors.Join(err, h.unload(ctx, m))
	}
	return errors.Join(err, h.runtime.Close(ctx), h.closeCache(ctx))
}

// Load checks, compiles and describes a module. Loading the same bytes again
// returns the same plugin. A module that cannot be loaded is a *[Refusal].
func (h *Host) Load(ctx context.Context, wasm []byte, builtin bool) (core.Plugin, error) {
	digest := digestOf(wasm)
	m, err := h.once(ctx, digest, func(ctx context.Context) (*module, error) {
		return h.load(ctx, wasm, digest, builtin, true)
	})
	if err != nil {
		return core.Plugin{}, err
	}
	return m.plugin, nil
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

func (h *Host) load(ctx context.Context, wasm []byte, digest string, builtin, stays bool) (*module, error) {
	m, err := h.build(preparing(ctx), wasm, digest, &Report{})
	if err != nil {
		return nil, err
	}
	m.plugin.Builtin = builtin
	m.stays = stays
	var there *module // loaded meanwhile: those who waited for this one gave up, and others came
	h.modules.Must(func(all *loaded) {
		if there = all.by[digest]; there == nil {
			all.by[digest] = m
			return
		}
		there.stays = there.stays || stays
	})
	if there != nil {
		return there, h.unload(ctx, m)
	}
	return m, nil
}

// build takes a module through every step until it can be run, and notes in the report
// what it finds.
func (h *Host) build(ctx context.Context, wasm []byte, digest string, r *Report) (*module, error) {
	m, err := h.compile(ctx, wasm, digest, r)
	if err != nil {
		return nil, err
	}
	m.plugin.Digest, m.plugin.Bytes = digest, int64(len(wasm))
	if err := h.prepare(ctx, m, r); err != nil {
		return nil, errors.Join(err, h.unload(ctx, m))
	}
	return m, nil
}

// compile vets a module, rewrites it and compiles it.
func (h *Host) compile(ctx context.Context, wasm []byte, digest string, r *Report) (m *module, err error) {
	form, err := h.rewritten(ctx, wasm, digest, r)
	if err != nil {
		return nil, err
	}
	m = &module{lifted: form.Lifted, plain: form.Plain}
	if section, found := binary.FindCustom(wasm, abi.ManifestSection); found {
		m.manifest = slices.Clone(section) // the module's bytes need not stay
	}
	r.Plain, r.Counted = m.plain, &CountReport{StackBytes: rewrite.StackBytes, FrameBytes: form.Frame}
	end := r.step("compile")
	m.compiled, err = h.translate(ctx, form.Wasm)
	end()
	if err != nil {
		return nil, err
	}
	m.declared = m.declaredMemory()
	return m, nil
}

// rewritten vets a module and rewrites it, unless an earlier start has.
func (h *Host) rewritten(ctx context.Context, wasm []byte, digest string, r *Report) (rewrite.Rewritten, error) {
	if k, found := h.recall(wasm, digest); found {
		r.Figures = k.Figures
		return k.Form, nil
	}
	end := r.step("vet")
	vetted, err := vet.Check(wasm, h.policy)
	end()
	if err != nil {
		return rewrite.Rewritten{}, refusal(err)
	}
	if ctx.Err() != nil {
		return rewrite.Rewritten{}, context.Cause(ctx)
	}
	r.Figures = vetted.Figures
	end = r.step("rewrite")
	form, err := rewrite.Rewrite(vetted.Module)
	end()
	if err != nil {
		return form, refuse("invalid_module", "%v", err)
	}
	h.remember(digest, kept{Form: form, Figures: vetted.Figures})
	return form, nil
}

// prepare takes the module's image and asks it what it is.
func (h *Host) prepare(ctx context.Context, m *module, r *Report) (err error) {
	if m.lifted != nil {
		end := r.step("image")
		m.image, err = h.freeze(ctx, m)
		end()
		if err != nil {
			return err
		}
		m.lifted.Data = nil // it is in the image
		r.Image = &ImageReport{Bytes: m.image.size, Globals: len(m.image.globals)}
	} else {
		h.log.Info("plugin without an image: each job initialises it anew", "reason", m.plain)
	}
	end := r.step("describe")
	m.plugin.Manifest, err = h.describe(ctx, m)
	end()
	if slices.ContainsFunc(m.plugin.Routines, func(of routine.Routine) bool { return of.Kind == routine.Simulation }) {
		r.Counted.StepGas = stepGas
	}
	return err
}

func (h *Host) module(digest string) (m *module) {
	h.modules.Must(func(all *loaded) { m = all.by[digest] })
	return m
}

// List implements core.Plugins. It has what Load has loaded, sorted by name, the newest
// version first; of two modules with one name and version, the one that does not ship
// comes first: it was put there to replace the other.
func (h *Host) List() []core.Plugin {
	var list []core.Plugin
	h.modules.Must(func(all *loaded) {
		for _, m := range all.by {
			if m.stays {
				list = append(list, m.plugin)
			}
		}
	})
	slices.SortFunc(list, func(a, b core.Plugin) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), semver.Compare("v"+b.Version, "v"+a.Version),
			compareBools(a.Builtin, b.Builtin), cmp.Compare(a.Digest, b.Digest))
	})
	return list
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

var _ core.Plugins = (*Host)(nil)

// Refusal says why a module was not loaded. Where it was refused before it was
// compiled, it wraps a *[vet.Refusal].
type Refusal struct {
	Code   string // stable
	Detail string
	Place  string // where, if that is not a place in the module
	Found  string // what was found there; may be empty
	Want   string // what would have passed; may be empty
	cause  error
}

func (r *Refusal) Unwrap() error { return r.cause }

func (r *Refusal) Error() string { return fmt.Sprintf("module refused (%s): %s", r.Code, r.Detail) }

func refuse(code, format string, args ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// refusal is that of package vet as one of a module.
func refusal(err error) error {
	r := &Refusal{Code: "invalid_module", Detail: err.Error(), cause: err}
	var vetted *vet.Refusal
	if errors.As(err, &vetted) {
		r.Code = vetted.Code
	}
	return r
}
