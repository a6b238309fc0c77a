package registry

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/semver"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/plugins/sandbox"
)

// Origin says where a module came from.
type Origin string

// The origins.
const (
	Uploaded Origin = ""
	Builtin  Origin = "builtin" // it ships with the program
	Folder   Origin = "folder"  // it is a file of the folder of plugins
)

// Shipped is a module that everyone has. Its bytes are kept in the ledger as those of an
// upload are, so that a job that was accepted runs to its end whatever becomes of the
// program or the folder.
type Shipped struct {
	Origin   Origin
	Place    string            // what tells people which it is, such as its file
	Digest   string            // SHA-256, hex
	Manifest *routine.Manifest // what it says of itself; nil: it is asked
	Read     func() ([]byte, error)
	Err      error // why it could not be read; then all but Origin and Place is empty
}

// everyones is a shipped module and how far it is. Only registering changes it.
type everyones struct {
	Shipped
	plugin  *core.Plugin     // nil: its manifest is not known yet
	kept    bool             // its bytes and its record are in the ledger
	refused *sandbox.Refused // why it is left out
}

// shipped is what everyone has.
type shipped struct {
	all     []*everyones
	list    []core.Plugin // that can be run: see byName
	changed chan struct{} // closed when a module was decided on
}

func newShipped(given []Shipped, loaded []core.Plugin) shipped {
	s := shipped{changed: make(chan struct{})}
	for _, p := range loaded {
		s.all = append(s.all, &everyones{Shipped: Shipped{Origin: originOf(p), Digest: p.Digest}, plugin: &p, kept: true})
	}
	for _, given := range given {
		one := &everyones{Shipped: given}
		if given.Err != nil {
			one.refused = &sandbox.Refused{Code: "unreadable", Check: "read", Detail: given.Err.Error(), Docs: "/docs/errors#unreadable"}
		}
		if given.Manifest != nil {
			one.plugin = &core.Plugin{Manifest: *given.Manifest, Digest: given.Digest, Builtin: given.Origin == Builtin}
		}
		s.all = append(s.all, one)
	}
	s.sort()
	return s
}

func originOf(p core.Plugin) Origin {
	if p.Builtin {
		return Builtin
	}
	return Folder
}

// sort makes the list anew. Whoever has the old one keeps it.
func (s *shipped) sort() {
	s.list = nil
	for _, one := range s.all {
		if one.plugin != nil && one.refused == nil {
			s.list = append(s.list, *one.plugin)
		}
	}
	slices.SortFunc(s.list, byName)
	s.list = slices.CompactFunc(s.list, func(a, b core.Plugin) bool { return a.Digest == b.Digest })
}

// byName sorts by name, the newest version first. Of two modules with one name and
// version the one that does not ship with the program comes first: it was put there to
// replace the other.
func byName(a, b core.Plugin) int {
	builtin := 0
	if a.Builtin != b.Builtin {
		if builtin = -1; a.Builtin {
			builtin = 1
		}
	}
	return cmp.Or(cmp.Compare(a.Name, b.Name), semver.Compare("v"+b.Version, "v"+a.Version), builtin, cmp.Compare(a.Digest, b.Digest))
}

// pending counts the modules whose manifest is not known yet.
func (s *shipped) pending() (n int) {
	for _, one := range s.all {
		if one.plugin == nil && one.refused == nil {
			n++
		}
	}
	return n
}

// decided notes what became of a module.
func (s *shipped) decided(digest string, change func(*everyones)) {
	for _, one := range s.all {
		if one.Digest == digest && digest != "" {
			change(one)
		}
	}
	s.sort()
	close(s.changed)
	s.changed = make(chan struct{})
}

// everyone returns what everyone can run.
func (r *Registry) everyone() (list []core.Plugin) {
	r.shipped.Must(func(s *shipped) { list = s.list })
	return list
}

// Left is a module of the folder that is left out.
type Left struct {
	Place  string `json:"place" doc:"Its file."`
	Digest string `json:"digest,omitempty"`
	sandbox.Refused
}

