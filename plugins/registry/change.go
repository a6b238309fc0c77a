package registry

import (
	"context"
	"errors"
	"fmt"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/plugins/sandbox"
)

// change applies an event to a plugin's record.
func (r *Registry) change(ctx context.Context, tenant, name string, e Event) (Plugin, error) {
	entry, err := r.plugins.Modify(ctx, pluginKey(tenant, name), r.applying(ctx, tenant, name, e))
	return entry.Value, err
}

// applying is what makes of a plugin's record what it is after an event.
func (r *Registry) applying(ctx context.Context, tenant, name string, e Event) func(*Plugin) (*Plugin, error) {
	return func(now *Plugin) (*Plugin, error) {
		_, adds := e.(Add)
		switch {
		case now == nil && !adds:
			return nil, fmt.Errorf("plugin %s: %w", name, core.ErrNotFound)
		case now == nil:
			if err := r.roomForPlugin(ctx, tenant); err != nil {
				return nil, err
			}
			now = &Plugin{Tenant: tenant, Name: name}
		}
		next, err := now.Apply(e)
		if err != nil {
			return now, err
		}
		return &next, nil
	}
}

func (r *Registry) roomForPlugin(ctx context.Context, tenant string) error {
	n, err := r.plugins.Count(ctx, "tenant="+tenant)
	if err == nil && n >= r.cfg.MaxPlugins {
		return refuse("registry_full", "there are %d plugins, which is the limit", r.cfg.MaxPlugins)
	}
	return err
}

// moduleChange writes what next makes of a module's record.
func (r *Registry) moduleChange(ctx context.Context, key string, next func(Module) (Module, error)) (Module, error) {
	entry, err := r.modules.Modify(ctx, key, func(now *Module) (*Module, error) {
		if now == nil {
			return nil, ledger.ErrNotFound
		}
		m, err := next(*now)
		if err != nil {
			return now, err
		}
		return &m, nil
	})
	return entry.Value, err
}

// removeModule deletes a module's record, if there is one that may go.
func (r *Registry) removeModule(ctx context.Context, key string, may func(Module) bool) error {
	_, err := r.modules.Modify(ctx, key, func(now *Module) (*Module, error) {
		if now != nil && !may(*now) {
			return now, nil
		}
		return nil, nil
	})
	return err
}

// settle gives a module that was accepted its version. Where that is taken the module
// is rejected after all; where it was deleted the module goes. It may be done again.
func (r *Registry) settle(ctx context.Context, key string) error {
	entry, err := r.modules.Get(ctx, key)
	if errors.Is(err, ledger.ErrNotFound) { // its version was there after all, and was deleted
		return nil
	}
	if err != nil || entry.Value.Phase != Accepted || entry.Value.Origin != Uploaded {
		return err // a module that ships has no version of its own
	}
	m := entry.Value
	p := m.Plugin()
	have, err := r.plugins.Get(ctx, pluginKey(m.Tenant, p.Name))
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	if v, ok := have.Value.versionOf(m); ok && v.State == Deleted { // the deletion was not brought to an end
		return r.removeModule(ctx, key, func(m Module) bool { return m.Phase == Accepted })
	} else if ok {
		return nil // it has it
	}
	_, err = r.change(ctx, m.Tenant, p.Name, Add{
		Version: p.Version, Digest: m.Digest, Activate: m.Activate, Who: Who{m.Uploaded.By, r.cfg.Now().UTC()},
	})
	var refused *core.Refused
	if errors.As(err, &refused) {
		m, err = r.moduleChange(ctx, key, func(m Module) (Module, error) {
			return m.reject(&sandbox.Refused{
				Code: refused.Code, Check: "version", Detail: refused.Detail, Docs: "/docs/errors#" + refused.Code,
			}, r.cfg.Now().UTC())
		})
	}
	if err == nil {
		r.publish(m)
	}
	return err
}
