package registry

import (
	"context"
	"errors"
	"fmt"

	"thresher/core"
	"thresher/core/ledger"
)

// Activate lets a name stand for a version from now on. Jobs keep what they were
// submitted with.
func (r *Registry) Activate(ctx context.Context, tenant, name, version, by string) (Listed, error) {
	if err := checkWho(tenant, by); err != nil {
		return Listed{}, err
	}
	if err := r.admitVersion(ctx, tenant, name, version); err != nil {
		return Listed{}, err
	}
	return r.changed(ctx, tenant, name, Activate{version, Who{by, r.cfg.Now().UTC()}})
}

// Rollback lets a name stand for what it stood for before.
func (r *Registry) Rollback(ctx context.Context, tenant, name, by string) (Listed, error) {
	if err := checkWho(tenant, by); err != nil {
		return Listed{}, err
	}
	return r.changed(ctx, tenant, name, Rollback{Who{by, r.cfg.Now().UTC()}})
}

// Disable lets nobody submit jobs of a version. Those that were submitted run.
func (r *Registry) Disable(ctx context.Context, tenant, name, version, reason string) (Listed, error) {
	if reason == "" {
		reason = "by hand"
	}
	return r.changed(ctx, tenant, name, Disable{version, reason})
}

// Enable takes back Disable, and forgets failures.
func (r *Registry) Enable(ctx context.Context, tenant, name, version string) (Listed, error) {
	l, err := r.changed(ctx, tenant, name, Enable{version})
	for _, v := range l.Versions {
		if v.Version.Version == version {
			r.streaks.Must(func(all *map[string]streak) { delete(*all, moduleKey(tenant, v.Digest)) })
		}
	}
	return l, err
}

// Deprecate notes what to use instead of a version.
func (r *Registry) Deprecate(ctx context.Context, tenant, name, version, note string) (Listed, error) {
	return r.changed(ctx, tenant, name, Deprecate{version, note})
}

// Delete deletes a version. Its bytes stay as long as a job that is kept has run, or
// will run, on them; and its number stays taken.
func (r *Registry) Delete(ctx context.Context, tenant, name, version string) error {
	var key string
	apply := r.applying(ctx, tenant, name, Delete{version, r.cfg.Now().UTC()})
	err := r.ledger.Atomically(ctx, func(tx *ledger.Tx) error {
		err := r.plugins.ModifyIn(tx, pluginKey(tenant, name), func(now *Plugin) (*Plugin, error) {
			next, err := apply(now)
			if err == nil {
				key = moduleKey(tenant, next.Versions[next.index(version)].Digest)
			}
			return next, err
		})
		if err != nil {
			return err
		}
		return r.modules.ModifyIn(tx, key, func(*Module) (*Module, error) { return nil, nil })
	})
	if err != nil {
		return err
	}
	r.streaks.Must(func(all *map[string]streak) { delete(*all, key) })
	return nil
}

func (r *Registry) changed(ctx context.Context, tenant, name string, e Event) (Listed, error) {
	for _, text := range notes(e) {
		if len(text) > MaxNote {
			return Listed{}, &core.Invalid{Field: "body", Message: fmt.Sprintf("%d bytes of text: the limit is %d", len(text), MaxNote)}
		}
	}
	p, err := r.change(ctx, tenant, name, e)
	if err != nil {
		return Listed{}, r.shippedToo(name, err)
	}
	l, _, err := r.listed(ctx, p)
	return l, err
}

// notes are the texts of an event that users wrote.
func notes(e Event) []string {
	switch e := e.(type) {
	case Disable:
		return []string{e.Reason}
	case Deprecate:
		return []string{e.Note}
	}
	return nil
}

// shippedToo says where a plugin is not the tenant's, but everyone's.
func (r *Registry) shippedToo(name string, err error) error {
	if !errors.Is(err, core.ErrNotFound) {
		return err
	}
	for _, p := range r.everyone() {
		if p.Name == name {
			return refuse("illegal_state", "%s came with the server, or with its folder of plugins, and cannot be changed here", name)
		}
	}
	return err
}

// admitVersion checks the signature of a version that is to be activated, where one is
// asked for.
func (r *Registry) admitVersion(ctx context.Context, tenant, name, version string) error {
	entry, err := r.plugins.Get(ctx, pluginKey(tenant, name))
	v, ok := entry.Value.Find(version)
	if err != nil || !ok {
		return nil // the change says what is wrong
	}
	m, err := r.modules.Get(ctx, moduleKey(tenant, v.Digest))
	if err != nil {
		return err
	}
	return r.admit(ctx, m.Value)
}
