package sandbox

import (
	"context"
	"errors"
)

// Rehearse runs the examples of a routine of a module that is loaded, or of all its
// routines where the name is empty, up to the first that fails: refused says why it does.
// A module that is not loaded has none.
func (h *Host) Rehearse(ctx context.Context, digest, routine string) (ran []ExampleReport, refused *Refused, err error) {
	m := h.module(digest)
	if m == nil {
		return nil, nil, nil
	}
	var r Report
	err = h.examplesOf(ctx, m, routine, &r)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		refused, err = refusal.report("examples"), nil
	}
	return r.Examples, refused, err
}
