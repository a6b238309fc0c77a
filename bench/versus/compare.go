package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// rounds is how often two things are measured in turn, so that what else the
// machine does falls on both.
const rounds = 4

// limitsCost compares jobs with and without limits on one server, in turn.
func limitsCost(ctx context.Context, dir string, each time.Duration) error {
	url, stop, err := startThresher(ctx, filepath.Join(dir, "limits-cost"))
	if err != nil {
		return err
	}
	defer stop()
	plain, limited := 0.0, 0.0
	for range rounds {
		if err := patchLimits(ctx, url, `{"tenant_slots":{},"plugin_slots":{},"node_slots":{},"locks":{},"tenant_queue_cap":{},"tenant_weights":{},"retention":{"*":{"age_seconds":86400}}}`); err != nil {
			return err
		}
		_, rate, err := closedLoop(ctx, 16, each/2, submitter(url, false))
		if err != nil {
			return err
		}
		plain += rate / rounds
		if err := patchLimits(ctx, url, everyLimit); err != nil {
			return err
		}
		_, rate, err = closedLoop(ctx, 16, each/2, submitter(url, true))
		if err != nil {
			return err
		}
		limited += rate / rounds
	}
	fmt.Printf("\nevery limit on: %.0f jobs/s instead of %.0f with 16 clients, measured in turn: %+.1f %%\n", limited, plain, 100*(limited/plain-1))
	return nil
}
