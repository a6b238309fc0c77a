// Package registry keeps the plugins that people upload: modules, verified before
// anyone can run them; versions, which never change; and which version a name stands
// for.
//
// A [Registry] stands between the engine and the sandbox. Its records are in the
// engine's ledger and change by compare-and-swap through pure functions; the bytes of
// modules are blobs there, held by the records of modules and by those of jobs. So it
// may be killed at any moment: what was being verified is verified again at the next
// start, and nobody sees a part of a plugin. A module is loaded when a job first needs
// it.
//
// Plugins are scoped to a tenant: a tenant sees its own, and those that everyone has
// because they ship with the program or were in its folder at the start. Its own come
// first. What ships is registered as uploads are: its bytes are blobs, too, so that jobs
// keep the version that they were accepted with.
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"thresher/core"
	"thresher/core/feed"
	"thresher/core/guard"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/core/work"
	"thresher/plugins/sandbox"
)

// Config says how a registry works. The zero value works.
type Config struct {
	MaxBytes      int64 // of a module; default 32 MiB
	RequireSigned bool  // only modules that a trusted key has signed
	// DisableAfter is after how many jobs in a row that crashed, broke the contract or
	// took too long a version is disabled; 0: never.
	DisableAfter int
	MaxPlugins   int // names that a tenant may have; default 1000
	// MaxVerifying is how many modules may wait for their verification; default 1000. A
	// tenant may have half of the places that other tenants leave.
	MaxVerifying int
	Retry        time.Duration    // before a module is verified again, where the server failed; default 1 s
	Shipped      []Shipped        // what everyone has, beside what the host has loaded
	Log          *slog.Logger     // default slog.Default()
	Now          func() time.Time // default time.Now
}

// maxRejected bounds a tenant's uploads that were in vain.
const maxRejected = 200 // of which is known why

// Registry keeps plugins. It is a [core.Registry]; its methods may be called
// concurrently, once the engine has opened it.
type Registry struct {
	cfg     Config
	host    *sandbox.Host
	shipped *guard.Value[shipped]
	keeping singleflight.Group // of shipped modules, by digest
	needs   *guard.Value[needs]
	loads   chan struct{} // held by those that load a module

	// Set by Open.
	ready   func(digest, waitFor string)
	ledger  *ledger.Ledger
	blobs   *ledger.Blobs
	hub     *feed.Hub
	modules *ledger.Store[Module]
	plugins *ledger.Store[Plugin]
	keys    *ledger.Store[Key]

	live      *guard.Value[map[string]sandbox.Report] // of modules that are being verified, by key
	streaks   *guard.Value[map[string]streak]         // of failures, by key of the module
	wake      chan struct{}                           // capacity 1: there may be something to verify
	verifying *guard.Value[verifying]
	failing   chan string     // keys of modules that fail too often
	life      context.Context // ends with Close
	halt      context.CancelFunc
	loop      errgroup.Group
}

var _ core.Registry = (*Registry)(nil)

// atOnce is how many modules are loaded at once. Each is compiled on several cores.
const atOnce = 2

// New returns a registry whose modules run in a host. What the host has loaded by now
// is everyone's. The caller closes the host after the engine.
func New(host *sandbox.Host, cfg Config) *Registry {
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 32<<20)
	cfg.MaxPlugins, cfg.MaxVerifying = cmp.Or(cfg.MaxPlugins, 1000), cmp.Or(cfg.MaxVerifying, 1000)
	cfg.Retry = cmp.Or(cfg.Retry, time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Registry{
		cfg: cfg, host: host,
		shipped:   guard.New("shipped", guard.RankRegistry, newShipped(cfg.Shipped, host.List())),
		needs:     guard.New("needs", guard.RankRegistry, needs{by: map[string]*need{}}),
		loads:     make(chan struct{}, atOnce),
		live:      guard.New("verifications", guard.RankRegistry, map[string]sandbox.Report{}),
		streaks:   guard.New("streaks", guard.RankRegistry, map[string]streak{}),
		wake:      make(chan struct{}, 1),
		verifying: guard.New("verifying", guard.RankRegistry, newVerifying()),
		failing:   make(chan string, 64),
	}
	r.life, r.halt = context.WithCancel(context.Background())
	return r
}

// What the stores do with their records, whoever opens them.
var (
	modulesConfig = ledger.StoreConfig[Module]{Index: moduleTerms, Blobs: bytesHeld, MaxBytes: maxModuleRecord}
	pluginsConfig = ledger.StoreConfig[Plugin]{Index: pluginTerms, MaxBytes: maxPluginRecord}
)

