package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"thresher/core/ledger"
)

// scrub checks every blob and every record once a week, until ctx ends.
func (e *Engine) scrub(ctx context.Context) {
	how := ledger.Scrubbing{Position: filepath.Join(e.cfg.Dir, "cache", "scrub.json")}
	how.Passed = func(ctx context.Context) { e.afterPass(ctx, how) }
	err := e.ledger.Blobs().Scrub(ctx, how)
	if ctx.Err() == nil {
		e.cfg.Log.Error("scrubbing ended: the next start tries again", "error", err)
	}
}

// afterPass looks for missing blobs and checks all records, at the scrubber's rate.
func (e *Engine) afterPass(ctx context.Context, how ledger.Scrubbing) {
	if err := lookForMissing(ctx, e.holders(), e.ledger); err != nil && ctx.Err() == nil {
		e.cfg.Log.Warn("look for missing blobs failed", "error", err)
	}
	if err := e.ledger.VerifyRecords(ctx, ledger.RecordCheck{Pace: how.Pace()}); err != nil && ctx.Err() == nil {
		e.cfg.Log.Warn("records not checked: the next pass tries again", "error", err)
	}
}

// lookForMissing finds the blobs that records name and that are not there.
func lookForMissing(ctx context.Context, h holders, l *ledger.Ledger) error {
	return h.blobs(ctx, l, func(b ledger.Blob) { _ = l.Blobs().Look(b) }) // what it finds is remembered
}

// Verification is what a check of all records and all blobs found.
type Verification struct {
	ledger.Verified
	Damaged        []DamagedBlob         `json:"damaged"`
	DamagedRecords []ledger.RecordDamage `json:"damaged_records"`
}

// Verify checks every record, with its index, and every blob that a record needs, as
// fast as the disk reads. It calls progress before each piece.
type Verify func(ctx context.Context, progress func(ledger.Verified)) (Verification, error)

// Verify returns what checks all records and blobs, once; one at a time may run. The caller must
// call it.
func (e *Engine) Verify() (Verify, error) {
	select {
	case e.verifies <- struct{}{}:
	default:
		return nil, fmt.Errorf("verify: another check is under way: %w", ErrInUse)
	}
	return func(ctx context.Context, progress func(ledger.Verified)) (Verification, error) {
		defer func() { <-e.verifies }()
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(e.life, func() { cancel(ErrShuttingDown) })()
		v, err := verifyAll(ctx, e.holders(), e.ledger, progress)
		if err == nil {
			var damaged []DamagedBlob
			damaged, err = e.Damaged(ctx)
			v.Damaged = append(v.Damaged, damaged...)
		}
		return v, v.explains(err)
	}, nil
}

func verifyAll(ctx context.Context, h holders, l *ledger.Ledger, progress func(ledger.Verified)) (v Verification, err error) {
	err = l.VerifyRecords(ctx, ledger.RecordCheck{Progress: func(n int64) {
		v.Records = n
		progress(v.Verified)
	}})
	if err != nil {
		return v, err
	}
	v.Damaged = []DamagedBlob{}
	v.DamagedRecords = append([]ledger.RecordDamage{}, l.DamagedRecords()...)
	err = l.Blobs().VerifyAll(ctx, func(now ledger.Verified) {
		now.Records = v.Records
		v.Verified = now
		progress(now)
	})
	if err == nil {
		err = lookForMissing(ctx, h, l)
	}
	return v, v.explains(err)
}

// explains returns no error for a record that could not be read, where damaged records
// are listed: then fewer files were looked for, and fewer owners are known.
func (v *Verification) explains(err error) error {
	if errors.Is(err, ledger.ErrCorrupt) && len(v.DamagedRecords) > 0 {
		return nil
	}
	return err
}

// VerifyFolder checks every record and every blob of a data folder that no server has
// open. modules may be nil where it never had a registry. Where the store cannot be
// opened for its damage, only the records are checked.
func VerifyFolder(ctx context.Context, dir string, modules OpenModules, progress func(ledger.Verified)) (v Verification, err error) {
	if info, err := os.Stat(filepath.Join(dir, "blobs")); err != nil || !info.IsDir() {
		return v, invalid("data", "%s is no data folder: it has no folder blobs", dir)
	}
	if v, err = verifyOpened(ctx, dir, modules, progress); !errors.Is(err, ledger.ErrCorrupt) {
		return v, err
	}
	found, checking := ledger.VerifyStopped(ctx, dir, ledger.RecordCheck{Progress: func(n int64) { progress(ledger.Verified{Records: n}) }})
	if checking != nil || len(found) == 0 {
		return v, errors.Join(err, checking)
	}
	return Verification{Verified: v.Verified, Damaged: []DamagedBlob{}, DamagedRecords: found}, nil
}

func verifyOpened(ctx context.Context, dir string, modules OpenModules, progress func(ledger.Verified)) (v Verification, err error) {
	l, err := ledger.Open(ctx, ledger.Config{Dir: dir})
	if errors.Is(err, ledger.ErrLocked) {
		return v, invalid("data", "%v: ask its server, without --data", err)
	}
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, l.Close(context.WithoutCancel(ctx))) }()
	h, err := openHolders(ctx, l, modules)
	if err != nil {
		return v, err
	}
	if v, err = verifyAll(ctx, h, l, progress); err != nil {
		return v, err
	}
	reasons := map[string]string{}
	for _, d := range l.Blobs().Damaged() {
		reasons[d.Digest] = d.Reason
	}
	owners, err := h.owners(ctx, keys(reasons)...)
	v.Damaged = damagedOf(reasons, owners)
	return v, v.explains(err)
}

// openHolders opens the stores whose records name blobs, and the others, so that their
// index is checked.
func openHolders(ctx context.Context, l *ledger.Ledger, modules OpenModules) (h holders, err error) {
	if h.jobs, err = ledger.OpenStore(ctx, l, "jobs", JobStore()); err != nil {
		return h, err
	}
	if h.datasets, err = ledger.OpenStore(ctx, l, "datasets", datasetStore()); err != nil {
		return h, err
	}
	_, batches := ledger.OpenStore(ctx, l, "batches", batchStore())
	_, bulks := ledger.OpenStore(ctx, l, "bulks", bulkStore())
	_, settings := ledger.OpenStore(ctx, l, "settings", ledger.StoreConfig[Limits]{})
	if err := errors.Join(batches, bulks, settings); err != nil {
		return h, err
	}
	if h.modules = (&fixed{}).Modules; modules != nil {
		h.modules, err = modules(ctx, l)
	}
	return h, err
}

// Kinds lists the kinds of records that there are.
func (e *Engine) Kinds() ([]string, error) { return e.ledger.Kinds() }
