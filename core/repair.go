package core

import (
	"context"
	"errors"
	"time"

	"thresher/core/ledger"
)

// repair finishes an operation that a failed write interrupted. Running it again does
// nothing.
type repair struct {
	what string // for the log
	do   func(context.Context) error
}

// repairEvery is how often it is checked whether the disk takes writes again.
const repairEvery = time.Second

// stalled reports whether a write was refused for the disk, or is not decided.
func stalled(err error) bool {
	return errors.Is(err, ledger.ErrDiskFull) || errors.Is(err, ledger.ErrUnclear) || errors.Is(err, ledger.ErrDisabled)
}

// repairLater queues a repair until the disk takes writes. If this process ends first,
// the next start makes the repair.
func (e *Engine) repairLater(what string, do func(context.Context) error) {
	e.cfg.Log.Warn("half done: the rest follows once the disk takes writes", "what", what)
	e.repairs.Must(func(list *[]repair) { *list = append(*list, repair{what, do}) })
}

// repairLoop makes the repairs that are queued, until ctx ends.
func (e *Engine) repairLoop(ctx context.Context) {
	again := time.NewTicker(repairEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		if e.ledger.Able() == nil {
			e.repairAll(ctx)
		}
	}
}

func (e *Engine) repairAll(ctx context.Context) {
	var due []repair
	e.repairs.Must(func(list *[]repair) { due, *list = *list, nil })
	for _, r := range due {
		err := r.do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			e.cfg.Log.Info("done after all", "what", r.what)
		case errors.Is(err, ledger.ErrCorrupt): // that does not pass
			e.cfg.Log.Error("not done: a record is damaged; tried again at the next start", "what", r.what, "error", err)
		default:
			e.cfg.Log.Warn("not done yet: tried again in a moment", "what", r.what, "error", err)
			e.repairs.Must(func(list *[]repair) { *list = append(*list, r) })
		}
	}
}