// OpenModules is a core.OpenModules.
func OpenModules(ctx context.Context, l *ledger.Ledger) (func(context.Context) ([]core.KeptModule, error), error) {
	modules, err := ledger.OpenStore(ctx, l, "modules", modulesConfig)
	if err != nil {
		return nil, err
	}
	_, plugins := ledger.OpenStore(ctx, l, "plugins", pluginsConfig)
	_, keys := ledger.OpenStore(ctx, l, "keys", ledger.StoreConfig[Key]{MaxBytes: maxKeyRecord})
	return func(ctx context.Context) ([]core.KeptModule, error) { return keptModules(ctx, modules) }, errors.Join(plugins, keys)
}

var _ core.OpenModules = OpenModules

// Open implements core.Registry: it opens the stores, makes whole what a crash left
// half done, and goes on verifying.
func (r *Registry) Open(ctx context.Context, l *ledger.Ledger, hub *feed.Hub, ready func(digest, waitFor string)) (err error) {
	r.ledger, r.blobs, r.hub, r.ready = l, l.Blobs(), hub, ready
	modules, plugins := modulesConfig, pluginsConfig
	modules.Observe, plugins.Observe = r.observeModule, r.observePlugin
	if r.modules, err = ledger.OpenStore(ctx, l, "modules", modules); err != nil {
		return err
	}
	if r.plugins, err = ledger.OpenStore(ctx, l, "plugins", plugins); err != nil {
		return err
	}
	if r.keys, err = ledger.OpenStore(ctx, l, "keys", ledger.StoreConfig[Key]{MaxBytes: maxKeyRecord}); err != nil {
		return err
	}
	if err := errors.Join(r.reconcile(ctx), r.recover(ctx)); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	r.loop.Go(func() error { r.shipLoop(r.life); return nil })
	r.loop.Go(func() error { r.retryLoop(r.life); return nil })
	for range verifiedAtOnce {
		r.loop.Go(func() error { r.verifyLoop(r.life); return nil })
	}
	r.loop.Go(func() error { r.disableLoop(r.life); return nil })
	r.rouse()
	return nil
}

// Close implements core.Registry. It may be called more than once.
func (r *Registry) Close() {
	r.halt()
	_ = r.loop.Wait() // returns no error
}

func moduleTerms(_ string, m Module) []string {
	terms := []string{"tenant=" + m.Tenant, "phase=" + string(m.Phase), rejectedTerm(m)}
	if m.Origin != Uploaded {
		terms = append(terms, everyonesTerm)
	}
	return terms
}

const everyonesTerm = "everyones"

func rejectedTerm(m Module) string { return string(m.Phase) + "=" + m.Tenant }

func pluginTerms(_ string, p Plugin) []string { return []string{"tenant=" + p.Tenant} }

// observeModule tells of changes.
func (r *Registry) observeModule(c ledger.Change[Module]) {
	if !c.Deleted {
		r.publish(c.Value)
		if c.Value.Phase != Rejected {
			r.back(c.Value.Digest)
		}
	}
}

func bytesHeld(m Module) []string {
	if m.Phase == Rejected {
		return nil
	}
	return []string{m.Digest}
}

func (r *Registry) observePlugin(c ledger.Change[Plugin]) {
	if !c.Deleted {
		r.hub.Publish(feed.Event{Type: feed.TypePlugin, Job: c.Key, Data: encode(map[string]string{
			"tenant": c.Value.Tenant, "plugin": c.Value.Name, "active": c.Value.Active,
		})})
	}
}

// List implements core.Plugins: what is everyone's.
func (r *Registry) List() []core.Plugin { return r.everyone() }

