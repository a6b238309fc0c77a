package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/plugins/registry"
	"thresher/server/problem"
)

// Document returns the OpenAPI document of a server of that version, as it serves it at
// /openapi.json. Package openapitest holds every answer of the tests against it.
func Document(version string) ([]byte, error) {
	return json.Marshal(Mount(fiber.New(), &core.Engine{}, &registry.Registry{}, version, slog.Default()).OpenAPI())
}

// complete adds to the document what huma does not know: the routes of other packages,
// the problems that an operation may answer with, the headers of answers, and which
// values a field can have.
func complete(doc *huma.OpenAPI, withPlugins bool) {
	doc.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	doc.Servers = []*huma.Server{{URL: "http://127.0.0.1:5000", Description: "Where a server listens unless it is told otherwise."}}
	doc.Info.Contact = &huma.Contact{Name: "The Thresher project"}
	doc.Security = []map[string][]string{{}} // there are no keys
	doc.Tags = tags
	doc.Components.Headers = headers
	describeContent(doc, withPlugins)
	describeHealth(doc)
	describeCompat(doc)
	listValues(doc.Components.Schemas)
	doc.Components.Responses = problems(doc.Components.Schemas)
	for _, item := range doc.Paths {
		for _, op := range operations(item) {
			completeOperation(op)
		}
	}
	withoutNulls(doc)
}

var tags = []*huma.Tag{
	{Name: "jobs", Description: "Submit jobs, wait for them, control them, and read what they leave."},
	{Name: "batches", Description: "Submit many jobs at once and control them together."},
	{Name: "datasets", Description: "Import tables and read them."},
	{Name: "catalog", Description: "Find out what can be run, and with which params."},
	{Name: "plugins", Description: "Upload plugins and manage their versions and the keys that sign them."},
	{Name: "events", Description: "Follow jobs as they change: server-sent events."},
	{Name: "server", Description: "Limits, locks, backups, and the state of the server."},
	{Name: "health", Description: "For load balancers, service managers and Prometheus."},
	{Name: "agentfarm", Description: "AgentFarm's own routes, in its shapes."},
}

func operations(item *huma.PathItem) []*huma.Operation {
	all := []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch}
	return slices.DeleteFunc(all, func(op *huma.Operation) bool { return op == nil })
}

// completeOperation adds its description, its problems, and the headers of its answers.
func completeOperation(op *huma.Operation) {
	op.Description = descriptions[op.OperationID]
	for status, like := range alsoAnswers[op.OperationID] {
		r := *op.Responses[strconv.Itoa(like)]
		r.Description = http.StatusText(status)
		op.Responses[strconv.Itoa(status)] = &r
	}
	delete(op.Responses, "default")
	for _, status := range problemsOf(op) {
		if text := strconv.Itoa(status); op.Responses[text] == nil {
			op.Responses[text] = &huma.Response{Ref: "#/components/responses/" + responseName(status)}
		}
	}
	for _, r := range op.Responses {
		if r.Ref != "" {
			continue
		}
		if r.Headers == nil {
			r.Headers = map[string]*huma.Header{}
		}
		if r.Headers["Location"] != nil {
			r.Headers["Location"] = header("Location")
		}
		for _, name := range headersOfAll {
			r.Headers[name] = header(name)
		}
	}
}

// alsoAnswers has the statuses of an operation that huma does not know, each with the
// status whose body it shares.
var alsoAnswers = map[string]map[int]int{
	"submit-job": {http.StatusOK: http.StatusAccepted},
	"retry-job":  {http.StatusOK: http.StatusAccepted},
	"get-job":    {http.StatusAccepted: http.StatusOK},
}

