// The tour takes a client that oapi-codegen has generated from /openapi.json through a
// server: go run . URL MODULE.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"tour/thresher"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := tour(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
	fmt.Println("the tour is over")
}

type traveller struct {
	*thresher.ClientWithResponses
	module []byte
}

func tour(ctx context.Context, url, modulePath string) error {
	module, err := os.ReadFile(modulePath)
	if err != nil {
		return err
	}
	c, err := thresher.NewClientWithResponses(url)
	if err != nil {
		return err
	}
	t := traveller{c, module}
	for _, stop := range []struct {
		name  string
		visit func(context.Context) error
	}{
		{"health", t.health}, {"limits", t.limits}, {"dataset", t.dataset}, {"job", t.job}, {"events", t.events},
		{"batch", t.batch}, {"bulk", t.bulk}, {"plugin", t.plugin}, {"problems", t.problems}, {"simulations", t.simulations},
	} {
		if err := stop.visit(ctx); err != nil {
			return fmt.Errorf("%s: %w", stop.name, err)
		}
		fmt.Println(stop.name)
	}
	return nil
}

// unlike is the error of an answer that is not as it should be.
func unlike(r *http.Response, body []byte) error {
	return fmt.Errorf("%s %s: %s: %.300s", r.Request.Method, r.Request.URL, r.Status, body)
}

func ptr[T any](v T) *T { return &v }

func (t traveller) health(ctx context.Context) error {
	alive, err := t.GetHealthWithResponse(ctx)
	if err != nil {
		return err
	}
	ready, err := t.GetReadinessWithResponse(ctx)
	if err != nil {
		return err
	}
	metrics, err := t.GetMetricsWithResponse(ctx, nil)
	switch {
	case err != nil:
		return err
	case alive.JSON200 == nil || alive.JSON200.Status != thresher.HealthStatusOk:
		return unlike(alive.HTTPResponse, alive.Body)
	case ready.JSON200 == nil || !ready.JSON200.Ready:
		return unlike(ready.HTTPResponse, ready.Body)
	case !bytes.Contains(metrics.Body, []byte("thresher_jobs")):
		return unlike(metrics.HTTPResponse, metrics.Body)
	}
	return nil
}

func (t traveller) limits(ctx context.Context) error {
	changed, err := t.ChangeLimitsWithResponse(ctx, thresher.LimitsPatch{QueueCap: ptr(int64(5000))})
	if err != nil {
		return err
	}
	now, err := t.GetLimitsWithResponse(ctx)
	switch {
	case err != nil:
		return err
	case changed.JSON200 == nil || changed.JSON200.QueueCap != 5000:
		return unlike(changed.HTTPResponse, changed.Body)
	case now.JSON200 == nil || now.JSON200.QueueCap != 5000 || now.JSON200.Slots < 1:
		return unlike(now.HTTPResponse, now.Body)
	}
	return nil
}

func (t traveller) dataset(ctx context.Context) error {
	table := "group,value\n" + strings.Repeat("a,1\nb,2.5\n", 1000)
	made, err := t.PutDatasetWithBodyWithResponse(ctx, &thresher.PutDatasetParams{Name: "tour"}, "text/csv", strings.NewReader(table))
	if err != nil {
		return err
	}
	if made.JSON201 == nil || made.JSON201.Tables[0].Rows != 2000 || *made.Headers201.Location != "/api/v1/datasets/tour" {
		return unlike(made.HTTPResponse, made.Body)
	}
	rows := 0
	for next := ptr(int64(0)); next != nil; {
		page, err := t.GetDatasetTableWithResponse(ctx, "tour", "data", &thresher.GetDatasetTableParams{From: next})
		if err != nil {
			return err
		}
		if page.JSON200 == nil {
			return unlike(page.HTTPResponse, page.Body)
		}
		rows += len(page.JSON200.Data)
		next = page.JSON200.Next
	}
	if rows != 2000 {
		return fmt.Errorf("%d rows: want 2000", rows)
	}
	return nil
}

