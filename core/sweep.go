package core

import (
	"context"
	"fmt"

	"thresher/core/job"
)

// sweepBlobs removes the blobs that no record names: what a crash left between
// sealing an output and recording it, and what deleted jobs and datasets had. It
// runs before anything is accepted, so that nothing can be on its way.
func (e *Engine) sweepBlobs(ctx context.Context) error {
	named := map[string]bool{}
	if err := e.each(ctx, "", func(_ string, r job.Record) error {
		for _, digest := range digests(r) {
			named[digest] = true
		}
		return nil
	}); err != nil {
		return fmt.Errorf("sweep blobs: %w", err)
	}
	datasets, err := e.Datasets(ctx)
	if err != nil {
		return fmt.Errorf("sweep blobs: %w", err)
	}
	for _, d := range datasets {
		for _, t := range d.Tables {
			named[t.Digest] = true
		}
	}
	return e.ledger.Blobs().Sweep(ctx, func(digest string) bool { return named[digest] })
}

// digests lists the blobs that a job needs: its outputs, and its inputs while it
// may still run.
func digests(r job.Record) []string {
	var list []string
	if !r.Phase.Final() {
		for _, in := range r.Spec.Inputs {
			list = append(list, in.Digest)
		}
	}
	o := r.Outcome
	if o == nil {
		return list
	}
	for _, t := range o.Tables {
		list = append(list, t.Digest)
	}
	for _, a := range o.Artifacts {
		list = append(list, a.Digest)
	}
	if o.ResultRef != nil {
		list = append(list, o.ResultRef.Digest)
	}
	if o.Log != nil {
		list = append(list, o.Log.Digest)
	}
	return list
}
