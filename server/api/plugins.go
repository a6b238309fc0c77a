package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"thresher/plugins/registry"
	"thresher/server/problem"
)

func (h handlers) mountPlugins(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/plugins", "list-plugins", "plugins", "List plugins with their versions", http.StatusOK), h.plugins)
	huma.Register(api, operation(http.MethodGet, "/plugins/{plugin}", "get-plugin", "plugins", "Get a plugin: its active version, all versions, and its history", http.StatusOK), h.plugin)
	huma.Register(api, operation(http.MethodGet, "/plugins/{plugin}/versions", "list-versions", "plugins", "List a plugin's versions, newest first", http.StatusOK), h.versions)
	huma.Register(api, operation(http.MethodGet, "/plugins/{plugin}/versions/{version}", "get-version", "plugins", "Get a version, with the report of its verification", http.StatusOK), h.version)
	huma.Register(api, operation(http.MethodPut, "/plugins/{plugin}/active", "activate-version", "plugins", "Activate a version", http.StatusOK), h.activate)
	huma.Register(api, operation(http.MethodPost, "/plugins/{plugin}/rollback", "rollback-plugin", "plugins", "Roll back to the previously active version", http.StatusOK), h.rollback)
	huma.Register(api, operation(http.MethodPost, "/plugins/{plugin}/versions/{version}/disable", "disable-version", "plugins", "Disable a version: reject new jobs for it", http.StatusOK), h.disable)
	huma.Register(api, operation(http.MethodPost, "/plugins/{plugin}/versions/{version}/enable", "enable-version", "plugins", "Let jobs of a version be submitted again", http.StatusOK), h.enable)
	huma.Register(api, operation(http.MethodPost, "/plugins/{plugin}/versions/{version}/deprecate", "deprecate-version", "plugins", "Note what to use instead of a version; an empty note takes it back", http.StatusOK), h.deprecate)
	huma.Register(api, operation(http.MethodDelete, "/plugins/{plugin}/versions/{version}", "delete-version", "plugins", "Delete a version; jobs that have it keep it, and its number stays taken", http.StatusNoContent), h.removeVersion)
	huma.Register(api, operation(http.MethodGet, "/modules", "list-modules", "plugins", "List uploads, newest first: those that wait and those that were rejected too", http.StatusOK), h.modules)
	huma.Register(api, operation(http.MethodGet, "/modules/{digest}", "get-module", "plugins", "Get an upload and its report; with wait, once it is decided on", http.StatusOK), h.module)
}

type listedPlugins struct {
	Plugins []registry.Listed `json:"plugins" nullable:"false"`
	LeftOut []registry.Left   `json:"left_out,omitempty" doc:"Files of the server's folder of plugins that are not served, and why."`
}

func (h handlers) plugins(ctx context.Context, in *TenantInput) (*output[listedPlugins], error) {
	list, err := h.keeps.Plugins(ctx, in.Tenant)
	for i, l := range list {
		list[i].Manifest, list[i].History = withoutExamples(l.Manifest), nil
	}
	return answer(listedPlugins{orEmpty(list), h.keeps.LeftOut()}, err)
}

// OnePlugin names a plugin of a tenant.
type OnePlugin struct {
	PluginName
	TenantInput
}

// pluginInUse is a plugin, and who uses it.
type pluginInUse struct {
	registry.Listed
	Jobs map[string]int `json:"jobs" nullable:"false" doc:"How many jobs are kept of each version, of all tenants."`
}

func (h handlers) plugin(ctx context.Context, in *OnePlugin) (*output[pluginInUse], error) {
	l, err := h.keeps.Named(ctx, in.Tenant, in.Plugin)
	if err != nil {
		return nil, problem.Of(err)
	}
	names := make([]string, len(l.Versions))
	for i, v := range l.Versions {
		names[i] = l.Name + "@" + v.Version.Version
	}
	counts, err := h.engine.JobsOf(ctx, names...)
	p := pluginInUse{l, make(map[string]int, len(counts))}
	for i, n := range counts {
		p.Jobs[l.Versions[i].Version.Version] = n
	}
	return answer(p, err)
}

