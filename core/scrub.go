package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"thresher/core/ledger"
)

// scrub checks every blob once a week, until ctx ends.
func (e *Engine) scrub(ctx context.Context) {
	err := e.ledger.Blobs().Scrub(ctx, ledger.Scrubbing{
		Position: filepath.Join(e.cfg.Dir, "cache", "scrub.json"),
		Passed: func(ctx context.Context) {
			if err := lookForMissing(ctx, e.holders(), e.ledger); err != nil && ctx.Err() == nil {
				e.cfg.Log.Warn("look for missing blobs failed", "error", err)
			}
		},
	})
	if ctx.Err() == nil {
		e.cfg.Log.Error("scrubbing ended: the next start tries again", "error", err)
	}
}

// lookForMissing finds the blobs that records name and that are not there.
func lookForMissing(ctx context.Context, h holders, l *ledger.Ledger) error {
	return h.blobs(ctx, l, func(b ledger.Blob) { _ = l.Blobs().Look(b) }) // what it finds is remembered
}

// Verification is what a check of all blobs found.
type Verification struct {
	ledger.Verified
	Damaged []DamagedBlob `json:"damaged"`
}

// Verify checks every blob that a record needs, as fast as the disk reads. It calls
// progress before each piece.
type Verify func(ctx context.Context, progress func(ledger.Verified)) (Verification, error)

// Verify returns what checks all blobs, once; one at a time may run. The caller must
// call it.
func (e *Engine) Verify() (Verify, error) {
	select {
	case e.verifies <- struct{}{}:
	default:
		return nil, fmt.Errorf("verify: another check of all blobs is under way: %w", ErrInUse)
	}
	return func(ctx context.Context, progress func(ledger.Verified)) (Verification, error) {
		defer func() { <-e.verifies }()
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(e.life, func() { cancel(ErrShuttingDown) })()
		v, err := verifyAll(ctx, e.holders(), e.ledger, progress)
		if err == nil {
			v.Damaged, err = e.Damaged(ctx)
		}
		return v, err
	}, nil
}

func verifyAll(ctx context.Context, h holders, l *ledger.Ledger, progress func(ledger.Verified)) (v Verification, err error) {
	err = l.Blobs().VerifyAll(ctx, func(now ledger.Verified) {
		v.Verified = now
		progress(now)
	})
	if err == nil {
		err = lookForMissing(ctx, h, l)
	}
	return v, err
}

// VerifyFolder checks every blob of a data folder that no server has open. modules may
// be nil where it never had a registry.
func VerifyFolder(ctx context.Context, dir string, modules OpenModules, progress func(ledger.Verified)) (v Verification, err error) {
	if info, err := os.Stat(filepath.Join(dir, "blobs")); err != nil || !info.IsDir() {
		return v, invalid("data", "%s is no data folder: it has no folder blobs", dir)
	}
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
	return v, err
}

// openHolders opens the stores whose records name blobs.
func openHolders(ctx context.Context, l *ledger.Ledger, modules OpenModules) (h holders, err error) {
	if h.jobs, err = ledger.OpenStore(ctx, l, "jobs", JobStore()); err != nil {
		return h, err
	}
	if h.datasets, err = ledger.OpenStore(ctx, l, "datasets", datasetStore()); err != nil {
		return h, err
	}
	if h.modules = (&fixed{}).Modules; modules != nil {
		h.modules, err = modules(ctx, l)
	}
	return h, err
}
