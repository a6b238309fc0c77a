package core

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"thresher/core/feed"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/core/work"
)

// Plugin is a plugin that can be run: its manifest and the digest of its module.
type Plugin struct {
	routine.Manifest
	Digest  string `json:"digest"` // SHA-256 of the module, hex
	Bytes   int64  `json:"bytes"`
	Builtin bool   `json:"builtin"`
}

// Plugins is what the engine needs of a sandbox: to run guests, and to know
// what can be run. List is called often and must be cheap.
type Plugins interface {
	work.Runner
	List() []Plugin
}

// Registry is a [Plugins] that keeps modules that people bring: what can be run
// depends on who asks, and changes. Its methods may be called concurrently.
type Registry interface {
	Plugins
	// Open opens its stores. The engine calls it once, before jobs run. ready is to be
	// called whenever a module gets ready to run, with nothing to wait for, or cannot be
	// run now, with what its jobs wait for; from any goroutine, and without a lock held.
	Open(ctx context.Context, l *ledger.Ledger, hub *feed.Hub, ready func(digest, waitFor string)) error
	// Close ends what works in the background. The ledger is still open.
	Close()
	// Available lists what a tenant can run without naming a version.
	Available(ctx context.Context, tenant string) ([]Plugin, error)
	// Resolve returns what a name stands for now, or an error that wraps ErrNotFound,
	// or a *Refused.
	Resolve(ctx context.Context, tenant string, ref routine.Ref) (Plugin, error)
	// Hold keeps a module's bytes in the ledger until they are released. It returns an
	// error that wraps ErrNotFound where they are gone. A job's record, once it is
	// written, holds them itself.
	Hold(ctx context.Context, digest string) error
	Release(digest string)
	// Need asks for a module to be made ready to run. It must not block.
	Need(name, version, digest string)
	// Compiling reports how far it is with the modules that were asked for; nil if none
	// is on its way.
	Compiling() *Compiling
	// Ended tells of each job that ended, with the code of its failure. It must not
	// block.
	Ended(tenant, digest, code string)
	// Audit lists what its records name and is not there.
	Audit(ctx context.Context) (missing []string, err error)
	// Modules lists the modules whose bytes it keeps.
	Modules(ctx context.Context) ([]KeptModule, error)
	// Archive calls add with each of its records as they were at a moment, and the blobs
	// that it names: those of one store together.
	Archive(ctx context.Context, at *ledger.Snapshot, add AddArchived) error
}

// KeptModule is the bytes of a module that a [Registry] keeps.
type KeptModule struct {
	ledger.Blob
	Name, Version string // empty until it is verified
}

// Compiling is how far a registry is with modules that are made ready to run. It counts
// from when the first was asked for to when the last is ready.
type Compiling struct {
	Done    int      `json:"done"`
	Of      int      `json:"of"`
	Plugins []string `json:"plugins"` // that are not ready yet, NAME@VERSION; of a folder its file
}

func (c Compiling) String() string { return fmt.Sprintf("compiling %d of %d", c.Done, c.Of) }

// Archived is one record in an archive.
type Archived struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// AddArchived adds a record to an archive.
type AddArchived func(store string, record Archived, blobs ...string) error

// registryStores are those of a [Registry]: what an archive has of them is put back
// as it was.
var registryStores = []string{modulesStore, "plugins", "keys"}

const modulesStore = "modules"

// OpenModules opens the modules of a registry in a folder that no server has open, and
// returns what lists those whose bytes are kept.
type OpenModules func(ctx context.Context, l *ledger.Ledger) (func(context.Context) ([]KeptModule, error), error)

// registryOf is the plugins as a registry: one that keeps nothing, where they are none.
func registryOf(p Plugins) Registry {
	if r, ok := p.(Registry); ok {
		return r
	}
	return &fixed{Plugins: p}
}

// fixed is a registry of what is there, for everyone.
type fixed struct {
	Plugins
	ready func(digest, waitFor string)
}

func (f *fixed) Open(_ context.Context, _ *ledger.Ledger, _ *feed.Hub, ready func(string, string)) error {
	f.ready = ready
	return nil
}

func (f *fixed) Need(_, _, digest string) { f.ready(digest, "") }

func (*fixed) Modules(context.Context) ([]KeptModule, error) { return nil, nil }

func (*fixed) Close()                                  {}
func (*fixed) Hold(context.Context, string) error      { return nil }
func (*fixed) Release(string)                          {}
func (*fixed) Compiling() *Compiling                   { return nil }
func (*fixed) Ended(string, string, string)            {}
func (*fixed) Audit(context.Context) ([]string, error) { return nil, nil }

func (f *fixed) Available(context.Context, string) ([]Plugin, error) { return f.List(), nil }

func (f *fixed) Resolve(_ context.Context, _ string, ref routine.Ref) (Plugin, error) {
	return Among(f.List(), ref)
}

func (*fixed) Archive(context.Context, *ledger.Snapshot, AddArchived) error { return nil }

// Among finds what a ref names in a list, the first that has the routine. Where there
// is none, the error wraps ErrNotFound.
func Among(list []Plugin, ref routine.Ref) (Plugin, error) {
	i := slices.IndexFunc(list, func(p Plugin) bool {
		_, has := p.Find(ref.Routine)
		return has && p.Name == ref.Plugin && (ref.Version == "" || p.Version == ref.Version)
	})
	if i < 0 {
		return Plugin{}, ErrNotFound
	}
	return list[i], nil
}
