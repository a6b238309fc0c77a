package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/routine"
	"thresher/server/problem"
)

func (h handlers) mountJobs(api huma.API) {
	huma.Register(api, operation(http.MethodPost, "/jobs", "submit-job", "jobs", "Submit a job", http.StatusAccepted), h.submit)
	list := operation(http.MethodGet, "/jobs", "list-jobs", "jobs", "List jobs, newest first", http.StatusOK)
	list.Responses = encodedAs[core.Page](api)
	huma.Register(api, list, h.list)
	huma.Register(api, operation(http.MethodGet, "/jobs/{id}", "get-job", "jobs", "Get a job, or wait for its end", http.StatusOK), h.get)
	huma.Register(api, operation(http.MethodPost, "/jobs/{id}/pause", "pause-job", "jobs", "Pause a job", http.StatusOK), h.change((*core.Engine).Pause))
	huma.Register(api, operation(http.MethodPost, "/jobs/{id}/resume", "resume-job", "jobs", "Resume a paused job", http.StatusOK), h.change((*core.Engine).Resume))
	huma.Register(api, operation(http.MethodPost, "/jobs/{id}/stop", "stop-job", "jobs", "Stop a job", http.StatusOK), h.change((*core.Engine).Stop))
	huma.Register(api, operation(http.MethodPost, "/jobs/{id}/pin", "pin-job", "jobs", "Pin a job so that retention does not delete it", http.StatusOK), h.change(pin(true)))
	huma.Register(api, operation(http.MethodPost, "/jobs/{id}/unpin", "unpin-job", "jobs", "Unpin a job so that retention may delete it", http.StatusOK), h.change(pin(false)))
	huma.Register(api, operation(http.MethodPost, "/jobs/{id}/retry", "retry-job", "jobs", "Retry a job that has ended: submit it again as a new job", http.StatusAccepted), h.retry)
	huma.Register(api, operation(http.MethodDelete, "/jobs/{id}", "delete-job", "jobs", "Delete a job that has ended", http.StatusNoContent), h.remove)
	huma.Register(api, operation(http.MethodGet, "/jobs/{id}/artifacts", "list-artifacts", "jobs", "List a job's artifacts", http.StatusOK), h.artifacts)
	huma.Register(api, operation(http.MethodGet, "/jobs/{id}/tables", "list-tables", "jobs", "List a job's output tables", http.StatusOK), h.tables)
}

// jobOutput is a job, with the status that says whether it has ended.
type jobOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     core.Job
}

type submitInput struct {
	Wait string `query:"wait" doc:"Wait for the job's end up to this long, such as 30s; at most 60s." example:"30s"`
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"A name of your own for this submit: repeating it returns the same job, for as long as the job is kept."`
	Body core.Request
}

func (h handlers) submit(ctx context.Context, in *submitInput) (*jobOutput, error) {
	wait, err := ParseWait(in.Wait)
	if err != nil {
		return nil, problem.Of(err)
	}
	in.Body.Key = in.Key
	j, err := h.engine.Submit(ctx, in.Body)
	if err != nil {
		return nil, problem.Of(err)
	}
	return h.submitted(ctx, j, wait), nil
}

// submitted answers with a new job, once it has ended or the wait is over.
func (h handlers) submitted(ctx context.Context, j core.Job, wait time.Duration) *jobOutput {
	if wait > 0 {
		ctx, cancel := bounded(ctx, wait)
		defer cancel()
		// The job is there, whatever ends the wait: it is the answer.
		if waited, _ := h.engine.Wait(ctx, j.ID); waited.ID != "" {
			j = waited
		}
	}
	return &jobOutput{Status: statusOf(j, http.StatusAccepted), Location: Prefix + "/jobs/" + j.ID, Body: j}
}

type retryInput struct {
	JobID
	Newest bool   `query:"newest" doc:"Run what the names of the routine and the datasets stand for now, not what the job ran. Either way the new job needs the newest retries of the jobs that the old one needed."`
	Wait   string `query:"wait" doc:"Wait for the new job's end up to this long."`
}

func (h handlers) retry(ctx context.Context, in *retryInput) (*jobOutput, error) {
	wait, err := ParseWait(in.Wait)
	if err != nil {
		return nil, problem.Of(err)
	}
	j, err := h.engine.Retry(ctx, in.ID, in.Newest)
	if err != nil {
		return nil, problem.Of(err)
	}
	return h.submitted(ctx, j, wait), nil
}

func pin(on bool) func(*core.Engine, context.Context, string) (core.Job, error) {
	return func(e *core.Engine, ctx context.Context, id string) (core.Job, error) { return e.Pin(ctx, id, on) }
}

func statusOf(j core.Job, unfinished int) int {
	if j.Phase.Final() {
		return http.StatusOK
	}
	return unfinished
}

// JobID names a job. It is exported for huma to see it where it is embedded.
type JobID struct {
	ID string `path:"id" doc:"The job's id."`
}

type getInput struct {
	JobID
	Wait string `query:"wait" doc:"Wait for the job's end up to this long, such as 30s; at most 60s. 202 if it has not ended by then."`
}

func (h handlers) get(ctx context.Context, in *getInput) (*jobOutput, error) {
	wait, err := ParseWait(in.Wait)
	if err != nil {
		return nil, problem.Of(err)
	}
	if wait == 0 {
		j, err := h.engine.Job(ctx, in.ID)
		if err != nil {
			return nil, problem.Of(err)
		}
		return &jobOutput{Status: http.StatusOK, Body: j}, nil
	}
	ctx, cancel := bounded(ctx, wait)
	defer cancel()
	j, err := h.engine.Wait(ctx, in.ID)
	if j.ID == "" {
		return nil, problem.Of(err)
	}
	return &jobOutput{Status: statusOf(j, http.StatusAccepted), Body: j}, nil
}

type listInput struct {
	Phase   []string  `query:"phase" enum:"pending,running,paused,completed,failed,stopped" doc:"Only jobs in this phase, or in one of these, separated by commas."`
	Error   string    `query:"error" doc:"Only jobs that failed with this code."`
	Text    string    `query:"text" doc:"Only jobs with these words in the detail of their failure. The last may be the beginning of a word."`
	Plugin  string    `query:"plugin" doc:"Only jobs of this plugin: NAME, or NAME@VERSION."`
	Routine string    `query:"routine" doc:"Only jobs of this routine: plugin/routine."`
	Kind    string    `query:"kind" enum:"analysis,simulation,importer" doc:"Only jobs of this kind."`
	Tenant  string    `query:"tenant" doc:"Only this tenant's jobs."`
	Batch   string    `query:"batch" doc:"Only jobs of this batch."`
	Origin  string    `query:"origin" doc:"Only jobs that repeat this one."`
	Bulk    string    `query:"bulk" doc:"Only jobs that this bulk action made."`
	Label   []string  `query:"label,explode" doc:"Only jobs with this label: key=value, or key=beginning* for values that begin so. May be repeated."`
	From    time.Time `query:"from" doc:"Only jobs whose created is this time or later."`
	To      time.Time `query:"to" doc:"Only jobs whose created is before this time."`
	Cursor  string    `query:"cursor" doc:"next of the page before."`
	Limit   int       `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}