func (t traveller) job(ctx context.Context) error {
	params := any(map[string]any{"steps": 20})
	done, err := t.SubmitJobWithResponse(ctx, &thresher.SubmitJobParams{Wait: ptr("60s"), IdempotencyKey: ptr("tour")}, thresher.Request{
		Routine: "models/sir", Params: &params, Seed: ptr(int64(7)), Priority: ptr(thresher.RequestPriorityHigh), Labels: &map[string]string{"tour": "go"},
	})
	if err != nil {
		return err
	}
	if done.JSON200 == nil || done.JSON200.Phase != thresher.JobPhaseCompleted {
		return unlike(done.HTTPResponse, done.Body)
	}
	id := done.JSON200.Id
	again, err := t.GetJobWithResponse(ctx, id, &thresher.GetJobParams{})
	if err != nil {
		return err
	}
	result, err := t.GetResultWithResponse(ctx, id, &thresher.GetResultParams{})
	if err != nil {
		return err
	}
	part, err := t.GetResultWithResponse(ctx, id, &thresher.GetResultParams{Range: ptr("bytes=0-0")})
	if err != nil {
		return err
	}
	switch {
	case again.JSON200 == nil || again.JSON200.Spec.Seed != 7:
		return unlike(again.HTTPResponse, again.Body)
	case !json.Valid(result.Body) || result.StatusCode() != http.StatusOK:
		return unlike(result.HTTPResponse, result.Body)
	case part.StatusCode() != http.StatusPartialContent || string(part.Body) != "{":
		return unlike(part.HTTPResponse, part.Body)
	}
	return t.outputs(ctx, id)
}

// outputs reads what a job left.
func (t traveller) outputs(ctx context.Context, id string) error {
	artifacts, err := t.ListArtifactsWithResponse(ctx, id)
	if err != nil {
		return err
	}
	if artifacts.JSON200 == nil || len(artifacts.JSON200.Artifacts) == 0 {
		return unlike(artifacts.HTTPResponse, artifacts.Body)
	}
	first := artifacts.JSON200.Artifacts[0]
	file, err := t.GetArtifactWithResponse(ctx, id, first.Name, &thresher.GetArtifactParams{})
	if err != nil {
		return err
	}
	if int64(len(file.Body)) != first.Bytes || *file.Headers200.ETag == "" {
		return unlike(file.HTTPResponse, file.Body)
	}
	known, err := t.GetArtifactWithResponse(ctx, id, first.Name, &thresher.GetArtifactParams{IfNoneMatch: file.Headers200.ETag})
	if err != nil {
		return err
	}
	tables, err := t.ListTablesWithResponse(ctx, id)
	switch {
	case err != nil:
		return err
	case known.StatusCode() != http.StatusNotModified:
		return unlike(known.HTTPResponse, known.Body)
	case tables.JSON200 == nil || len(tables.JSON200.Tables) == 0:
		return unlike(tables.HTTPResponse, tables.Body)
	}
	return nil
}

