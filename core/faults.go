package core

import (
	"context"

	"thresher/core/job"
	"thresher/core/ledger"
)

// Faults are where tests break an engine, to show that the checks see that. Nothing
// else sets them: the linter keeps it so. A field that is nil is no fault.
type Faults struct {
	Ledger ledger.Faults
	// Grant replaces the passing on of a grant to the workers, which grant does.
	Grant func(id string, grant func(id string))
	// Claim replaces the asking whether a grant stands.
	Claim func(id string) bool
	// Recover chooses records that recovery overwrites.
	Recover func(job.Record) (job.Record, bool)
}

// recoverWrongly overwrites what a test says.
func (e *Engine) recoverWrongly(ctx context.Context) error {
	if e.cfg.Faults.Recover == nil {
		return nil
	}
	return e.each(ctx, "", func(id string, r job.Record) error {
		changed, ok := e.cfg.Faults.Recover(r)
		if !ok {
			return nil
		}
		_, err := e.jobs.Modify(ctx, id, func(*job.Record) (*job.Record, error) { return &changed, nil })
		return err
	})
}
