package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"thresher/core"
	"thresher/core/job"
	"thresher/server/problem"
)

func (h handlers) mountBatches(api huma.API) {
	huma.Register(api, operation(http.MethodPost, "/batches", "submit-batch", "batches", "Submit many jobs: all, or none", http.StatusAccepted), h.submitBatch)
	huma.Register(api, operation(http.MethodGet, "/batches", "list-batches", "batches", "List batches, newest first", http.StatusOK), h.batches)
	huma.Register(api, operation(http.MethodGet, "/batches/{id}", "get-batch", "batches", "Get a batch, with how many of its jobs are in each phase", http.StatusOK), h.batch)
	huma.Register(api, operation(http.MethodPost, "/batches/{id}/stop", "stop-batch", "batches", "Stop every job of a batch", http.StatusAccepted), h.onBatch("stop"))
	huma.Register(api, operation(http.MethodPost, "/batches/{id}/pause", "pause-batch", "batches", "Pause a batch", http.StatusAccepted), h.onBatch("pause"))
	huma.Register(api, operation(http.MethodPost, "/batches/{id}/resume", "resume-batch", "batches", "Resume a batch", http.StatusAccepted), h.onBatch("resume"))
	huma.Register(api, operation(http.MethodPost, "/batches/{id}/retry", "retry-whole-batch", "batches", "Retry the jobs of a batch that failed or were stopped", http.StatusAccepted), h.onBatch("retry", job.Failed, job.Stopped))
	huma.Register(api, operation(http.MethodPost, "/batches/{id}/retry-failed", "retry-batch", "batches", "Retry the jobs of a batch that failed and were not retried yet", http.StatusAccepted), h.onBatch("retry", job.Failed))
	huma.Register(api, operation(http.MethodPost, "/bulk", "start-bulk", "jobs", "Pause, resume, stop, retry, delete, pin or unpin every job that a filter selects", http.StatusAccepted), h.bulk)
	huma.Register(api, operation(http.MethodGet, "/bulk", "list-bulks", "jobs", "List bulk actions: those of the last day, and those that have not ended", http.StatusOK), h.bulks)
	huma.Register(api, operation(http.MethodGet, "/bulk/{id}", "get-bulk", "jobs", "Get how far a bulk action is", http.StatusOK), h.getBulk)
	huma.Register(api, operation(http.MethodPost, "/bulk/{id}/stop", "stop-bulk", "jobs", "Stop a bulk action; what it has done stays", http.StatusOK), h.stopBulk)
}

type batchOutput struct {
	Location string `header:"Location"`
	Body     core.Batch
}

type submitBatchInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"A name of your own for this submit: repeating it returns the same batch, for as long as the batch is kept."`
	Body core.BatchRequest
}

func (h handlers) submitBatch(ctx context.Context, in *submitBatchInput) (*batchOutput, error) {
	in.Body.Key = in.Key
	b, err := h.engine.SubmitBatch(ctx, in.Body)
	if err != nil {
		return nil, problem.Of(err)
	}
	return &batchOutput{Location: Prefix + "/batches/" + b.ID, Body: b}, nil
}

type pageInput struct {
	Cursor string `query:"cursor" doc:"next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}

func (h handlers) batches(ctx context.Context, in *pageInput) (*output[core.BatchPage], error) {
	return answer(h.engine.Batches(ctx, in.Cursor, in.Limit))
}

// BatchID names a batch or a bulk.
type BatchID struct {
	ID string `path:"id" doc:"Its id."`
}

func (h handlers) batch(ctx context.Context, in *BatchID) (*output[core.Batch], error) {
	return answer(h.engine.Batch(ctx, in.ID))
}

// onBatch makes a handler that starts a bulk on a batch's jobs.
func (h handlers) onBatch(action string, phases ...job.Phase) func(context.Context, *BatchID) (*output[core.Bulk], error) {
	return func(ctx context.Context, in *BatchID) (*output[core.Bulk], error) {
		if _, err := h.engine.Batch(ctx, in.ID); err != nil {
			return nil, problem.Of(err)
		}
		f := core.Filter{Batch: in.ID, Phases: phases}
		if len(phases) == 1 {
			f.Phase, f.Phases = phases[0], nil
		}
		return answer(h.engine.StartBulk(ctx, action, f, false))
	}
}

type bulkRequest struct {
	Action  string      `json:"action" enum:"pause,resume,stop,retry,delete,pin,unpin"`
	Filter  core.Filter `json:"filter" doc:"Which jobs: at least one condition."`
	All     bool        `json:"all,omitempty" doc:"Every job: a filter without a condition must be meant."`
	Preview bool        `json:"preview,omitempty" doc:"Only count them."`
}

func (h handlers) bulk(ctx context.Context, in *struct{ Body bulkRequest }) (*output[core.Bulk], error) {
	if in.Body.Filter.Empty() && !in.Body.All {
		return nil, problem.Of(&core.Invalid{Field: "filter", Message: "has no condition: set all to mean every job"})
	}
	return answer(h.engine.StartBulk(ctx, in.Body.Action, in.Body.Filter, in.Body.Preview))
}

func (h handlers) bulks(ctx context.Context, in *pageInput) (*output[core.BulkPage], error) {
	return answer(h.engine.Bulks(ctx, in.Cursor, in.Limit))
}

func (h handlers) getBulk(ctx context.Context, in *BatchID) (*output[core.Bulk], error) {
	return answer(h.engine.Bulk(ctx, in.ID))
}

func (h handlers) stopBulk(ctx context.Context, in *BatchID) (*output[core.Bulk], error) {
	return answer(h.engine.StopBulk(ctx, in.ID))
}