// problemsOf lists the statuses of the problems that an operation may answer with.
func problemsOf(op *huma.Operation) []int {
	list := []int{http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}
	if strings.Contains(op.Path, "{") {
		list = append(list, http.StatusNotFound)
	}
	if op.RequestBody != nil {
		list = append(list, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if op.Method != http.MethodGet {
		list = append(list, http.StatusConflict, http.StatusInsufficientStorage)
	}
	return append(list, alsoProblems[op.OperationID]...)
}

// alsoProblems has the statuses that do not follow from what an operation is.
var alsoProblems = map[string][]int{
	"submit-job":        {http.StatusTooManyRequests},
	"retry-job":         {http.StatusTooManyRequests},
	"pause-job":         {http.StatusTooManyRequests},
	"submit-batch":      {http.StatusTooManyRequests},
	"pause-batch":       {http.StatusTooManyRequests},
	"resume-batch":      {http.StatusTooManyRequests},
	"retry-whole-batch": {http.StatusTooManyRequests},
	"retry-batch":       {http.StatusTooManyRequests},
	"stop-batch":        {http.StatusTooManyRequests},
	"start-bulk":        {http.StatusTooManyRequests},
	"push-plugin":       {http.StatusTooManyRequests},
	"put-dataset":       {http.StatusTooManyRequests},
	"get-result":        {http.StatusRequestedRangeNotSatisfiable},
	"get-log":           {http.StatusRequestedRangeNotSatisfiable},
	"get-artifact":      {http.StatusRequestedRangeNotSatisfiable},
	"get-table":         {http.StatusNotAcceptable},
	"get-dataset-table": {http.StatusNotAcceptable},
}

// headers are those of answers.
var headers = map[string]*huma.Header{
	"X-Request-ID":            textHeader("The request's id, as in the server's log and in a problem's `instance`."),
	"X-Content-Type-Options":  textHeader("Always nosniff."),
	"X-Frame-Options":         textHeader("Always DENY."),
	"Referrer-Policy":         textHeader("Always no-referrer."),
	"Content-Security-Policy": textHeader("What a browser may do with the answer."),
	"Location":                textHeader("The path of what was made, or is being made."),
	"Retry-After":             {Description: "After how many seconds to try again.", Schema: &huma.Schema{Type: huma.TypeInteger}},
	"Allow":                   textHeader("The methods that the path has."),
	"ETag":                    textHeader("The digest of the content: send it as `If-None-Match`."),
	"Cache-Control":           textHeader("Whether the answer may be kept."),
	"Accept-Ranges":           textHeader("Always bytes: send `Range` to get a part."),
	"Content-Range":           textHeader("Which bytes of how many the answer has."),
	"Content-Disposition":     textHeader("The name to save the content under."),
	"Content-Encoding":        textHeader("How the content is compressed, if the client asked for that."),
	"Vary":                    textHeader("The request's headers that the answer depends on."),
	"X-Accel-Buffering":       textHeader("Tells proxies not to buffer a stream."),
	"Link":                    textHeader("Where the rest is, as `<PATH>; rel=\"next\"`, if the answer does not have all."),
}

// headersOfAll are those that every answer has.
var headersOfAll = []string{"X-Request-ID", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy"}

func textHeader(description string) *huma.Header {
	return &huma.Header{Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

// header refers to one of the headers.
func header(name string) *huma.Header {
	if headers[name] == nil {
		panic("api: no header " + name)
	}
	return &huma.Header{Ref: "#/components/headers/" + name}
}

// problems are the error answers, one for each status, with its codes.
func problems(schemas huma.Registry) map[string]*huma.Response {
	byStatus := map[int][]string{}
	for _, code := range problem.Codes() {
		status := problem.New(code, "").Status
		byStatus[status] = append(byStatus[status], code)
	}
	delete(byStatus, http.StatusMethodNotAllowed)        // the answer where there is no operation
	delete(byStatus, http.StatusHTTPVersionNotSupported) // the answer to what is not HTTP/1.1
	all := map[string]*huma.Response{}
	for status, of := range byStatus {
		slices.Sort(of)
		r := &huma.Response{
			Description: "The problem's `code` is `" + strings.Join(of, "`, `") + "`: /docs/errors explains them.",
			Content:     map[string]*huma.MediaType{problem.MediaType: {Schema: schemas.Schema(problemType, true, "")}},
			Headers:     map[string]*huma.Header{},
		}
		for _, name := range slices.Concat(headersOfAll, alsoHeaders[status]) {
			r.Headers[name] = header(name)
		}
		all[responseName(status)] = r
	}
	return all
}

// alsoHeaders are those of the problems of a status.
var alsoHeaders = map[int][]string{
	http.StatusTooManyRequests:              {"Retry-After"},
	http.StatusServiceUnavailable:           {"Retry-After"},
	http.StatusRequestedRangeNotSatisfiable: {"Accept-Ranges", "Content-Range", "ETag", "Cache-Control", "Content-Disposition"},
}

// responseName names the response of a status, such as NotFound.
func responseName(status int) string {
	return strings.ReplaceAll(http.StatusText(status), " ", "")
}

// withoutNulls corrects what huma says of lists: no answer has null for one. Requests may.
func withoutNulls(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas.Map()
	asked := map[string]bool{}
	for _, item := range doc.Paths {
		for _, op := range operations(item) {
			if op.RequestBody == nil {
				continue
			}
			for _, media := range op.RequestBody.Content {
				reach(schemas, media.Schema, asked)
			}
		}
	}
	for name, s := range schemas {
		if asked[name] {
			continue
		}
		for _, property := range s.Properties {
			if property.Type == huma.TypeArray {
				property.Nullable = false
			}
		}
	}
}

// reach notes the names of the schemas that one refers to.
func reach(schemas map[string]*huma.Schema, s *huma.Schema, seen map[string]bool) {
	if s == nil {
		return
	}
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok && !seen[name] {
		seen[name] = true
		reach(schemas, schemas[name], seen)
	}
	reach(schemas, s.Items, seen)
	if of, ok := s.AdditionalProperties.(*huma.Schema); ok {
		reach(schemas, of, seen)
	}
	for _, property := range s.Properties {
		reach(schemas, property, seen)
	}
}
