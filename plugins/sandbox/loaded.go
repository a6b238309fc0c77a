package sandbox

import (
	"context"
	"errors"
	"fmt"

	"thresher/core/job"
)

// Source returns the bytes of a module that is not loaded.
type Source func(ctx context.Context, digest string) ([]byte, error)

// loaded are the modules that can be run.
type loaded struct {
	by      map[string]*module // by digest
	loading map[string]*flight // by digest
	clock   uint64             // counts who comes to run one
}

// ErrDamaged is wrapped by the error of a module whose bytes are not those that its
// digest is of.
var ErrDamaged = errors.New("its bytes are damaged")

// Unloaded is the error of a module that could not be loaded. It wraps what its source
// or a step of loading returned: a *[Refusal], if this host refuses the module.
type Unloaded struct {
	Digest string
	Err    error
}

func (e *Unloaded) Error() string { return fmt.Sprintf("load module %s: %v", e.Digest, e.Err) }

func (e *Unloaded) Unwrap() error { return e.Err }

// Prepare loads a module from its source, unless it is loaded. Its errors are
// *[Unloaded], or the cause of ctx.
func (h *Host) Prepare(ctx context.Context, digest string, source Source) error {
	release, err := h.Hold(ctx, digest, source)
	if err == nil {
		release()
	}
	return err
}

// Hold is Prepare, and the module stays loaded until release is called.
func (h *Host) Hold(ctx context.Context, digest string, source Source) (release func(), err error) {
	m, err := h.acquire(ctx, digest, source)
	if err != nil {
		return nil, err
	}
	return func() { h.done(m) }, nil
}

// acquire returns a module for a job to run, and loads it if need be. It stays until
// the job is done with it.
func (h *Host) acquire(ctx context.Context, digest string, source Source) (m *module, err error) {
	for {
		h.modules.Must(func(all *loaded) {
			if m = all.by[digest]; m != nil {
				all.clock++
				m.users, m.used = m.users+1, all.clock
			}
		})
		if m != nil {
			return m, nil
		}
		if source == nil {
			return nil, &job.Error{Code: "plugin_missing", Title: "The plugin is not loaded", Detail: "digest " + digest}
		}
		if err := h.fetch(ctx, digest, source); err != nil {
			return nil, err
		}
	}
}

func (h *Host) done(m *module) { h.modules.Must(func(*loaded) { m.users-- }) }

// fetch loads a module from its source, once for all who want it.
func (h *Host) fetch(ctx context.Context, digest string, source Source) error {
	_, err := h.once(ctx, digest, func(ctx context.Context) (*module, error) {
		wasm, err := source(ctx, digest)
		if err != nil {
			return nil, err
		}
		if got := digestOf(wasm); got != digest {
			return nil, fmt.Errorf("%w: their digest is %s", ErrDamaged, got)
		}
		m, err := h.load(ctx, wasm, digest, false, false)
		if err == nil {
			h.evict(m)
		}
		return m, err
	})
	if err != nil && ctx.Err() == nil {
		return &Unloaded{digest, err}
	}
	return err
}

// Has reports whether a module is loaded.
func (h *Host) Has(digest string) bool { return h.module(digest) != nil }

// evict unloads what no job has used for the longest, until there are not too many. It
// spares the one that was loaded last.
func (h *Host) evict(newest *module) {
	for {
		var idle *module
		h.modules.Must(func(all *loaded) {
			n := 0
			for _, m := range all.by {
				if m.stays {
					continue
				}
				n++
				if m.users == 0 && m != newest && (idle == nil || m.used < idle.used) {
					idle = m
				}
			}
			if n <= h.most {
				idle = nil
			}
			if idle != nil {
				delete(all.by, idle.plugin.Digest)
			}
		})
		if idle == nil {
			return
		}
		if err := h.unload(context.Background(), idle); err != nil {
			h.log.Warn("plugin not unloaded whole", "plugin", idle.plugin.Name, "error", err)
		}
	}
}

// Unload lets go of a module that came from a source, unless a job runs it.
func (h *Host) Unload(digest string) error {
	var idle *module
	h.modules.Must(func(all *loaded) {
		if m := all.by[digest]; m != nil && !m.stays && m.users == 0 {
			idle = m
			delete(all.by, digest)
		}
	})
	if idle == nil {
		return nil
	}
	return h.unload(context.Background(), idle)
}