func (h handlers) list(ctx context.Context, in *listInput) (*huma.StreamResponse, error) {
	f := core.Filter{
		Error: in.Error, Text: in.Text, Plugin: in.Plugin, Routine: in.Routine, Kind: routine.Kind(in.Kind),
		Tenant: in.Tenant, Batch: in.Batch, Origin: in.Origin, Bulk: in.Bulk, From: in.From, To: in.To,
		Cursor: in.Cursor, Limit: in.Limit, Labels: map[string]string{}, LabelPrefixes: map[string]string{},
	}
	for _, phase := range in.Phase {
		f.Phases = append(f.Phases, job.Phase(phase))
	}
	for _, label := range in.Label {
		key, value, ok := strings.Cut(label, "=")
		if !ok {
			return nil, problem.Of(&core.Invalid{Field: "query.label", Message: fmt.Sprintf("%.40q: want KEY=VALUE", label)})
		}
		if beginning, ok := strings.CutSuffix(value, "*"); ok {
			f.LabelPrefixes[key] = beginning
			continue
		}
		f.Labels[key] = value
	}
	page, err := h.engine.JobsJSON(ctx, f)
	if err != nil {
		return nil, problem.Of(err)
	}
	return encodedPage(page), nil
}

// change makes a handler of what asks a job to do something.
func (h handlers) change(ask func(*core.Engine, context.Context, string) (core.Job, error)) func(context.Context, *JobID) (*output[core.Job], error) {
	return func(ctx context.Context, in *JobID) (*output[core.Job], error) {
		return answer(ask(h.engine, ctx, in.ID))
	}
}

func (h handlers) remove(ctx context.Context, in *JobID) (*struct{}, error) {
	if err := h.engine.Delete(ctx, in.ID); err != nil {
		return nil, problem.Of(err)
	}
	return nil, nil
}

type artifactList struct {
	Artifacts []job.Artifact `json:"artifacts" nullable:"false"`
}

func (h handlers) artifacts(ctx context.Context, in *JobID) (*output[artifactList], error) {
	list, err := h.engine.Artifacts(ctx, in.ID)
	return answer(artifactList{orEmpty(list)}, err)
}

type tableList struct {
	Tables []job.Table `json:"tables" nullable:"false"`
}

func (h handlers) tables(ctx context.Context, in *JobID) (*output[tableList], error) {
	list, err := h.engine.Tables(ctx, in.ID)
	return answer(tableList{orEmpty(list)}, err)
}

// orEmpty makes a missing list an empty one: null is not a list.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