// LeftOut lists the modules of the folder that are not served, and why.
func (r *Registry) LeftOut() (list []Left) {
	r.shipped.Must(func(s *shipped) {
		for _, one := range s.all {
			if one.refused != nil {
				list = append(list, Left{one.Place, one.Digest, *one.refused})
			}
		}
	})
	return list
}

// find returns a shipped module by its digest.
func (r *Registry) find(digest string) (found everyones, ok bool) {
	r.shipped.Must(func(s *shipped) {
		if i := slices.IndexFunc(s.all, func(one *everyones) bool { return one.Digest == digest }); i >= 0 {
			found, ok = *s.all[i], true
		}
	})
	return found, ok
}

// loadedAtOnce reports whether a module is one that the host had from the beginning: it
// is no blob.
func (e everyones) loadedAtOnce() bool { return e.Read == nil && e.Err == nil }

// reconcile holds what ships now against the records of the last start: what is known
// need not be asked again, and what does not ship any more is let go, but for the bytes
// that jobs hold.
func (r *Registry) reconcile(ctx context.Context) error {
	known, _, err := r.modules.List(ctx, ledger.Query{Terms: []string{everyonesTerm}, Limit: maxShipped})
	if err != nil {
		return err
	}
	for _, entry := range known {
		if _, ok := r.find(entry.Value.Digest); !ok {
			if err := r.removeModule(ctx, entry.Key, func(Module) bool { return true }); err != nil {
				return err
			}
			continue
		}
		kept := r.blobs.Has(entry.Value.Digest)
		r.shipped.Must(func(s *shipped) {
			s.decided(entry.Value.Digest, func(one *everyones) { one.recognise(entry.Value, kept) })
		})
	}
	for _, one := range r.cfg.Shipped {
		if one.Err != nil {
			r.cfg.Log.Error("plugin left out", "file", one.Place, "error", one.Err)
		}
	}
	return nil
}

// maxShipped is the most modules that a program and its folder have.
const maxShipped = 10_000

// recognise takes over what the last start found of a module. What it refused is looked
// at again, unless servers did not survive that: this program may think otherwise.
func (e *everyones) recognise(m Module, kept bool) {
	switch {
	case m.Phase == Accepted && m.Report != nil && m.Report.Plugin != nil:
		e.knows(*m.Report.Plugin)
		e.kept = kept
	case m.Phase == Rejected && m.Report.Refusal.Code == "verification_failed":
		e.refused = m.Report.Refusal
	}
}

// knows notes what a module says of itself.
func (e *everyones) knows(p core.Plugin) {
	p.Builtin = e.Origin == Builtin
	e.plugin = &p
}

// shipLoop brings what ships into the ledger, and those modules to be verified that
// nothing is known of.
func (r *Registry) shipLoop(ctx context.Context) {
	var todo []Shipped
	r.shipped.Must(func(s *shipped) {
		for _, one := range s.all {
			if !one.kept && one.refused == nil {
				todo = append(todo, one.Shipped)
			}
		}
	})
	for _, one := range todo {
		for ctx.Err() == nil {
			err := r.keepShipped(ctx, one.Digest)
			if err == nil || ctx.Err() != nil {
				break
			}
			r.cfg.Log.Warn("plugin not in the ledger yet", "plugin", one.Place, "error", err)
			select { // the disk may be full
			case <-ctx.Done():
			case <-time.After(10 * r.cfg.Retry):
			}
		}
	}
}

// keepShipped sees to it that the bytes and the record of a shipped module are in the
// ledger.
func (r *Registry) keepShipped(ctx context.Context, digest string) error {
	answer := r.keeping.DoChan(digest, func() (any, error) { return nil, r.keepOnce(r.life, digest) })
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case done := <-answer:
		return done.Err
	}
}

// ensure sees to it that the bytes of a module are in the ledger, if it is one that
// ships.
func (r *Registry) ensure(ctx context.Context, digest string) error {
	one, ok := r.find(digest)
	if !ok || one.loadedAtOnce() || one.kept && r.blobs.Has(digest) {
		return nil
	}
	if one.kept { // its file is gone
		r.shipped.Must(func(s *shipped) { s.decided(digest, func(one *everyones) { one.kept = false }) })
	}
	err := r.keepShipped(ctx, digest)
	if err != nil && r.life.Err() != nil {
		return core.ErrShuttingDown
	}
	return err
}