// Hold implements core.Registry.
func (r *Registry) Hold(ctx context.Context, digest string) error {
	if one, ok := r.find(digest); ok && one.loadedAtOnce() {
		return nil
	}
	if err := r.ensure(ctx, digest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	gone := fmt.Errorf("module %s: %w", digest, core.ErrNotFound)
	if !r.blobs.Hold(digest) {
		return gone
	}
	if known, err := r.mayReturn(ctx, digest); err != nil || !known {
		r.blobs.Release(digest)
		return cmp.Or(err, gone)
	}
	return nil
}

// mayReturn reports whether a module has its bytes, or is one that was not deleted: if its
// file is gone, jobs of it wait until it is back. Of one that was deleted only jobs that
// have ended know.
func (r *Registry) mayReturn(ctx context.Context, digest string) (bool, error) {
	if r.blobs.Has(digest) {
		return true, nil
	}
	known, err := r.modules.Naming(ctx, digest, 1)
	return len(known) > 0, err
}

// Release implements core.Registry.
func (r *Registry) Release(digest string) {
	if one, ok := r.find(digest); !ok || !one.loadedAtOnce() {
		r.blobs.Release(digest)
	}
}

// CheckModule implements work.ModuleChecker. Run finds what is damaged, and its jobs wait
// for their module then.
func (r *Registry) CheckModule(context.Context, string) error { return nil }

var _ work.ModuleChecker = (*Registry)(nil)

// bytesOf reads a module for the sandbox.
func (r *Registry) bytesOf(ctx context.Context, digest string) ([]byte, error) {
	f, err := r.blobs.Open(ctx, ledger.Unsized(digest))
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	wasm := make([]byte, info.Size())
	_, err = io.ReadFull(f, wasm)
	return wasm, err
}

// Modules implements core.Registry.
func (r *Registry) Modules(ctx context.Context) ([]core.KeptModule, error) {
	return keptModules(ctx, r.modules)
}

func keptModules(ctx context.Context, modules *ledger.Store[Module]) (list []core.KeptModule, err error) {
	all, err := modules.Snapshot(ctx)
	for _, found := range all {
		m := found.Entry().Value
		for _, digest := range bytesHeld(m) {
			list = append(list, core.KeptModule{
				Blob: ledger.Blob{Digest: digest, Bytes: m.Bytes}, Name: m.Plugin().Name, Version: m.Plugin().Version,
			})
		}
	}
	return list, err
}

// Resolve implements core.Registry.
func (r *Registry) Resolve(ctx context.Context, tenant string, ref routine.Ref) (core.Plugin, error) {
	own, err := r.plugins.Get(ctx, pluginKey(tenant, ref.Plugin))
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return core.Plugin{}, err
	}
	v, ok := own.Value.Find(cmp.Or(ref.Version, own.Value.Active))
	if !ok {
		return r.among(ctx, ref)
	}
	if v.State == Disabled {
		return core.Plugin{}, refuse("plugin_disabled", "%s@%s is disabled: %s", ref.Plugin, v.Version, v.Reason)
	}
	m, err := r.modules.Get(ctx, moduleKey(tenant, v.Digest))
	if errors.Is(err, ledger.ErrNotFound) {
		return core.Plugin{}, core.ErrNotFound // it was deleted in this moment
	}
	return m.Value.Plugin(), err
}

// Available implements core.Registry.
func (r *Registry) Available(ctx context.Context, tenant string) ([]core.Plugin, error) {
	own, err := r.all(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var list []core.Plugin
	names := map[string]bool{}
	for _, p := range own {
		v, ok := p.Find(p.Active)
		if !ok {
			continue
		}
		names[p.Name] = true
		if v.State != Ready {
			continue
		}
		m, err := r.modules.Get(ctx, moduleKey(tenant, v.Digest))
		switch {
		case err == nil:
			list = append(list, m.Value.Plugin())
		case !errors.Is(err, ledger.ErrNotFound): // it may have been deleted in this moment
			return nil, err
		}
	}
	for _, p := range r.everyone() {
		if !names[p.Name] {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b core.Plugin) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// all returns a tenant's plugins, by name.
func (r *Registry) all(ctx context.Context, tenant string) ([]Plugin, error) {
	found, _, err := r.plugins.List(ctx, ledger.Query{Terms: []string{"tenant=" + tenant}, Ascending: true, Limit: r.cfg.MaxPlugins})
	list := make([]Plugin, len(found))
	for i, e := range found {
		list[i] = e.Value
	}
	return list, err
}

// Archive implements core.Registry.
func (r *Registry) Archive(ctx context.Context, at *ledger.Snapshot, add core.AddArchived) error {
	return errors.Join(
		archive(ctx, "keys", r.keys, at, add, func(Key) []string { return nil }),
		archive(ctx, "modules", r.modules, at, add, bytesHeld),
		archive(ctx, "plugins", r.plugins, at, add, func(Plugin) []string { return nil }),
	)
}

func archive[T any](ctx context.Context, name string, s *ledger.Store[T], at *ledger.Snapshot, add core.AddArchived, blobs func(T) []string) error {
	return s.Each(ctx, at, func(f ledger.Found[T]) error {
		return add(name, core.Archived{Key: f.Key, Value: f.AppendJSON(nil)}, blobs(f.Entry().Value)...)
	})
}
