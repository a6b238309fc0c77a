package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"thresher/core"
	"thresher/core/routine"
	"thresher/server/problem"
)

func (h handlers) mountCatalog(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/routines", "list-routines", "catalog", "List what can be run, by plugin", http.StatusOK), h.plugins)
	huma.Register(api, operation(http.MethodGet, "/routines/{plugin}/{routine}", "get-routine", "catalog", "Get a routine, with the schema of its params", http.StatusOK), h.routine)
	huma.Register(api, operation(http.MethodGet, "/plugins", "list-plugins", "catalog", "List plugins", http.StatusOK), h.plugins)
	huma.Register(api, operation(http.MethodGet, "/plugins/{plugin}", "get-plugin", "catalog", "Get a plugin", http.StatusOK), h.plugin)
	huma.Register(api, operation(http.MethodGet, "/datasets", "list-datasets", "datasets", "List datasets", http.StatusOK), h.datasets)
	huma.Register(api, operation(http.MethodGet, "/datasets/{name}", "get-dataset", "datasets", "Get a dataset, with the columns of its tables", http.StatusOK), h.dataset)
	huma.Register(api, operation(http.MethodDelete, "/datasets/{name}", "delete-dataset", "datasets", "Delete a dataset's name; jobs that have it keep it", http.StatusNoContent), h.removeDataset)
}

type pluginList struct {
	Plugins []core.Plugin `json:"plugins" nullable:"false"`
}

func (h handlers) plugins(context.Context, *struct{}) (*output[pluginList], error) {
	return answer(pluginList{orEmpty(h.engine.Routines())}, nil)
}

// PluginName names a plugin. It is exported for huma to see it where it is embedded.
type PluginName struct {
	Plugin string `path:"plugin"`
}

func (h handlers) plugin(_ context.Context, in *PluginName) (*output[core.Plugin], error) {
	for _, p := range h.engine.Routines() {
		if p.Name == in.Plugin {
			return answer(p, nil)
		}
	}
	return nil, problem.New("not_found", "there is no plugin %q", in.Plugin)
}

type routineInput struct {
	PluginName
	Routine string `path:"routine"`
}

// oneRoutine is a routine, and which plugin it is of.
type oneRoutine struct {
	Plugin  string `json:"plugin"`
	Version string `json:"version"`
	Digest  string `json:"digest" doc:"SHA-256 of the plugin's module."`
	routine.Routine
}

func (h handlers) routine(_ context.Context, in *routineInput) (*output[oneRoutine], error) {
	for _, p := range h.engine.Routines() {
		if r, ok := p.Find(in.Routine); ok && p.Name == in.Plugin {
			return answer(oneRoutine{p.Name, p.Version, p.Digest, r}, nil)
		}
	}
	return nil, problem.New("not_found", "there is no routine %s/%s", in.Plugin, in.Routine)
}

type datasetList struct {
	Datasets []core.Dataset `json:"datasets" nullable:"false"`
}

func (h handlers) datasets(ctx context.Context, _ *struct{}) (*output[datasetList], error) {
	list, err := h.engine.Datasets(ctx)
	return answer(datasetList{orEmpty(list)}, err)
}

type datasetInput struct {
	Name string `path:"name"`
}

func (h handlers) dataset(ctx context.Context, in *datasetInput) (*output[core.Dataset], error) {
	return answer(h.engine.Dataset(ctx, in.Name))
}

func (h handlers) removeDataset(ctx context.Context, in *datasetInput) (*struct{}, error) {
	if err := h.engine.DeleteDataset(ctx, in.Name); err != nil {
		return nil, problem.Of(err)
	}
	return nil, nil
}