type versionList struct {
	Versions []registry.Versioned `json:"versions" nullable:"false"`
}

func (h handlers) versions(ctx context.Context, in *OnePlugin) (*output[versionList], error) {
	l, err := h.keeps.Named(ctx, in.Tenant, in.Plugin)
	return answer(versionList{l.Versions}, err)
}

// OneVersion names a version of a plugin.
type OneVersion struct {
	OnePlugin
	Version string `path:"version" doc:"Its number, such as 1.0.0."`
}

func (h handlers) version(ctx context.Context, in *OneVersion) (*output[registry.View], error) {
	return answer(h.keeps.Version(ctx, in.Tenant, in.Plugin, in.Version))
}

// ByInput says who does something. Nobody checks it: there are no keys yet.
type ByInput struct {
	By string `query:"by" maxLength:"64" doc:"Who does it, for the record."`
}

type activateInput struct {
	OnePlugin
	ByInput
	Body struct {
		Version string `json:"version"`
	}
}

func (h handlers) activate(ctx context.Context, in *activateInput) (*output[registry.Listed], error) {
	return answer(h.keeps.Activate(ctx, in.Tenant, in.Plugin, in.Body.Version, in.By))
}

type rollbackInput struct {
	OnePlugin
	ByInput
}

func (h handlers) rollback(ctx context.Context, in *rollbackInput) (*output[registry.Listed], error) {
	return answer(h.keeps.Rollback(ctx, in.Tenant, in.Plugin, in.By))
}

type disableInput struct {
	OneVersion
	Body struct {
		Reason string `json:"reason,omitempty"`
	}
}

func (h handlers) disable(ctx context.Context, in *disableInput) (*output[registry.Listed], error) {
	return answer(h.keeps.Disable(ctx, in.Tenant, in.Plugin, in.Version, in.Body.Reason))
}

func (h handlers) enable(ctx context.Context, in *OneVersion) (*output[registry.Listed], error) {
	return answer(h.keeps.Enable(ctx, in.Tenant, in.Plugin, in.Version))
}

type deprecateInput struct {
	OneVersion
	Body struct {
		Note string `json:"note" doc:"Such as which version to use instead."`
	}
}

func (h handlers) deprecate(ctx context.Context, in *deprecateInput) (*output[registry.Listed], error) {
	return answer(h.keeps.Deprecate(ctx, in.Tenant, in.Plugin, in.Version, in.Body.Note))
}

func (h handlers) removeVersion(ctx context.Context, in *OneVersion) (*struct{}, error) {
	if err := h.keeps.Delete(ctx, in.Tenant, in.Plugin, in.Version); err != nil {
		return nil, problem.Of(err)
	}
	return nil, nil
}

type uploadList struct {
	Modules []registry.View `json:"modules" nullable:"false"`
	Total   int             `json:"total" doc:"How many there are: the list has the newest 500."`
}

func (h handlers) modules(ctx context.Context, in *TenantInput) (*output[uploadList], error) {
	list, total, err := h.keeps.Uploads(ctx, in.Tenant)
	return answer(uploadList{list, total}, err)
}

type moduleInput struct {
	TenantInput
	Digest string `path:"digest" doc:"SHA-256 of the module, hex."`
	Wait   string `query:"wait" doc:"How long to wait for its verification, such as 30s; at most a minute."`
}

func (h handlers) module(ctx context.Context, in *moduleInput) (*output[registry.View], error) {
	wait, err := ParseWait(in.Wait)
	if err != nil {
		return nil, problem.Of(err)
	}
	if wait == 0 {
		return answer(h.keeps.Module(ctx, in.Tenant, in.Digest))
	}
	ctx, cancel := bounded(ctx, wait)
	defer cancel()
	return answer(h.keeps.Await(ctx, in.Tenant, in.Digest))
}