// events follows a job to its end.
func (t traveller) events(ctx context.Context) error {
	made, err := t.SubmitJobWithResponse(ctx, &thresher.SubmitJobParams{}, thresher.Request{Routine: "models/sir", Cache: ptr(thresher.RequestCacheOff)})
	if err != nil {
		return err
	}
	job := made.JSON202
	if job == nil {
		job = made.JSON200 // it was quick
	}
	if job == nil {
		return unlike(made.HTTPResponse, made.Body)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := t.JobEvents(ctx, job.Id, &thresher.JobEventsParams{})
	if err != nil {
		return err
	}
	defer stream.Body.Close()
	for data := range dataOf(stream) {
		var now thresher.Job
		if json.Unmarshal(data, &now) == nil && now.Phase == thresher.JobPhaseCompleted {
			return nil
		}
	}
	return fmt.Errorf("the events of job %s end before it does", job.Id)
}

func (t traveller) batch(ctx context.Context) error {
	made, err := t.SubmitBatchWithResponse(ctx, &thresher.SubmitBatchParams{}, thresher.BatchRequest{
		Template: &thresher.Request{Routine: "models/sir"},
		Grid:     &map[string]*[]any{"steps": {1, 2, 3}},
		Labels:   &map[string]string{"tour": "batch"},
	})
	if err != nil {
		return err
	}
	if made.JSON202 == nil || made.JSON202.Jobs != 3 {
		return unlike(made.HTTPResponse, made.Body)
	}
	jobs, err := t.ListJobsWithResponse(ctx, &thresher.ListJobsParams{Batch: &made.JSON202.Id})
	if err != nil {
		return err
	}
	if jobs.JSON200 == nil || len(jobs.JSON200.Jobs) != 3 {
		return unlike(jobs.HTTPResponse, jobs.Body)
	}
	for _, job := range jobs.JSON200.Jobs {
		if _, err := t.GetJobWithResponse(ctx, job.Id, &thresher.GetJobParams{Wait: ptr("60s")}); err != nil {
			return err
		}
	}
	now, err := t.GetBatchWithResponse(ctx, made.JSON202.Id)
	if err != nil {
		return err
	}
	if now.JSON200 == nil || !now.JSON200.Done {
		return unlike(now.HTTPResponse, now.Body)
	}
	return nil
}

func (t traveller) bulk(ctx context.Context) error {
	filter := thresher.Filter{Labels: &map[string]string{"tour": "batch"}}
	preview, err := t.StartBulkWithResponse(ctx, thresher.BulkRequest{Action: thresher.BulkRequestActionDelete, Filter: filter, Preview: ptr(true)})
	if err != nil {
		return err
	}
	made, err := t.StartBulkWithResponse(ctx, thresher.BulkRequest{Action: thresher.BulkRequestActionDelete, Filter: filter})
	switch {
	case err != nil:
		return err
	case preview.JSON202 == nil || preview.JSON202.Jobs != 3 || preview.JSON202.State != thresher.BulkStatePreview:
		return unlike(preview.HTTPResponse, preview.Body)
	case made.JSON202 == nil:
		return unlike(made.HTTPResponse, made.Body)
	}
	for {
		now, err := t.GetBulkWithResponse(ctx, made.JSON202.Id)
		switch {
		case err != nil:
			return err
		case now.JSON200 == nil:
			return unlike(now.HTTPResponse, now.Body)
		case now.JSON200.State == thresher.BulkStateCompleted && now.JSON200.Done == 3:
			return nil
		case now.JSON200.State != thresher.BulkStateRunning:
			return unlike(now.HTTPResponse, now.Body)
		}
	}
}

func (t traveller) plugin(ctx context.Context) error {
	pushed, err := t.PushPluginWithBodyWithResponse(ctx, &thresher.PushPluginParams{Wait: ptr("60s")}, "application/wasm", bytes.NewReader(t.module))
	if err != nil {
		return err
	}
	if pushed.JSON200 == nil || pushed.JSON200.State != thresher.ViewStateReady {
		return unlike(pushed.HTTPResponse, pushed.Body)
	}
	name, version := *pushed.JSON200.Name, *pushed.JSON200.Version
	ran, err := t.SubmitJobWithResponse(ctx, &thresher.SubmitJobParams{Wait: ptr("60s")}, thresher.Request{Routine: name + "/run"})
	if err != nil {
		return err
	}
	if ran.JSON200 == nil || ran.JSON200.Phase != thresher.JobPhaseCompleted {
		return unlike(ran.HTTPResponse, ran.Body)
	}
	plugin, err := t.GetPluginWithResponse(ctx, name, &thresher.GetPluginParams{})
	if err != nil {
		return err
	}
	gone, err := t.DeleteVersionWithResponse(ctx, name, version, &thresher.DeleteVersionParams{})
	switch {
	case err != nil:
		return err
	case plugin.JSON200 == nil || plugin.JSON200.Jobs[version] != 1:
		return unlike(plugin.HTTPResponse, plugin.Body)
	case gone.StatusCode() != http.StatusNoContent:
		return unlike(gone.HTTPResponse, gone.Body)
	}
	return nil
}

func (t traveller) problems(ctx context.Context) error {
	missing, err := t.GetJobWithResponse(ctx, "none", &thresher.GetJobParams{})
	if err != nil {
		return err
	}
	if missing.ApplicationproblemJSON404 == nil || missing.ApplicationproblemJSON404.Code != thresher.ProblemCodeNotFound {
		return unlike(missing.HTTPResponse, missing.Body)
	}
	wrong, err := t.SubmitJobWithResponse(ctx, &thresher.SubmitJobParams{}, thresher.Request{Routine: "no/routine"})
	if err != nil {
		return err
	}
	if wrong.ApplicationproblemJSON422 == nil || wrong.ApplicationproblemJSON422.Code != thresher.ProblemCodeInvalid {
		return unlike(wrong.HTTPResponse, wrong.Body)
	}
	return nil
}

func (t traveller) simulations(ctx context.Context) error {
	list, err := t.ListSimulationsWithResponse(ctx, &thresher.ListSimulationsParams{})
	if err != nil {
		return err
	}
	if list.JSON200 == nil || len(list.JSON200.Data) == 0 {
		return unlike(list.HTTPResponse, list.Body)
	}
	return nil
}
