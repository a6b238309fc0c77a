package core

import (
	"context"
	"errors"
	"time"
)

// How often the engine looks after itself.
const (
	auditEvery = 30 * time.Second
	clockEvery = 5 * time.Second
	pruneEvery = 10 * time.Second
)

// keep audits and prunes until ctx ends.
func (e *Engine) keep(ctx context.Context) {
	audit, prune, look := time.NewTicker(auditEvery), time.NewTicker(pruneEvery), time.NewTicker(clockEvery)
	defer look.Stop()
	defer audit.Stop()
	defer prune.Stop()
	batches := "" // up to where they have been looked at
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			e.clock.Check()
		case <-audit.C:
			_, err = e.Audit(ctx)
		case <-prune.C:
			_, err = e.Prune(ctx)
			if err == nil {
				batches, err = e.tidyUp(ctx, batches)
			}
		case <-e.tidy: // bounds have changed
			_, err = e.Prune(ctx)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrInUse) {
			e.cfg.Log.Warn("housekeeping", "error", err)
		}
	}
}
