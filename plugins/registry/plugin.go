package registry

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/semver"

	"thresher/core"
)

// Plugin is the record of a name: its versions, and which of them the name stands for.
// It changes by Apply and by nothing else.
type Plugin struct {
	Tenant   string       `json:"tenant"`
	Name     string       `json:"name"`
	Versions []Version    `json:"versions"`          // in the order in which they came
	Active   string       `json:"active,omitempty"`  // the version that the name stands for
	Before   []string     `json:"before,omitempty"`  // what a rollback goes back to, the last first to be taken
	History  []Activation `json:"history,omitempty"` // the newest last
}

// Version is a version of a plugin. What it stands for never changes, and a version
// that was deleted is still taken.
type Version struct {
	Version    string    `json:"version"`
	Digest     string    `json:"digest"` // SHA-256 of its module
	State      State     `json:"state"`
	Added      time.Time `json:"added"`
	Reason     string    `json:"reason,omitempty"`     // why it is disabled
	Deprecated string    `json:"deprecated,omitempty"` // what to use instead, or why not this
	Gone       time.Time `json:"gone,omitzero"`        // when it was deleted
}

// State is what may be done with a version.
type State string

// The states.
const (
	Ready    State = "ready"
	Disabled State = "disabled" // nobody may submit jobs of it
	Deleted  State = "deleted"
)

// Activation is a line of a plugin's history.
type Activation struct {
	Version string    `json:"version"`
	How     string    `json:"how" enum:"upload,activate,rollback"`
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at"`
}

// Bounds of a plugin's record.
const (
	MaxVersions = 1000 // deleted ones included
	maxHistory  = 64
	maxBefore   = 32
	MaxNote     = 500 // bytes of a reason or of a note
)

// Find returns a version that was not deleted.
func (p Plugin) Find(version string) (Version, bool) {
	i := p.index(version)
	if i < 0 || p.Versions[i].State == Deleted {
		return Version{}, false
	}
	return p.Versions[i], true
}

// versionOf returns the version that a module has got. Where it was deleted, and then
// uploaded again, it has not got it yet.
func (p Plugin) versionOf(m Module) (Version, bool) {
	i := p.index(m.Plugin().Version)
	if i < 0 || p.Versions[i].Digest != m.Digest || p.Versions[i].State == Deleted && m.Uploaded.At.After(p.Versions[i].Gone) {
		return Version{}, false
	}
	return p.Versions[i], true
}

func (p Plugin) index(version string) int {
	return slices.IndexFunc(p.Versions, func(v Version) bool { return v.Version == version })
}

// Event is what can happen to a plugin.
type Event interface {
	apply(p *Plugin) error // p is a copy
}

// Apply returns the plugin that follows, or why the event is illegal.
func (p Plugin) Apply(e Event) (Plugin, error) {
	next := p
	next.Versions, next.Before, next.History = slices.Clone(p.Versions), slices.Clone(p.Before), slices.Clone(p.History)
	if err := e.apply(&next); err != nil {
		return p, err
	}
	return next, nil
}

// Who says who did something, and when.
type Who struct {
	By string    `json:"by,omitempty"`
	At time.Time `json:"at"`
}

// Add adds a version that was verified. The same bytes again change nothing; a version
// that has other bytes is taken.
type Add struct {
	Version, Digest string
	Activate        bool // if it is newer than the active one, or that may not be run
	Who
}

func (e Add) apply(p *Plugin) error {
	i := p.index(e.Version)
	switch {
	case i < 0 && len(p.Versions) >= MaxVersions:
		return refuse("registry_full", "%s has %d versions, which is the limit", p.Name, MaxVersions)
	case i < 0:
		i = len(p.Versions)
		p.Versions = append(p.Versions, Version{Version: e.Version, Digest: e.Digest, State: Ready, Added: e.At})
	case p.Versions[i].Digest != e.Digest:
		return refuse("version_taken", "%s@%s already exists with different content, digest %s: a version never changes, so raise it", p.Name, e.Version, p.Versions[i].Digest)
	case p.Versions[i].State == Deleted:
		p.Versions[i] = Version{Version: e.Version, Digest: e.Digest, State: Ready, Added: e.At}
	}
	if e.Activate && p.Versions[i].State == Ready && p.outdone(e.Version) {
		p.activate(e.Version, "upload", e.Who, true)
	}
	return nil
}

