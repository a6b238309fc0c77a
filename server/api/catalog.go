package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"thresher/core"
	"thresher/core/routine"
	"thresher/server/problem"
)

func (h handlers) mountCatalog(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/routines", "list-routines", "catalog", "List what can be run, by plugin", http.StatusOK), h.routines)
	huma.Register(api, operation(http.MethodGet, "/routines/{plugin}/{routine}", "get-routine", "catalog", "Get a routine, with the schema of its params", http.StatusOK), h.routine)
	huma.Register(api, operation(http.MethodGet, "/datasets", "list-datasets", "datasets", "List datasets", http.StatusOK), h.datasets)
	huma.Register(api, operation(http.MethodGet, "/datasets/{name}", "get-dataset", "datasets", "Get a dataset, with the columns of its tables", http.StatusOK), h.dataset)
	huma.Register(api, operation(http.MethodDelete, "/datasets/{name}", "delete-dataset", "datasets", "Delete a dataset's name; jobs that have it keep it", http.StatusNoContent), h.removeDataset)
}

type pluginList struct {
	Plugins []core.Plugin `json:"plugins" nullable:"false"`
}

func (h handlers) routines(ctx context.Context, in *TenantInput) (*output[pluginList], error) {
	list, err := h.engine.Routines(ctx, in.Tenant)
	list = slices.Clone(list)
	for i, p := range list {
		list[i].Manifest = withoutExamples(p.Manifest)
	}
	return answer(pluginList{orEmpty(list)}, err)
}

// withoutExamples is a manifest for a list: examples have tables in them.
func withoutExamples(m routine.Manifest) routine.Manifest {
	m.Routines = slices.Clone(m.Routines)
	for i := range m.Routines {
		m.Routines[i].Examples = nil
	}
	return m
}

// TenantInput says whose plugins are meant. It is exported for huma to see it where it
// is embedded.
type TenantInput struct {
	Tenant string `query:"tenant" default:"default" doc:"Whose plugins: its own come before those that everyone has."`
}

// PluginName names a plugin. It is exported for huma to see it where it is embedded.
type PluginName struct {
	Plugin string `path:"plugin" doc:"Its name; of a routine also NAME@VERSION."`
}

type routineInput struct {
	PluginName
	TenantInput
	Routine string `path:"routine" doc:"Its name."`
}

// oneRoutine is a routine, and which plugin it is of.
type oneRoutine struct {
	Plugin  string `json:"plugin"`
	Version string `json:"version"`
	Digest  string `json:"digest" doc:"SHA-256 of the plugin's module."`
	routine.Routine
}

func (h handlers) routine(ctx context.Context, in *routineInput) (*output[oneRoutine], error) {
	p, r, err := h.engine.Routine(ctx, in.Tenant, in.Plugin+"/"+in.Routine)
	return answer(oneRoutine{p.Name, p.Version, p.Digest, r}, err)
}

type datasetList struct {
	Datasets []core.Dataset `json:"datasets" nullable:"false"`
	Total    int            `json:"total" doc:"How many there are: the list has 10000 at most."`
}

func (h handlers) datasets(ctx context.Context, _ *struct{}) (*output[datasetList], error) {
	list, total, err := h.engine.Datasets(ctx)
	return answer(datasetList{orEmpty(list), total}, err)
}

type datasetInput struct {
	Name string `path:"name" doc:"The dataset's name."`
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
