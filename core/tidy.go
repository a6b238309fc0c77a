package core

import (
	"context"
	"fmt"
	"time"

	"thresher/core/ledger"
)

// keepBulks is how long is known how a bulk went.
const keepBulks = 24 * time.Hour

// tidyUp deletes the records that nothing needs any more: batches of whose jobs none
// is kept, and bulks that ended long ago. It looks at a page of batches, and returns
// where to go on next time.
func (e *Engine) tidyUp(ctx context.Context, cursor string) (next string, err error) {
	batches, next, err := e.batches.List(ctx, ledger.Query{Before: cursor, Limit: MaxPage, Ascending: true})
	if err != nil {
		return "", fmt.Errorf("tidy up: %w", err)
	}
	for _, entry := range batches {
		b := entry.Value
		jobs, err := e.jobs.Count(ctx, "batch="+b.ID)
		if err == nil && b.Written && jobs == 0 {
			err = remove(ctx, e.batches, b.ID)
		}
		if err != nil {
			return "", fmt.Errorf("tidy up: %w", err)
		}
	}
	bulks, _, err := e.bulks.List(ctx, ledger.Query{Limit: MaxPage, Ascending: true})
	if err != nil {
		return "", fmt.Errorf("tidy up: %w", err)
	}
	for _, entry := range bulks {
		b := entry.Value
		if b.Open() || e.clock.Age(b.Created) <= keepBulks {
			break // an open one must know of the later ones; and these are younger
		}
		if err := remove(ctx, e.bulks, b.ID); err != nil {
			return "", fmt.Errorf("tidy up: %w", err)
		}
	}
	return next, nil
}

// remove deletes a record, if it is there.
func remove[T any](ctx context.Context, s *ledger.Store[T], key string) error {
	_, err := s.Modify(ctx, key, func(*T) (*T, error) { return nil, nil })
	return err
}