// outdone reports whether a version is newer than the one that the name stands for.
func (p *Plugin) outdone(version string) bool {
	active, ok := p.Find(p.Active)
	return !ok || active.State != Ready || semver.Compare("v"+version, "v"+active.Version) > 0
}

func (p *Plugin) activate(version, how string, who Who, keep bool) {
	if keep && p.Active != "" {
		p.Before = append(p.Before, p.Active)
		p.Before = p.Before[max(len(p.Before)-maxBefore, 0):]
	}
	p.Active = version
	p.History = append(p.History, Activation{version, how, who.By, who.At})
	p.History = p.History[max(len(p.History)-maxHistory, 0):]
}

// Activate lets the name stand for a version.
type Activate struct {
	Version string
	Who
}

func (e Activate) apply(p *Plugin) error {
	v, err := p.version(e.Version)
	switch {
	case err != nil:
		return err
	case v.State != Ready:
		return refuse("illegal_state", "%s@%s is disabled: enable it first", p.Name, e.Version)
	case p.Active != e.Version:
		p.activate(e.Version, "activate", e.Who, true)
	}
	return nil
}

// Rollback lets the name stand for what it stood for before.
type Rollback struct{ Who }

func (e Rollback) apply(p *Plugin) error {
	n := p.previous()
	if n < 0 {
		return refuse("illegal_state", "no version of %s was active before %s that can still be run", p.Name, p.Active)
	}
	version := p.Before[n]
	p.Before = p.Before[:n]
	p.activate(version, "rollback", e.Who, false)
	return nil
}

// previous is where in Before the version is that a rollback goes to, or -1.
func (p *Plugin) previous() int {
	for n := len(p.Before) - 1; n >= 0; n-- {
		if v, ok := p.Find(p.Before[n]); ok && v.State == Ready && v.Version != p.Active {
			return n
		}
	}
	return -1
}

// Disable lets nobody submit jobs of a version.
type Disable struct{ Version, Reason string }

func (e Disable) apply(p *Plugin) error {
	v, err := p.version(e.Version)
	if err == nil {
		err = p.annotate(&v.Reason, e.Reason)
	}
	if err == nil {
		v.State = Disabled
	}
	return err
}

// Enable takes back Disable.
type Enable struct{ Version string }

func (e Enable) apply(p *Plugin) error {
	v, err := p.version(e.Version)
	if err == nil {
		v.State, v.Reason = Ready, ""
	}
	return err
}

// Deprecate notes that a version should not be used any more; an empty note takes that
// back.
type Deprecate struct{ Version, Note string }

func (e Deprecate) apply(p *Plugin) error {
	v, err := p.version(e.Version)
	if err == nil {
		err = p.annotate(&v.Deprecated, e.Note)
	}
	return err
}

// Delete deletes a version. One that is active can be deleted if it is the last.
type Delete struct {
	Version string
	At      time.Time
}

func (e Delete) apply(p *Plugin) error {
	v, err := p.version(e.Version)
	if err != nil {
		return err
	}
	others := slices.ContainsFunc(p.Versions, func(v Version) bool { return v.Version != e.Version && v.State != Deleted })
	if p.Active == e.Version && others {
		return refuse("in_use", "%s stands for %s: activate another version first", p.Name, e.Version)
	}
	if p.Active == e.Version {
		p.Active = ""
	}
	v.State, v.Reason, v.Gone = Deleted, "", e.At
	p.Before = slices.DeleteFunc(p.Before, func(b string) bool { return b == e.Version })
	return nil
}

// version returns a version, for changing it, or an error that wraps core.ErrNotFound.
func (p *Plugin) version(version string) (*Version, error) {
	i := p.index(version)
	if i < 0 || p.Versions[i].State == Deleted {
		return nil, fmt.Errorf("%s has no version %q: %w", p.Name, version, core.ErrNotFound)
	}
	return &p.Versions[i], nil
}

func refuse(code, format string, args ...any) error {
	return &core.Refused{Code: code, Detail: fmt.Sprintf(format, args...)}
}
