package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"thresher/core/dispatch"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/work"
)

// DamagedBlob is a blob whose file is not what its digest says.
type DamagedBlob struct {
	Digest string   `json:"digest"`
	Owners []string `json:"owners" doc:"What it holds, such as job ID artifact NAME: ten of those that do, if there are more."`
	Reason string   `json:"reason"` // what is wrong with the file
}

func (d DamagedBlob) String() string {
	return fmt.Sprintf("%s: blob %s is damaged: %s", orNobody(d.Owners), d.Digest, d.Reason)
}

func orNobody(owners []string) string {
	return cmp.Or(strings.Join(owners, ", "), "no record")
}

// The owners of blobs, as people are told of them.
func resultOwner(id string) string         { return "job " + id + " result" }
func logOwner(id string) string            { return "job " + id + " log" }
func artifactOwner(id, name string) string { return "job " + id + " artifact " + name }
func tableOwner(id, name string) string    { return "job " + id + " table " + name }
func datasetOwner(name, t string) string   { return "dataset " + name + " table " + t }

func (m KeptModule) owner() string {
	if m.Name == "" {
		return "module that is being verified"
	}
	return "module of " + m.Name + "@" + m.Version
}

// maxOwners bounds how many owners of a blob are named.
const maxOwners = 10

// ownersOf collects who owns some blobs.
type ownersOf map[string][]string

func (o ownersOf) add(digest, owner string) {
	if list, wanted := o[digest]; wanted && len(list) < maxOwners && !slices.Contains(list, owner) {
		o[digest] = append(list, owner)
	}
}

func (o ownersOf) addJob(id string, r job.Record) {
	for _, b := range writtenBlobs(r) {
		o.add(b.blob.Digest, "job "+id+" "+b.what())
	}
	if !r.Phase.Final() {
		for name, in := range r.Spec.Inputs {
			o.add(in.Digest, "job "+id+" input "+name)
		}
	}
	o.add(r.Spec.Digest, KeptModule{Name: r.Spec.Plugin(), Version: r.Spec.Version}.owner())
}

func (o ownersOf) addDataset(d Dataset) {
	for _, t := range d.Tables {
		o.add(t.Digest, datasetOwner(d.Name, t.Name))
	}
}

// holders are the records that name blobs.
type holders struct {
	jobs     *ledger.Store[job.Record]
	datasets *ledger.Store[Dataset]
	modules  func(context.Context) ([]KeptModule, error)
}

func (e *Engine) holders() holders { return holders{e.jobs, e.datasets, e.plugins.Modules} }

// owners says what blobs hold.
func (h holders) owners(ctx context.Context, digests ...string) (ownersOf, error) {
	o := ownersOf{}
	if len(digests) == 0 {
		return o, nil
	}
	for _, d := range digests {
		o[d] = nil
		datasets, err := h.datasets.Naming(ctx, d, maxOwners)
		if err != nil {
			return nil, fmt.Errorf("owners of blobs: %w", err)
		}
		each(datasets, func(found ledger.Entry[Dataset]) { o.addDataset(found.Value) })
		jobs, err := h.jobs.Naming(ctx, d, maxOwners)
		if err != nil {
			return nil, fmt.Errorf("owners of blobs: %w", err)
		}
		each(jobs, func(found ledger.Entry[job.Record]) { o.addJob(found.Key, found.Value) })
	}
	modules, err := h.modules(ctx)
	if err != nil {
		return nil, fmt.Errorf("owners of blobs: %w", err)
	}
	each(modules, func(m KeptModule) { o.add(m.Digest, m.owner()) })
	return o, nil
}

// blobs calls fn with every blob that a record needs. One that several need comes
// several times.
func (h holders) blobs(ctx context.Context, l *ledger.Ledger, fn func(ledger.Blob)) error {
	at, err := l.Snapshot()
	if err != nil {
		return err
	}
	defer at.Close()
	err = h.datasets.Each(ctx, at, func(f ledger.Found[Dataset]) error {
		each(f.Entry().Value.blobs(), fn)
		return nil
	})
	if err != nil {
		return err
	}
	modules, err := h.modules(ctx)
	if err != nil {
		return err
	}
	each(modules, func(m KeptModule) { fn(m.Blob) })
	return h.jobs.Each(ctx, at, func(f ledger.Found[job.Record]) error {
		each(neededBlobs(f.Entry().Value), fn)
		return nil
	})
}

func keys[T any](m map[string]T) []string { return slices.Collect(maps.Keys(m)) }

func each[T any](list []T, fn func(T)) {
	for _, v := range list {
		fn(v)
	}
}

