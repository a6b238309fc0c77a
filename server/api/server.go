package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"thresher/core"
	"thresher/core/job"
)

func (h handlers) mountServer(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/limits", "get-limits", "server", "Get the limits in force", http.StatusOK), h.limits)
	huma.Register(api, operation(http.MethodPatch, "/limits", "change-limits", "server", "Change limits; what is not named stays", http.StatusOK), h.changeLimits)
	huma.Register(api, operation(http.MethodGet, "/locks", "list-locks", "server", "List named locks: who holds them, who waits", http.StatusOK), h.locks)
	huma.Register(api, operation(http.MethodPost, "/cleanup", "cleanup", "server", "Delete now what retention does not keep", http.StatusOK), h.cleanup)
	huma.Register(api, operation(http.MethodGet, "/clock", "get-clock", "server", "List jumps of the server's clock that ages leave out", http.StatusOK), h.clock)
	huma.Register(api, operation(http.MethodPost, "/clock/accept", "accept-clock", "server", "Accept the server's clock: ages include all jumps", http.StatusOK), h.acceptClock)
	huma.Register(api, operation(http.MethodGet, "/stats", "get-stats", "server", "Count jobs, slots and subscribers", http.StatusOK), h.stats)
	huma.Register(api, operation(http.MethodGet, "/audit", "audit", "server", "Check that records, slots and guests agree", http.StatusOK), h.audit)
}

func (h handlers) limits(context.Context, *struct{}) (*output[core.Limits], error) {
	return answer(h.engine.Limits(), nil)
}

// limitsPatch is core.Limits with every field optional. A map replaces the whole
// map. Nothing may be null: it would be taken for what is not named.
type limitsPatch struct {
	Slots           *int                      `json:"slots,omitempty" nullable:"false"`
	TenantSlots     map[string]int            `json:"tenant_slots,omitempty" nullable:"false"`
	PluginSlots     map[string]int            `json:"plugin_slots,omitempty" nullable:"false"`
	NodeSlots       map[string]int            `json:"node_slots,omitempty" nullable:"false"`
	Locks           map[string]int            `json:"locks,omitempty" nullable:"false"`
	MemoryBytes     *int64                    `json:"memory_bytes,omitempty" nullable:"false"`
	QueueCap        *int                      `json:"queue_cap,omitempty" nullable:"false"`
	TenantQueueCap  map[string]int            `json:"tenant_queue_cap,omitempty" nullable:"false"`
	PluginQueueCap  map[string]int            `json:"plugin_queue_cap,omitempty" nullable:"false"`
	TenantWeights   map[string]float64        `json:"tenant_weights,omitempty" nullable:"false"`
	AgeingSeconds   *float64                  `json:"ageing_seconds,omitempty" nullable:"false"`
	PatienceSeconds *float64                  `json:"patience_seconds,omitempty" nullable:"false"`
	CacheSeconds    *float64                  `json:"cache_seconds,omitempty" nullable:"false"`
	Retention       map[string]core.Retention `json:"retention,omitempty" nullable:"false"`
	Job             *job.Limits               `json:"job,omitempty" nullable:"false"`
	MaxJob          *job.Limits               `json:"max_job,omitempty" nullable:"false"`
}

// clear empties the maps that a patch replaces: decoding would add to them.
func (p limitsPatch) clear(l *core.Limits) {
	for _, m := range []struct {
		named map[string]int
		of    *map[string]int
	}{
		{p.TenantSlots, &l.TenantSlots},
		{p.PluginSlots, &l.PluginSlots},
		{p.NodeSlots, &l.NodeSlots},
		{p.Locks, &l.Locks},
		{p.TenantQueueCap, &l.TenantQueueCap},
		{p.PluginQueueCap, &l.PluginQueueCap},
	} {
		if m.named != nil {
			*m.of = nil
		}
	}
	if p.TenantWeights != nil {
		l.TenantWeights = nil
	}
	if p.Retention != nil {
		l.Retention = nil
	}
}

func (h handlers) changeLimits(ctx context.Context, in *struct {
	Body    limitsPatch
	RawBody []byte
}) (*output[core.Limits], error) {
	var sent any
	err := json.Unmarshal(in.RawBody, &sent)
	if err == nil {
		err = noNulls(sent, "")
	}
	if err != nil {
		return answer(core.Limits{}, err)
	}
	return answer(h.engine.ChangeLimits(ctx, func(l core.Limits) (core.Limits, error) {
		in.Body.clear(&l)
		// Decoding over the limits in force leaves what the patch does not name. What was
		// sent is decoded, so that a 0 counts as named.
		err := json.Unmarshal(in.RawBody, &l)
		return l, err
	}))
}

// noNulls refuses null anywhere in a patch: it would leave the limit as it is.
func noNulls(sent any, at string) error {
	switch v := sent.(type) {
	case nil:
		return &core.Invalid{Field: at, Message: "null: want a limit; one that is left out stays as it is"}
	case map[string]any:
		for name, member := range v {
			if err := noNulls(member, strings.TrimPrefix(at+"."+name, ".")); err != nil {
				return err
			}
		}
	}
	return nil
}

type lockList struct {
	Locks []core.Lock `json:"locks" nullable:"false"`
}

func (h handlers) locks(ctx context.Context, _ *struct{}) (*output[lockList], error) {
	return answer(lockList{h.engine.Locks(ctx)}, nil)
}

type cleaned struct {
	Deleted int `json:"deleted" doc:"Jobs that were deleted."`
}

func (h handlers) cleanup(ctx context.Context, _ *struct{}) (*output[cleaned], error) {
	n, err := h.engine.Prune(ctx)
	return answer(cleaned{n}, err)
}

func (h handlers) clock(context.Context, *struct{}) (*output[core.ClockStatus], error) {
	return answer(h.engine.Clock(), nil)
}

func (h handlers) acceptClock(context.Context, *struct{}) (*output[core.ClockStatus], error) {
	return answer(h.engine.AcceptClock(), nil)
}

func (h handlers) stats(ctx context.Context, _ *struct{}) (*output[core.Stats], error) {
	return answer(h.engine.Stats(ctx))
}

func (h handlers) audit(ctx context.Context, _ *struct{}) (*output[core.Audit], error) {
	return answer(h.engine.Audit(ctx))
}