func (r *Registry) keepOnce(ctx context.Context, digest string) error {
	one, ok := r.find(digest)
	if !ok || one.kept {
		return nil
	}
	wasm, err := one.Read()
	if err != nil {
		return fmt.Errorf("plugin %s: %w", one.Place, err)
	}
	blob, err := r.blobs.Put(ctx, bytes.NewReader(wasm), int64(len(wasm)))
	if err != nil {
		return fmt.Errorf("plugin %s: %w", one.Place, err)
	}
	defer r.blobs.Release(blob.Digest)
	if blob.Digest != digest {
		return fmt.Errorf("plugin %s: its content changed while it was read: its digest is %s, was %s", one.Place, blob.Digest, digest)
	}
	if err := r.recordShipped(ctx, one, blob.Bytes); err != nil {
		return fmt.Errorf("plugin %s: %w", one.Place, err)
	}
	known := one.plugin // a file of the folder may have the bytes of a plugin that ships with the program
	r.shipped.Must(func(s *shipped) {
		s.decided(digest, func(one *everyones) {
			one.kept = true
			if p := cmp.Or(one.plugin, known); p != nil {
				one.knows(*p)
				one.plugin.Bytes = blob.Bytes
			}
		})
	})
	r.back(digest)
	r.rouse()
	return nil
}

// recordShipped writes the record of a module that ships: accepted where its manifest is
// known, or else to be verified.
func (r *Registry) recordShipped(ctx context.Context, one everyones, size int64) error {
	m := Module{Digest: one.Digest, Bytes: size, Origin: one.Origin, Place: one.Place, Phase: Verifying, Uploaded: Who{At: r.cfg.Now().UTC()}}
	if one.plugin != nil {
		known := *one.plugin
		known.Bytes = size
		m.Phase, m.Decided = Accepted, &m.Uploaded.At
		m.Report = &sandbox.Report{Digest: one.Digest, Bytes: size, Accepted: true, Plugin: &known}
	}
	_, err := r.modules.Modify(ctx, moduleKey("", one.Digest), func(now *Module) (*Module, error) {
		if now != nil && now.Phase == m.Phase {
			return now, nil
		}
		return &m, nil
	})
	return err
}

// shippedVerified takes in what was found of a shipped module.
func (r *Registry) shippedVerified(m Module) {
	if m.Phase == Rejected {
		r.cfg.Log.Error("plugin left out", "file", m.Place, "code", m.Report.Refusal.Code, "error", m.Report.Refusal.Detail)
	}
	r.shipped.Must(func(s *shipped) {
		s.decided(m.Digest, func(one *everyones) {
			if m.Phase == Rejected {
				one.refused, one.kept = m.Report.Refusal, false // its bytes are let go
			} else {
				one.knows(*m.Report.Plugin)
			}
		})
	})
}

// mayCome reports whether a module whose manifest is not known yet may have what a ref
// names: it is to be run, and no plugin of that name is known.
func mayCome(known []core.Plugin, ref routine.Ref) bool {
	return ref.Routine != "" && !slices.ContainsFunc(known, func(p core.Plugin) bool { return p.Name == ref.Plugin && ref.Version == "" })
}

// patience is how long a request waits for the manifests of a folder's modules.
const patience = 5 * time.Minute

// among finds what a ref names among everyone's. Where it might be in a module whose
// manifest is not known yet, it waits for that.
func (r *Registry) among(ctx context.Context, ref routine.Ref) (core.Plugin, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		var now shipped
		pending := 0
		r.shipped.Must(func(s *shipped) { now, pending = *s, s.pending() })
		p, err := core.Among(now.list, ref)
		if err == nil || pending == 0 || !mayCome(now.list, ref) {
			return p, err
		}
		select {
		case <-now.changed:
		case <-ctx.Done():
			return p, context.Cause(ctx)
		case <-r.life.Done():
			return p, core.ErrShuttingDown
		case <-late.C:
			return p, refuse("starting", "%d modules of the folder of plugins are not verified yet, and %s may be in one of them", pending, ref)
		}
	}
}
