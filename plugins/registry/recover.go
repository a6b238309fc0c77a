package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thresher/core/ledger"
)

// recover makes whole what a crash left half done: a module that was accepted and has
// not got its version yet, one whose version was deleted, and, in what was restored
// from an archive, a version whose module was deleted while the archive was made.
func (r *Registry) recover(ctx context.Context) error {
	modules, err := r.modules.Snapshot(ctx)
	if err != nil {
		return err
	}
	for _, found := range modules {
		m := found.Entry().Value
		if m.Phase != Accepted {
			continue
		}
		if err := r.settle(ctx, found.Key); err != nil {
			return err
		}
	}
	plugins, err := r.plugins.Snapshot(ctx)
	if err != nil {
		return err
	}
	for _, found := range plugins {
		p := found.Entry().Value
		for _, v := range p.Versions {
			_, err := r.modules.Get(ctx, moduleKey(p.Tenant, v.Digest))
			if !errors.Is(err, ledger.ErrNotFound) || v.State == Deleted {
				continue
			}
			r.cfg.Log.Warn("a version whose module is gone counts as deleted", "plugin", p.Name, "version", v.Version)
			if err := r.forget(ctx, p.Tenant, p.Name, v.Version); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget marks a version as deleted, active or not.
func (r *Registry) forget(ctx context.Context, tenant, name, version string) error {
	_, err := r.change(ctx, tenant, name, gone{version, r.cfg.Now().UTC()})
	return err
}

// gone is the deletion of a version that is not there any more.
type gone struct {
	version string
	at      time.Time
}

func (e gone) apply(p *Plugin) error {
	if p.Active == e.version {
		p.Active = ""
	}
	return Delete{e.version, e.at}.apply(p)
}

// Audit implements core.Registry. A version is written after its module, and deleted
// before it, so that at no moment it has none.
func (r *Registry) Audit(ctx context.Context) (missing []string, err error) {
	plugins, err := r.plugins.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	for _, found := range plugins {
		p := found.Entry().Value
		if _, ok := p.Find(p.Active); !ok && p.Active != "" {
			missing = append(missing, fmt.Sprintf("plugin %s stands for %s, which is not there", found.Key, p.Active))
		}
		for _, v := range p.Versions {
			if v.State == Deleted {
				continue
			}
			m, err := r.modules.Get(ctx, moduleKey(p.Tenant, v.Digest))
			if err == nil && m.Value.Phase == Accepted && m.Value.Plugin().Version == v.Version {
				_ = r.blobs.Look(ledger.Blob{Digest: v.Digest, Bytes: m.Value.Bytes}) // what it finds, the engine lists
				continue
			}
			missing = append(missing, fmt.Sprintf("plugin %s, version %s: its module %s is not there", found.Key, v.Version, v.Digest))
		}
	}
	var kept []everyones
	r.shipped.Must(func(s *shipped) {
		for _, one := range s.all {
			if one.kept && !one.loadedAtOnce() {
				kept = append(kept, *one)
			}
		}
	})
	for _, one := range kept {
		if !r.blobs.Has(one.Digest) {
			missing = append(missing, fmt.Sprintf("plugin %s: its module %s is not there", one.Place, one.Digest))
		}
	}
	return missing, nil
}
