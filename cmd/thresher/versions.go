package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"thresher/client"
	"thresher/core"
	"thresher/core/routine"
	"thresher/plugins/registry"
)

// pluginPath is where a plugin is, and below it a version if it is not empty.
func pluginPath(name, version string) string {
	path := "/api/v1/plugins/" + url.PathEscape(name)
	if version != "" {
		path += "/versions/" + url.PathEscape(version)
	}
	return path
}

// parseVersion reads NAME@VERSION.
func parseVersion(text string) (name, version string, err error) {
	name, version, _ = strings.Cut(text, "@")
	if !routine.ValidName(name) || !routine.ValidVersion(version) {
		return "", "", &core.Invalid{Field: "version", Message: fmt.Sprintf("%q: want NAME@VERSION, such as tabular@1.2.0", text)}
	}
	return name, version, nil
}

type pluginsLs struct {
	ofTenant `embed:""`
}

// Run lists.
func (p *pluginsLs) Run(ctx context.Context, s streams, c *commands) error {
	var found struct {
		Plugins []registry.Listed `json:"plugins"`
		LeftOut []registry.Left   `json:"left_out,omitempty"`
	}
	if err := client.New(c.Server).Get(ctx, "/api/v1/plugins"+p.tenant(), &found); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, found)
	}
	for _, l := range found.LeftOut {
		fmt.Fprintf(s.err, "%s is left out (%s): %s\n", l.Place, l.Code, l.Detail)
	}
	return list(s.out, "PLUGIN\tACTIVE\tVERSIONS\tSOURCE\tSUMMARY", func(line func(string, ...any)) {
		for _, l := range found.Plugins {
			active := l.Active
			for _, v := range l.Versions {
				if v.Active && v.State == registry.Disabled {
					active += " (disabled)"
				}
			}
			if active == "" {
				active = "-"
			}
			line("%s\t%s\t%d\t%s\t%s", l.Name, active, len(l.Versions), l.Source, l.Summary)
		}
	})
}

type pluginsShow struct {
	Plugin   string `arg:"" help:"NAME, or NAME@VERSION."`
	ofTenant `embed:""`
}

// Run shows.
func (p *pluginsShow) Run(ctx context.Context, s streams, c *commands) error {
	cl := client.New(c.Server)
	if !strings.Contains(p.Plugin, "@") {
		var l registry.Listed
		if err := cl.Get(ctx, pluginPath(p.Plugin, "")+p.tenant(), &l); err != nil {
			return err
		}
		return showPlugin(s, c, l)
	}
	name, version, err := parseVersion(p.Plugin)
	if err != nil {
		return err
	}
	var v registry.View
	if err := cl.Get(ctx, pluginPath(name, version)+p.tenant(), &v); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, v)
	}
	showUpload(s.out, v)
	return nil
}

func showPlugin(s streams, c *commands, l registry.Listed) error {
	if c.JSON {
		return printJSON(s.out, l)
	}
	fmt.Fprintf(s.out, "%s: %s\n", l.Name, l.Summary)
	return list(s.out, "VERSION\tSTATE\tUPLOADED\tBY\tSIGNED BY\tFAILURES\tNOTE", func(line func(string, ...any)) {
		for _, v := range l.Versions {
			state, uploaded, signed := string(v.State), "-", "-"
			if v.Active {
				state += ", active"
			}
			if !v.Uploaded.At.IsZero() {
				uploaded = age(v.Uploaded.At)
			}
			if v.Signature != nil {
				signed = strings.TrimSpace(v.Signature.Key + " " + v.Signature.Name)
			}
			line("%s\t%s\t%s\t%s\t%s\t%d\t%s", v.Version.Version, state, uploaded, v.Uploaded.By, signed, v.Failures,
				strings.TrimSpace(v.Reason+" "+v.Deprecated))
		}
	})
}

// oneVersion is what commands take that are about a version.
type oneVersion struct {
	Version  string `arg:"" help:"NAME@VERSION."`
	ofTenant `embed:""`
}

// post does something to the version, and shows its plugin.
func (o oneVersion) post(ctx context.Context, s streams, c *commands, what string, body any) error {
	name, version, err := parseVersion(o.Version)
	if err != nil {
		return err
	}
	var l registry.Listed
	if err := client.New(c.Server).Post(ctx, pluginPath(name, version)+"/"+what+o.tenant(), body, &l); err != nil {
		return err
	}
	return showPlugin(s, c, l)
}

type pluginsActivate struct {
	oneVersion `embed:""`
}

// Run activates.
func (p *pluginsActivate) Run(ctx context.Context, s streams, c *commands) error {
	name, version, err := parseVersion(p.Version)
	if err != nil {
		return err
	}
	var l registry.Listed
	path := pluginPath(name, "") + "/active?" + p.query().Encode()
	if err := client.New(c.Server).Put(ctx, path, map[string]string{"version": version}, &l); err != nil {
		return err
	}
	return showPlugin(s, c, l)
}

type pluginsRollback struct {
	Plugin   string `arg:"" help:"NAME."`
	ofTenant `embed:""`
}

// Run rolls back.
func (p *pluginsRollback) Run(ctx context.Context, s streams, c *commands) error {
	var l registry.Listed
	if err := client.New(c.Server).Post(ctx, pluginPath(p.Plugin, "")+"/rollback?"+p.query().Encode(), nil, &l); err != nil {
		return err
	}
	return showPlugin(s, c, l)
}

type pluginsDisable struct {
	oneVersion `embed:""`
	Reason     string `help:"Why." placeholder:"TEXT"`
}

// Run disables.
func (p *pluginsDisable) Run(ctx context.Context, s streams, c *commands) error {
	return p.post(ctx, s, c, "disable", map[string]string{"reason": p.Reason})
}

type pluginsEnable struct {
	oneVersion `embed:""`
}

// Run enables.
func (p *pluginsEnable) Run(ctx context.Context, s streams, c *commands) error {
	return p.post(ctx, s, c, "enable", nil)
}

type pluginsDeprecate struct {
	oneVersion `embed:""`
	Note       string `arg:"" optional:"" help:"Such as which version to use instead."`
}

// Run deprecates.
func (p *pluginsDeprecate) Run(ctx context.Context, s streams, c *commands) error {
	return p.post(ctx, s, c, "deprecate", map[string]string{"note": p.Note})
}

type pluginsRm struct {
	Versions []string `arg:"" name:"version" help:"NAME@VERSION."`
	ofTenant `embed:""`
}

// Run deletes.
func (p *pluginsRm) Run(ctx context.Context, s streams, c *commands) error {
	for _, text := range p.Versions {
		name, version, err := parseVersion(text)
		if err != nil {
			return err
		}
		if err := client.New(c.Server).Remove(ctx, pluginPath(name, version)+p.tenant()); err != nil {
			return err
		}
		if err := (did{ID: text, State: "deleted"}).print(s.out, c.JSON); err != nil {
			return err
		}
	}
	return nil
}
