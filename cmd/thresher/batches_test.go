package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
)

// halfWritten starts a program that is writing a batch of core.MaxBatch jobs. answered
// receives how the submit went.
func halfWritten(t *testing.T, data, plugins string) (p *program, b core.Batch, answered <-chan error) {
	t.Helper()
	p = startProgram(t, data, plugins)
	answered = submitSweep(p.client)
	b = newestBatch(t, p.client)
	require.Equal(t, core.BatchExpanding, b.State, "%+v", b)
	return p, b, answered
}

// submitSweep submits a batch of core.MaxBatch jobs.
func submitSweep(c *client.Client) <-chan error {
	seeds := make([]json.RawMessage, core.MaxBatch)
	for i := range seeds {
		seeds[i] = json.RawMessage(fmt.Sprint(i))
	}
	answered := make(chan error, 1)
	go func() {
		template := sir()
		answered <- c.Post(context.Background(), "/api/v1/batches", core.BatchRequest{
			Template: &template, Grid: map[string][]json.RawMessage{"seed": seeds},
		}, nil)
	}()
	return answered
}

// newestBatch returns the newest batch as soon as it is listed.
func newestBatch(t *testing.T, c *client.Client) core.Batch {
	t.Helper()
	for {
		var page core.BatchPage
		require.NoError(t, c.Get(t.Context(), "/api/v1/batches?limit=1", &page))
		if len(page.Batches) > 0 {
			return page.Batches[0]
		}
	}
}

// kill -9 while a batch is being written: nothing of it is left, and nothing of it has run.
func TestKill9RemovesABatchThatIsNotWhole(t *testing.T) {
	t.Parallel()
	data, plugins := t.TempDir(), pluginFolder(t)
	p, b, answered := halfWritten(t, data, plugins)
	assert.Equal(t, core.MaxBatch, b.Jobs)
	assert.Equal(t, b.Written, b.Phases[job.Pending], "none has run")
	p.kill()
	require.Error(t, <-answered, "it was never acknowledged")

	p = startProgram(t, data, plugins)
	var page core.BatchPage
	require.NoError(t, p.client.Get(t.Context(), "/api/v1/batches", &page))
	assert.Empty(t, page.Batches)
	jobs, err := p.client.Jobs(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, jobs.Jobs)
	require.NoError(t, audit(t, p))
}

// A stop that is given as soon as a batch is listed ends all of it, also where kill -9
// meets the stop.
func TestAStopOfABatchEndsAllOfIt(t *testing.T) {
	t.Parallel()
	data, plugins := t.TempDir(), pluginFolder(t)
	p, b, answered := halfWritten(t, data, plugins)
	var stop core.Bulk
	require.NoError(t, p.client.Post(t.Context(), "/api/v1/batches/"+b.ID+"/stop", nil, &stop))
	assert.Equal(t, core.MaxBatch, stop.Jobs)
	require.NoError(t, <-answered, "it is whole")
	p.kill()

	p = startProgram(t, data, plugins)
	for b.State != core.BatchStopped {
		require.NoError(t, p.client.Get(t.Context(), "/api/v1/batches/"+b.ID, &b))
	}
	assert.Equal(t, core.MaxBatch, b.Phases[job.Stopped])
	for stop.Open() {
		require.NoError(t, p.client.Get(t.Context(), "/api/v1/bulk/"+stop.ID, &stop))
	}
	assert.Equal(t, core.BulkCompleted, stop.State)
	assert.Equal(t, core.MaxBatch, stop.Done+stop.Skipped)
	require.NoError(t, audit(t, p))
}

// The newest batch is named by last, as the newest job is; a job says of which it is.
func TestLastIsTheNewestBatch(t *testing.T) {
	t.Parallel()
	p := startProgram(t, t.TempDir(), pluginFolder(t))
	out, exit := commandLine(t, p, "batches", "show", "last")
	assert.Equal(t, exitNotFound, exit)
	assert.Contains(t, out, "there is no batch")

	var b core.Batch
	for range 2 {
		require.NoError(t, p.client.Post(t.Context(), "/api/v1/batches", core.BatchRequest{Jobs: []core.BatchJob{{Request: sir()}}}, &b))
	}
	for _, args := range [][]string{{"batches", "watch", "last"}, {"batches", "show", "last"}, {"jobs", "get", "last"}} {
		out, exit = commandLine(t, p, args...)
		assert.Equal(t, exitOK, exit, "%v: %s", args, out)
		assert.Contains(t, out, b.ID, "%v", args)
	}
	out, exit = commandLine(t, p, "batches", "stop", "last")
	assert.Equal(t, exitOK, exit, out)
	assert.Contains(t, out, "1 skipped (illegal_move 1), the batch had ended")
}
