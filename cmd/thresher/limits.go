package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"thresher/client"
	"thresher/core"
)

// limitsCmd shows the limits, and changes those that are named.
type limitsCmd struct {
	Set []string `arg:"" optional:"" name:"limit" help:"Change a limit: slots=4, tenant_slots.acme=2, retention.*.count=500, retention.*.rules=[{\"phase\":\"failed\",\"age_seconds\":86400}]; an empty value removes an entry." placeholder:"NAME=VALUE"`
}

// Run changes and shows.
func (l *limitsCmd) Run(ctx context.Context, s streams, c *commands) error {
	cl := client.New(c.Server)
	limits := map[string]any{}
	if err := cl.Get(ctx, "/api/v1/limits", &limits); err != nil {
		return err
	}
	patch := map[string]any{}
	for _, setting := range l.Set {
		path, value, ok := strings.Cut(setting, "=")
		if !ok {
			return &core.Invalid{Field: "limit", Message: setting + ": want NAME=VALUE"}
		}
		names := strings.Split(path, ".")
		first := names[0]
		if first == "locks" { // a lock's name can have dots
			names = strings.SplitN(path, ".", 2)
		}
		if err := setPath(limits, names, value); err != nil {
			return &core.Invalid{Field: "limit", Message: path + ": " + err.Error()}
		}
		patch[first] = limits[first]
	}
	if len(patch) > 0 {
		if err := cl.Patch(ctx, "/api/v1/limits", patch, &limits); err != nil {
			return err
		}
	}
	return printPairs(s, c, limits)
}

// setPath sets what a path of names leads to.
func setPath(in map[string]any, path []string, value string) error {
	if len(path) > 1 {
		next, ok := in[path[0]].(map[string]any)
		if !ok {
			next = map[string]any{}
		}
		next = maps.Clone(next)
		in[path[0]] = next
		return setPath(next, path[1:], value)
	}
	if value == "" {
		delete(in, path[0])
		return nil
	}
	v, err := limitValue(value)
	if err != nil {
		return err
	}
	in[path[0]] = v
	return nil
}

// limitValue is JSON as it was typed. Other text is sent as text, for the server to say
// what that limit wants; but not where a list or an object was meant.
func limitValue(text string) (json.RawMessage, error) {
	switch {
	case json.Valid([]byte(text)):
		return json.RawMessage(text), nil
	case strings.ContainsAny(text[:1], "[{"):
		return nil, fmt.Errorf(`%.40q: want JSON, with names and texts in double quotes, such as [{"phase":"failed","age_seconds":86400}]`, text)
	}
	return json.Marshal(text)
}

// locksCmd shows the named locks.
type locksCmd struct{}

// Run shows them.
func (locksCmd) Run(ctx context.Context, s streams, c *commands) error {
	var found struct {
		Locks []core.Lock `json:"locks"`
	}
	if err := client.New(c.Server).Get(ctx, "/api/v1/locks", &found); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, found)
	}
	return list(s.out, "LOCK\tLIMIT\tHELD BY\tPHASE\tFOR\tWAITING", func(line func(string, ...any)) {
		for _, l := range found.Locks {
			line("%s\t%d\t%s\t%s\t%s\t%d", l.Name, l.Limit, "", "", "", l.Waiting)
			for _, h := range l.Holders {
				line("\t\t%s\t%s\t%s\t", h.Job, h.Phase, age(h.Since))
			}
		}
	})
}
