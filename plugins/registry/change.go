package registry

import (
	"context"
	"errors"
	"fmt"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/plugins/sandbox"
)

// change applies an event to a plugin's record, until that record is still the newest
// when the result is written.
func (r *Registry) change(ctx context.Context, tenant, name string, e Event) (Plugin, error) {
	key := pluginKey(tenant, name)
	for {
		entry, err := r.plugins.Get(ctx, key)
		_, adds := e.(Add)
		missing := errors.Is(err, ledger.ErrNotFound)
		switch {
		case missing && !adds:
			return Plugin{}, fmt.Errorf("plugin %s: %w", name, core.ErrNotFound)
		case missing:
			entry.Value = Plugin{Tenant: tenant, Name: name}
		case err != nil:
			return Plugin{}, err
		}
		next, err := entry.Value.Apply(e)
		if err != nil {
			return entry.Value, err
		}
		if missing {
			err = r.create(ctx, key, next)
		} else {
			_, err = r.plugins.Update(ctx, key, entry.Revision, next)
		}
		if errors.Is(err, ledger.ErrConflict) || errors.Is(err, ledger.ErrExists) {
			continue
		}
		return next, err
	}
}

func (r *Registry) create(ctx context.Context, key string, p Plugin) error {
	n, err := r.plugins.Count(ctx, "tenant="+p.Tenant)
	if err != nil {
		return err
	}
	if n >= r.cfg.MaxPlugins {
		return refuse("registry_full", "there are %d plugins, which is the limit", r.cfg.MaxPlugins)
	}
	_, err = r.plugins.Create(ctx, key, p)
	return err
}

// moduleChange writes what next makes of a module's record.
func (r *Registry) moduleChange(ctx context.Context, key string, next func(Module) (Module, error)) (Module, error) {
	for {
		entry, err := r.modules.Get(ctx, key)
		if err != nil {
			return Module{}, err
		}
		m, err := next(entry.Value)
		if err != nil {
			return entry.Value, err
		}
		if _, err = r.modules.Update(ctx, key, entry.Revision, m); !errors.Is(err, ledger.ErrConflict) {
			return m, err
		}
	}
}

// settle gives a module that was accepted its version. Where that is taken the module
// is rejected after all; where it was deleted the module goes. It may be done again.
func (r *Registry) settle(ctx context.Context, key string) error {
	entry, err := r.modules.Get(ctx, key)
	if err != nil || entry.Value.Phase != Accepted {
		return err
	}
	m := entry.Value
	p := m.Plugin()
	have, err := r.plugins.Get(ctx, pluginKey(m.Tenant, p.Name))
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	if v, ok := have.Value.versionOf(m); ok && v.State == Deleted { // the deletion was not brought to an end
		return r.modules.Delete(ctx, key, entry.Revision)
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