// Damaged lists the blobs that are known to be damaged.
func (e *Engine) Damaged(ctx context.Context) ([]DamagedBlob, error) {
	known := e.ledger.Blobs().Damaged()
	var asked map[string][]string
	e.owned.Must(func(all *map[string][]string) {
		asked = make(map[string][]string, len(known))
		for _, d := range known {
			if owners, ok := (*all)[d.Digest]; ok {
				asked[d.Digest] = owners
			}
		}
	})
	var unknown []string
	for _, d := range known {
		if _, ok := asked[d.Digest]; !ok {
			unknown = append(unknown, d.Digest)
		}
	}
	found, err := e.holders().owners(ctx, unknown...)
	if err != nil {
		return nil, err
	}
	for digest, owners := range found {
		slices.Sort(owners)
		asked[digest] = owners
	}
	e.owned.Must(func(all *map[string][]string) { *all = asked }) // of those that are damaged no more, nothing is kept
	list := make([]DamagedBlob, len(known))
	for i, d := range known {
		list[i] = DamagedBlob{d.Digest, append([]string{}, asked[d.Digest]...), d.Reason}
	}
	return list, nil
}

// damagedOf lists damage by digest.
func damagedOf(reasons map[string]string, owners ownersOf) []DamagedBlob {
	list := make([]DamagedBlob, 0, len(reasons))
	for _, digest := range slices.Sorted(maps.Keys(reasons)) {
		slices.Sort(owners[digest])
		list = append(list, DamagedBlob{digest, append([]string{}, owners[digest]...), reasons[digest]})
	}
	return list
}

// ArchiveDamaged lists all that a backup or a restore found damaged.
type ArchiveDamaged struct {
	Damaged []DamagedBlob
	Advice  string // what to do about it
}

func (e *ArchiveDamaged) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d damaged:", len(e.Damaged))
	for _, d := range e.Damaged {
		fmt.Fprintf(&text, "\n  %s", d)
	}
	return text.String() + "\n" + e.Advice
}

// Unwrap returns ledger.ErrDamaged.
func (e *ArchiveDamaged) Unwrap() error { return ledger.ErrDamaged }

const (
	adviceBackup  = "no backup was made: import or upload the same content again, which repairs a file, take its file from an older archive, or leave out what is damaged with --skip-damaged"
	adviceRestore = "nothing was restored: take another archive, or restore all else with --skip-damaged"
)

// lookAgainEvery is how soon a file that was put back is noticed.
const lookAgainEvery = time.Second

// watchDamage logs each damaged blob once, looks whether it is whole again, and lets
// the jobs go on that wait for it, until ctx ends.
func (e *Engine) watchDamage(ctx context.Context) {
	again := time.NewTicker(lookAgainEvery)
	defer again.Stop()
	told := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		if err := cmp.Or(e.tellDamage(ctx, told), e.unpark(ctx)); err != nil && ctx.Err() == nil {
			e.cfg.Log.Warn("damaged blobs not looked at: tried again in a moment", "error", err)
		}
	}
}

func (e *Engine) tellDamage(ctx context.Context, told map[string]bool) error {
	for _, d := range e.ledger.DamagedRecords() {
		if !told[d.String()] {
			told[d.String()] = true
			e.cfg.Log.Error("record damaged: restore the newest backup", "kind", d.Kind, "part", d.Part, "key", d.Key, "reason", d.Reason)
		}
	}
	blobs := e.ledger.Blobs()
	for _, d := range blobs.Damaged() {
		if err := blobs.LookAgain(ctx, d); told[d.Digest] && (err == nil || errors.Is(err, ledger.ErrNotFound)) {
			delete(told, d.Digest)
			e.cfg.Log.Info("blob whole again, or no longer referenced", "blob", d.Digest)
		}
	}
	if len(blobs.Damaged()) == 0 {
		return nil
	}
	list, err := e.Damaged(ctx)
	for _, d := range list {
		if !told[d.Digest] {
			told[d.Digest] = true
			e.cfg.Log.Error("blob damaged", "blob", d.Digest, "owners", d.Owners, "reason", d.Reason)
		}
	}
	return err
}

// park lets a job wait for a damaged blob.
func (e *Engine) park(id string, bad *ledger.Damaged) {
	e.dispatch.Park(id, dispatch.Reason{Key: bad.Digest, Why: fmt.Sprintf("blob %s of %s is damaged", bad.Digest, bad.Owner)})
}

// unpark lets the jobs go on whose blob is whole again.
func (e *Engine) unpark(ctx context.Context) error {
	for digest := range e.dispatch.ParkedOn() {
		err := e.readable(ctx, digest)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, ledger.ErrDamaged) {
			e.dispatch.Unpark(digest)
		}
	}
	return nil
}

// readable returns the error of damage for a blob, or for the module of that digest.
func (e *Engine) readable(ctx context.Context, digest string) error {
	if c, ok := e.plugins.(work.ModuleChecker); ok {
		return c.CheckModule(ctx, digest)
	}
	return e.ledger.Blobs().Check(ctx, ledger.Unsized(digest))
}
