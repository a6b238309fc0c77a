package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"thresher/core"
	"thresher/core/feed"
	"thresher/core/ledger"
	"thresher/plugins/sandbox"
)

// View is an upload as users see it.
type View struct {
	Module
	State      string `json:"state" enum:"verifying,rejected,ready,disabled,deleted"`
	Name       string `json:"name,omitempty"`
	Version    string `json:"version,omitempty"`
	Active     bool   `json:"active"` // its name stands for it
	Reason     string `json:"reason,omitempty" doc:"Why it is disabled."`
	Deprecated string `json:"deprecated,omitempty"`
	Failures   int    `json:"failures,omitempty" doc:"Jobs in a row that crashed, broke the contract or took too long, since the server started."`
}

// Decided reports whether its verification is over.
func (v View) Decided() bool { return v.State != string(Verifying) }

// Module returns an upload.
func (r *Registry) Module(ctx context.Context, tenant, digest string) (View, error) {
	entry, err := r.modules.Get(ctx, moduleKey(tenant, digest))
	if errors.Is(err, ledger.ErrNotFound) {
		entry, err = r.modules.Get(ctx, moduleKey("", digest)) // everyone's
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return View{}, fmt.Errorf("module %s: %w", digest, core.ErrNotFound)
	}
	if err != nil {
		return View{}, err
	}
	return r.view(ctx, entry.Value), nil
}

func (r *Registry) view(ctx context.Context, m Module) View {
	key := moduleKey(m.Tenant, m.Digest)
	v := View{Module: m, State: string(m.Phase), Failures: r.streak(key).n}
	if m.Phase == Verifying {
		r.live.Must(func(live *map[string]sandbox.Report) {
			if report, ok := (*live)[key]; ok {
				v.Report = &report
			}
		})
	}
	p := v.Plugin()
	v.Name, v.Version = p.Name, p.Version
	if m.Phase != Accepted {
		return v
	}
	if m.Origin != Uploaded {
		v.State, v.Active = string(Ready), true
		return v
	}
	v.State = string(Verifying) // until it has its version
	named, err := r.plugins.Get(ctx, pluginKey(m.Tenant, p.Name))
	if one, ok := named.Value.versionOf(m); err == nil && ok {
		v.State, v.Reason, v.Deprecated = string(one.State), one.Reason, one.Deprecated
		v.Active = named.Value.Active == p.Version
	}
	return v
}

// Await returns an upload once it is decided on, or as it is when ctx ends.
func (r *Registry) Await(ctx context.Context, tenant, digest string) (View, error) {
	sub := r.hub.Subscribe(0, moduleKey(tenant, digest))
	defer sub.Close()
	for {
		v, err := r.Module(context.WithoutCancel(ctx), tenant, digest)
		if err != nil || v.Decided() || sub.Err() != nil {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, nil
		case <-sub.More():
		}
		for _, ok := sub.Next(); ok; _, ok = sub.Next() {
		}
	}
}

// Topic is what events of an upload are published under.
func Topic(tenant, digest string) string { return moduleKey(tenant, digest) }

// brief is an upload without its manifest, which can be large: who wants it asks for it.
func (v View) brief() View {
	if v.Report != nil && v.Report.Plugin != nil {
		report := *v.Report
		report.Plugin = nil
		v.Report = &report
	}
	return v
}

// Event is an upload as it is now, as events tell of it.
func (v View) Event() json.RawMessage { return encode(v.brief()) }

// publish tells subscribers how far an upload is.
func (r *Registry) publish(m Module) {
	v := r.view(context.Background(), m)
	r.hub.Publish(feed.Event{Type: feed.TypeModule, Job: moduleKey(m.Tenant, m.Digest), Data: v.Event()})
}

// encode is for values that always encode.
func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic("registry: event does not encode: " + err.Error())
	}
	return data
}

// Listed is a plugin with its versions.
type Listed struct {
	core.Plugin              // the active version, or the newest that can be run
	Source      string       `json:"source" enum:"builtin,folder,uploaded"`
	Active      string       `json:"active,omitempty" doc:"The version that the name stands for."`
	Previous    string       `json:"previous,omitempty" doc:"The version that a rollback goes to."`
	Versions    []Versioned  `json:"versions" nullable:"false"`
	History     []Activation `json:"history,omitempty"`
}

// Versioned is a version in a list.
type Versioned struct {
	Version
	Active    bool       `json:"active"`
	Bytes     int64      `json:"bytes"`
	Uploaded  Who        `json:"uploaded,omitzero"`
	Signature *Signature `json:"signature,omitempty"`
	Failures  int        `json:"failures,omitempty"`
}

