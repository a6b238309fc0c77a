// Package api is the JSON part of the HTTP interface: what answers with one
// document. huma checks requests against the types here and writes the OpenAPI
// description from them. Streams and large contents are in packages live and
// content.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/core/jsontext"
	"thresher/plugins/registry"
	"thresher/server/problem"
)

// Prefix is where the interface lives.
const Prefix = "/api/v1"

// maxBody is the largest JSON body.
const maxBody = 1 << 20

// handlers answer from an engine.
type handlers struct {
	engine *core.Engine
	keeps  *registry.Registry // what was uploaded; nil if nothing can be
}

// huma makes its errors with this, for all servers of a process.
func init() { huma.NewError = problem.FromHuma }

// Mount adds the routes, and /openapi.json. It goes before what mounts other routes of the
// document: their queries are checked here too.
func Mount(app *fiber.App, engine *core.Engine, plugins *registry.Registry, version string, log *slog.Logger) huma.API {
	config := huma.DefaultConfig("Thresher", version)
	config.Info.Description = about
	config.DocsPath = "" // served by the ui, without a foreign script
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema in answers
	config.Formats = formats()
	config.Transformers = append(config.Transformers, problem.Transformer(log))
	config.Components.Schemas = huma.NewMapRegistry(schemaPrefix, schemaName)
	// Raw JSON is any value, not a string of bytes.
	config.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any]())
	api := humafiber.New(app, config)
	known := &queries{}
	app.Use(known.check)
	h := handlers{engine, plugins}
	h.mountJobs(api)
	h.mountBatches(api)
	h.mountCatalog(api)
	if plugins != nil {
		h.mountPlugins(api)
		h.mountKeys(api)
	}
	h.mountServer(api)
	complete(api.OpenAPI(), plugins != nil)
	known.read(api.OpenAPI())
	return api
}

// formats are huma's, but for JSON whose text the decoder would change: it is refused.
func formats() map[string]huma.Format {
	format := huma.DefaultJSONFormat
	format.Unmarshal = func(data []byte, v any) error {
		err := huma.DefaultJSONFormat.Unmarshal(data, v)
		var changed *jsontext.Changed
		if err == nil && errors.As(jsontext.Check(data), &changed) {
			return fmt.Errorf("byte %d of the body: %w", changed.Offset+1, changed)
		}
		return err
	}
	return map[string]huma.Format{"application/json": format, "json": format}
}

// schemaName names a type with its package, as Go does: job.Input is JobInput.
// What stands for the whole interface, in core and here, goes without.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch pkg := path.Base(t.PkgPath()); pkg {
	case "job", "routine", "table":
		return strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	return name
}

// operation describes a route.
func operation(method, route, id, tag, summary string, status int) huma.Operation {
	return huma.Operation{
		OperationID:   id,
		Method:        method,
		Path:          Prefix + route,
		Summary:       summary,
		Tags:          []string{tag},
		DefaultStatus: status,
		MaxBodyBytes:  maxBody,
	}
}

// output is an answer with a body.
type output[T any] struct{ Body T }

// encodedPage answers with a page: with the kept one as it is, or with one that is
// encoded into the buffer that is sent.
func encodedPage(page core.PageJSON) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		ctx.SetStatus(http.StatusOK)
		resp := humafiber.Unwrap(ctx).Response()
		if kept := page.Kept(); kept != nil {
			resp.SetBodyRaw(kept)
			return
		}
		resp.SwapBody(page.AppendJSON(resp.SwapBody(nil)[:0]))
	}}
}

// encodedAs describes an answer that is JSON already.
func encodedAs[T any](api huma.API) map[string]*huma.Response {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
	return map[string]*huma.Response{strconv.Itoa(http.StatusOK): {
		Description: http.StatusText(http.StatusOK),
		Content:     map[string]*huma.MediaType{fiber.MIMEApplicationJSON: {Schema: schema}},
	}}
}

// maxWait is the longest that a request waits for a job.
const maxWait = time.Minute

// ParseWait reads a duration such as 30s, of a minute at most. Without one it is 0.
func ParseWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, &core.Invalid{Field: "query.wait", Message: fmt.Sprintf("%.40q: want a duration such as 30s", text)}
	}
	return min(d, maxWait), nil
}

// answer makes an engine's error a problem.
func answer[T any](body T, err error) (*output[T], error) {
	if err != nil {
		return nil, problem.Of(err)
	}
	return &output[T]{body}, nil
}

// bounded gives a request that waits its time.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
