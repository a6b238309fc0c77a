package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"thresher/core/job"
	"thresher/core/work"
)

// samples is the folder of what running guests have left so far.
func (e *Engine) samples() string { return filepath.Join(e.cfg.Dir, "attempts") }

// takeBack takes the lease of a process that is gone, and keeps what its attempt left.
func (e *Engine) takeBack(id string, r job.Record) error {
	ctx := context.Background()
	left, release := e.lastSample(ctx, id, r.Epoch)
	defer release()
	_, err := e.move(ctx, id, func(now job.Record) job.Event {
		return job.Lost{Epoch: now.Epoch, Left: left, At: e.cfg.Now()}
	})
	return err
}

// lastSample returns what a lost attempt left, with its log as a blob that is held until
// release. What cannot be kept of it is logged: the job goes on without.
func (e *Engine) lastSample(ctx context.Context, id string, epoch uint64) (left job.Left, release func()) {
	release = func() {}
	left, log, err := work.LastSample(e.samples(), id, epoch)
	if log != nil {
		defer log.Close() // only read
		var blob, putErr = e.ledger.Blobs().Put(ctx, log, left.Log.Bytes)
		if err = errors.Join(err, putErr); putErr == nil {
			left.Log.Blob = job.Blob{Digest: blob.Digest, Bytes: blob.Bytes}
			release = func() { e.ledger.Blobs().Release(blob.Digest) }
		}
	}
	if err != nil {
		e.cfg.Log.Warn("log of a lost attempt not kept", "job", id, "error", err)
	}
	if left.Log != nil && left.Log.Digest == "" {
		left.Log = nil
	}
	return left, release
}

// clearSamples removes what attempts of earlier processes left: it is in the records.
func (e *Engine) clearSamples() error {
	if err := errors.Join(os.RemoveAll(e.samples()), os.MkdirAll(e.samples(), 0o700)); err != nil {
		return fmt.Errorf("samples of running jobs: %w", err)
	}
	return nil
}

// AttemptLog opens the log of an attempt of a job, counted from 1.
func (e *Engine) AttemptLog(ctx context.Context, id string, number int) (io.ReadSeekCloser, int64, error) {
	j, err := e.Job(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	for _, a := range j.Attempts {
		if a.Number == number {
			return e.openLog(ctx, a.Log, "job "+id+" "+attemptLog(a).what())
		}
	}
	switch {
	case number < 1 || number > j.Attempt:
		return nil, 0, fmt.Errorf("job %s: attempt %d: there were %d: %w", id, number, j.Attempt, ErrNotFound)
	case number < j.Attempt:
		return nil, 0, fmt.Errorf("job %s: attempt %d: only the last %d are kept: %w", id, number, job.MaxAttempts, ErrNotFound)
	}
	return e.Log(ctx, id)
}
