package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/core/work"
	"thresher/plugins/sandbox"
)

// need is a module that was asked for and is not ready.
type need struct {
	plugin  string // NAME@VERSION
	loading bool
	again   bool   // asked for once more while it was loading
	refused bool   // this server will not run it, however often it is tried
	waitFor string // what its jobs wait for, since it was tried
}

// needs are those modules by digest, and how far it is with them.
type needs struct {
	by       map[string]*need
	done, of int // since there were none to load
}

// Need implements core.Registry.
func (r *Registry) Need(name, version, digest string) {
	start := false
	r.needs.Must(func(all *needs) {
		if r.life.Err() != nil {
			return
		}
		n := all.by[digest]
		if n == nil {
			n = &need{plugin: name + "@" + version}
			all.by[digest] = n
		}
		start = all.start(n)
	})
	if start {
		r.loop.Go(func() error { r.makeReady(r.life, digest); return nil })
	}
}

// start notes that a module is being loaded, unless it is already.
func (all *needs) start(n *need) bool {
	if n.loading {
		n.again = true
		return false
	}
	if !all.busy() {
		all.done, all.of = 0, 0
	}
	n.loading, n.again = true, false
	all.of++
	return true
}

func (all *needs) busy() bool {
	for _, n := range all.by {
		if n.loading {
			return true
		}
	}
	return false
}

// back tries a module again that jobs wait for: its bytes are there now.
func (r *Registry) back(digest string) {
	start := false
	r.needs.Must(func(all *needs) {
		if n := all.by[digest]; n != nil && r.life.Err() == nil {
			start = all.start(n)
		}
	})
	if start {
		r.loop.Go(func() error { r.makeReady(r.life, digest); return nil })
	}
}

// makeReady loads a module, and tells what its jobs wait for until it is.
func (r *Registry) makeReady(ctx context.Context, digest string) {
	for {
		select {
		case r.loads <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := r.load(ctx, digest)
		<-r.loads
		if ctx.Err() != nil || !r.loaded(digest, err) {
			return
		}
	}
}

func (r *Registry) load(ctx context.Context, digest string) error {
	plugin := ""
	r.needs.Must(func(all *needs) { plugin = all.by[digest].plugin })
	r.ready(digest, "plugin "+plugin+" is compiling")
	if err := r.ensure(ctx, digest); err != nil {
		return err
	}
	err := r.host.Prepare(ctx, digest, r.bytesOf)
	if errors.Is(err, ledger.ErrDamaged) && !r.blobs.Has(digest) {
		return fmt.Errorf("%w: %w", ledger.ErrNotFound, err)
	}
	return err
}

// loaded notes what came of loading a module. It reports whether it is to be tried again
// at once.
func (r *Registry) loaded(digest string, err error) (again bool) {
	var now need
	news := false
	r.needs.Must(func(all *needs) {
		n := all.by[digest]
		if again = err != nil && n.again; again {
			n.again = false
			return
		}
		all.done++
		n.loading = false
		if err == nil {
			delete(all.by, digest)
			n.waitFor = ""
		} else {
			before := n.waitFor
			n.waitFor, n.refused = lacking(n.plugin, err)
			news = n.waitFor != before
		}
		now = *n
	})
	if again {
		return true
	}
	if news {
		r.cfg.Log.Error("plugin not ready: its jobs wait", "plugin", now.plugin, "digest", digest, "error", err)
	}
	r.ready(digest, now.waitFor)
	return false
}

// lacking says what jobs of a plugin wait for, and whether this server refuses it.
func lacking(plugin string, err error) (waitFor string, refused bool) {
	var why *sandbox.Refusal
	switch {
	case errors.As(err, &why):
		return fmt.Sprintf("plugin %s is refused by this server (%s)", plugin, why.Code), true
	case errors.Is(err, ledger.ErrNotFound):
		return "plugin " + plugin + " is missing", false
	case errors.Is(err, sandbox.ErrDamaged), errors.Is(err, ledger.ErrDamaged):
		return "plugin " + plugin + " is damaged", false
	case errors.Is(err, ledger.ErrDiskFull):
		return "plugin " + plugin + " cannot be loaded: the disk is full", false
	}
	return "plugin " + plugin + " cannot be loaded: the server's log says why", false
}

// retryLoop tries those modules again that are not ready: the lack may have passed.
func (r *Registry) retryLoop(ctx context.Context) {
	again := time.NewTicker(10 * r.cfg.Retry)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		var due []string
		r.needs.Must(func(all *needs) {
			for digest, n := range all.by {
				if !n.loading && !n.refused {
					due = append(due, digest)
				}
			}
		})
		for _, digest := range due {
			if r.blobs.Has(digest) {
				r.back(digest)
			}
		}
	}
}

// Compiling implements core.Registry.
func (r *Registry) Compiling() *core.Compiling {
	var c core.Compiling
	r.needs.Must(func(all *needs) {
		if all.busy() {
			c.Done, c.Of = all.done, all.of
		}
		for _, n := range all.by {
			if n.loading {
				c.Plugins = append(c.Plugins, n.plugin)
			}
		}
	})
	r.shipped.Must(func(s *shipped) {
		for _, one := range s.all {
			if one.plugin == nil && one.refused == nil {
				c.Of++
				c.Plugins = append(c.Plugins, cmp.Or(one.Place, one.Digest))
			}
		}
	})
	if len(c.Plugins) == 0 {
		return nil
	}
	slices.Sort(c.Plugins)
	return &c
}

// Run implements core.Plugins.
func (r *Registry) Run(ctx context.Context, c work.Call) (work.Report, error) {
	report, err := r.host.RunFrom(ctx, c, r.bytesOf)
	if err := unready(err); err != nil {
		return work.Report{}, err
	}
	return report, err
}

// LoadModule implements work.ModuleLoader.
func (r *Registry) LoadModule(ctx context.Context, digest string) (release func(), err error) {
	release, err = r.host.Hold(ctx, digest, r.bytesOf)
	return release, cmp.Or(unready(err), err)
}

var _ work.ModuleLoader = (*Registry)(nil)

// unready returns what the pool is told of a module that could not be loaded, or nil
// where that is not what the error says.
func unready(err error) error {
	var unloaded *sandbox.Unloaded
	if !errors.As(err, &unloaded) {
		return nil
	}
	return fmt.Errorf("%w: %w", work.ErrUnready, err)
}
