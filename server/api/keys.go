package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"thresher/plugins/registry"
)

func (h handlers) mountKeys(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/keys", "list-keys", "plugins", "List the keys that sign plugins: trusted and revoked ones", http.StatusOK), h.keys)
	huma.Register(api, operation(http.MethodPost, "/keys", "trust-key", "plugins", "Trust a public key of minisign to sign plugins", http.StatusOK), h.trust)
	huma.Register(api, operation(http.MethodPost, "/keys/{id}/revoke", "revoke-key", "plugins", "Revoke a key", http.StatusOK), h.revoke)
}

type keyList struct {
	Keys []registry.Key `json:"keys" nullable:"false"`
}

func (h handlers) keys(ctx context.Context, _ *struct{}) (*output[keyList], error) {
	list, err := h.keeps.Keys(ctx)
	return answer(keyList{list}, err)
}

type trustInput struct {
	ByInput
	Body struct {
		Key  string `json:"key" doc:"As minisign's .pub file has it, or its second line."`
		Name string `json:"name,omitempty" maxLength:"64" doc:"Whose it is."`
	}
}

func (h handlers) trust(ctx context.Context, in *trustInput) (*output[registry.Key], error) {
	return answer(h.keeps.Trust(ctx, in.Body.Key, in.Body.Name, in.By))
}

func (h handlers) revoke(ctx context.Context, in *struct {
	ID string `path:"id" doc:"Its id."`
}) (*output[registry.Key], error) {
	return answer(h.keeps.Revoke(ctx, in.ID))
}
