package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"thresher/core"
	"thresher/core/job"
	"thresher/server/problem"
)

func (h handlers) mountServer(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/limits", "get-limits", "server", "Get the limits in force", http.StatusOK), h.limits)
	huma.Register(api, operation(http.MethodPatch, "/limits", "change-limits", "server", "Change limits; what is not named stays", http.StatusOK), h.changeLimits)
	huma.Register(api, operation(http.MethodGet, "/stats", "get-stats", "server", "Count jobs, slots and subscribers", http.StatusOK), h.stats)
	huma.Register(api, operation(http.MethodGet, "/audit", "audit", "server", "Check that records, slots and guests agree", http.StatusOK), h.audit)
}

func (h handlers) limits(context.Context, *struct{}) (*output[core.Limits], error) {
	return answer(h.engine.Limits(), nil)
}

// limitsPatch is core.Limits with every field optional.
type limitsPatch struct {
	Slots       *int           `json:"slots,omitempty"`
	PluginSlots map[string]int `json:"plugin_slots,omitempty" doc:"Replaces all plugins' limits."`
	QueueCap    *int           `json:"queue_cap,omitempty"`
	Job         *job.Limits    `json:"job,omitempty"`
	MaxJob      *job.Limits    `json:"max_job,omitempty"`
}

func (h handlers) changeLimits(ctx context.Context, in *struct{ Body limitsPatch }) (*output[core.Limits], error) {
	l := h.engine.Limits()
	patch, err := json.Marshal(in.Body)
	if err != nil {
		return nil, problem.Of(err)
	}
	if in.Body.PluginSlots != nil {
		l.PluginSlots = nil
	}
	// Decoding over the limits in force leaves what the patch does not name.
	if err := json.Unmarshal(patch, &l); err != nil {
		return nil, problem.Of(err)
	}
	if err := h.engine.SetLimits(ctx, l); err != nil {
		return nil, problem.Of(err)
	}
	return answer(h.engine.Limits(), nil)
}

func (h handlers) stats(ctx context.Context, _ *struct{}) (*output[core.Stats], error) {
	return answer(h.engine.Stats(ctx), nil)
}

func (h handlers) audit(ctx context.Context, _ *struct{}) (*output[core.Audit], error) {
	return answer(h.engine.Audit(ctx))
}
