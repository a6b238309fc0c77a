package sandbox

import (
	"context"
	"errors"
	"fmt"

	"thresher/core/job"
	"thresher/core/ledger"
)

// Source returns the bytes of a module that is not loaded.
type Source func(ctx context.Context, digest string) ([]byte, error)

// loaded are the modules that can be run.
type loaded struct {
	by    map[string]*module // by digest
	clock uint64             // counts who comes to run one
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
		if err := h.fetch(ctx, digest, source); err != nil {
			return nil, err
		}
	}
}

func (h *Host) done(m *module) { h.modules.Must(func(*loaded) { m.users-- }) }

// fetch loads a module from its source, once for all who want it. It goes on where
// one of them gives up.
func (h *Host) fetch(ctx context.Context, digest string, source Source) error {
	missing := func(why any) error {
		return &job.Error{Code: "plugin_missing", Title: "The plugin is not loaded", Detail: fmt.Sprintf("digest %s: %v", digest, why)}
	}
	if source == nil {
		return missing("it is not here")
	}
	answer := h.loading.DoChan(digest, func() (any, error) {
		ctx := context.WithoutCancel(ctx)
		if m := h.module(digest); m != nil {
			return m, nil
		}
		wasm, err := source(ctx, digest)
		if err != nil {
			return nil, err
		}
		if got := digestOf(wasm); got != digest {
			return nil, fmt.Errorf("its bytes are damaged: their digest is %s", got)
		}
		m, err := h.load(ctx, wasm, digest, false, false)
		if err == nil {
			h.evict(m)
		}
		return m, err
	})
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case loaded := <-answer:
		if loaded.Err != nil {
			if errors.Is(loaded.Err, ledger.ErrDamaged) {
				return loaded.Err // it has a code of its own
			}
			h.log.Error("plugin not loaded", "digest", digest, "error", loaded.Err)
			return missing(loaded.Err)
		}
		return nil
	}
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
		h.clones.drain(idle)
		if err := idle.close(context.Background()); err != nil {
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
	h.clones.drain(idle)
	return idle.close(context.Background())
}