// Plugins lists a tenant's plugins, and those that are everyone's.
func (r *Registry) Plugins(ctx context.Context, tenant string) ([]Listed, error) {
	mine, err := r.all(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var list []Listed
	own := map[string]bool{}
	for _, p := range mine {
		l, ok, err := r.listed(ctx, p)
		if err != nil {
			return nil, err
		}
		if ok {
			own[p.Name] = l.Active != ""
			list = append(list, l)
		}
	}
	for _, p := range r.everyone() {
		if !own[p.Name] {
			list = append(list, listedForAll(p))
		}
	}
	slices.SortStableFunc(list, func(a, b Listed) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Named returns one plugin: a tenant's own, or else everyone's.
func (r *Registry) Named(ctx context.Context, tenant, name string) (Listed, error) {
	entry, err := r.plugins.Get(ctx, pluginKey(tenant, name))
	if err == nil {
		if l, ok, err := r.listed(ctx, entry.Value); ok || err != nil {
			return l, err
		}
	} else if !errors.Is(err, ledger.ErrNotFound) {
		return Listed{}, err
	}
	all := r.everyone()
	i := slices.IndexFunc(all, func(p core.Plugin) bool { return p.Name == name })
	if i < 0 {
		return Listed{}, fmt.Errorf("plugin %q: %w", name, core.ErrNotFound)
	}
	return listedForAll(all[i]), nil
}

func listedForAll(p core.Plugin) Listed {
	return Listed{Plugin: p, Source: string(originOf(p)), Active: p.Version, Versions: []Versioned{{
		Version: Version{Version: p.Version, Digest: p.Digest, State: Ready}, Active: true, Bytes: p.Bytes,
	}}}
}

// listed returns a plugin of which a version is left.
func (r *Registry) listed(ctx context.Context, p Plugin) (l Listed, ok bool, err error) {
	l = Listed{Source: "uploaded", Active: p.Active, History: p.History, Versions: []Versioned{}}
	if n := p.previous(); n >= 0 {
		l.Previous = p.Before[n]
	}
	for _, v := range p.Versions {
		entry, err := r.modules.Get(ctx, moduleKey(p.Tenant, v.Digest))
		if errors.Is(err, ledger.ErrNotFound) || v.State == Deleted {
			continue
		}
		if err != nil {
			return l, false, err
		}
		m := entry.Value
		active := v.Version == p.Active
		l.Versions = append(l.Versions, Versioned{
			Version: v, Active: active, Bytes: m.Bytes, Uploaded: m.Uploaded, Signature: m.Signature,
			Failures: r.streak(entry.Key).n,
		})
		if one := m.Plugin(); active || l.Name == "" ||
			l.Version != p.Active && semver.Compare("v"+one.Version, "v"+l.Version) > 0 {
			l.Plugin = one
		}
	}
	slices.SortFunc(l.Versions, func(a, b Versioned) int {
		return cmp.Or(semver.Compare("v"+b.Version.Version, "v"+a.Version.Version), cmp.Compare(b.Version.Version, a.Version.Version))
	})
	return l, len(l.Versions) > 0, nil
}

// Version returns a version's upload, with its report: of everyone's plugins that is
// its manifest only.
func (r *Registry) Version(ctx context.Context, tenant, name, version string) (View, error) {
	entry, err := r.plugins.Get(ctx, pluginKey(tenant, name))
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return View{}, err
	}
	if v, ok := entry.Value.Find(version); ok {
		return r.Module(ctx, tenant, v.Digest)
	}
	for _, p := range r.everyone() {
		if p.Name == name && p.Version == version {
			if v, err := r.Module(ctx, "", p.Digest); err == nil {
				return v, nil
			}
			m := Module{Tenant: tenant, Digest: p.Digest, Bytes: p.Bytes, Phase: Accepted,
				Report: &sandbox.Report{Digest: p.Digest, Bytes: p.Bytes, Accepted: true, Plugin: &p}}
			return View{Module: m, State: string(Ready), Name: p.Name, Version: p.Version, Active: true}, nil
		}
	}
	return View{}, fmt.Errorf("plugin %s, version %q: %w", name, version, core.ErrNotFound)
}

// Uploads lists a tenant's newest uploads, without their manifests: what was rejected,
// and what waits, too. It lists 500 at most, and says how many there are.
func (r *Registry) Uploads(ctx context.Context, tenant string) (list []View, total int, err error) {
	found, _, err := r.modules.List(ctx, ledger.Query{Terms: []string{"tenant=" + tenant}, Limit: r.cfg.MaxPlugins * MaxVersions})
	slices.SortFunc(found, func(a, b ledger.Entry[Module]) int { return b.Value.Uploaded.At.Compare(a.Value.Uploaded.At) })
	list = make([]View, min(len(found), maxUploads))
	for i := range list {
		list[i] = r.view(ctx, found[i].Value).brief()
	}
	return list, len(found), err
}

const maxUploads = 500 // that a list shows
