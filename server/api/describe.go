package api

import (
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// described is a route that is not huma's, for the OpenAPI description.
type described struct {
	method, path, id, tag, summary string
	status                         int
	media                          []string
	params                         []*huma.Param
}

func pathParam(name string) *huma.Param {
	return &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}
}

func queryParam(name, kind, description string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: kind}}
}

// describeContent adds the routes of packages content and live.
func describeContent(doc *huma.OpenAPI) {
	id, name := pathParam("id"), pathParam("name")
	rows := []*huma.Param{
		queryParam("from", huma.TypeInteger, "First row, from 0."),
		queryParam("to", huma.TypeInteger, "Row behind the last. As JSON, 1000 rows at most at once, in which \"NaN\", \"Infinity\" and \"-Infinity\" stand for the floats that JSON has no number for, and null for what is missing."),
	}
	tables := []string{"application/json", "text/csv", "application/vnd.apache.arrow.stream"}
	for _, d := range []described{
		{http.MethodGet, "/jobs/{id}/result", "get-result", "jobs", "Get a completed job's result", 200, []string{"application/json"}, []*huma.Param{id}},
		{http.MethodGet, "/jobs/{id}/logs", "get-log", "jobs", "Get the log of a job's last attempt, also while it runs; ranges of bytes", 200, []string{"text/plain"}, []*huma.Param{
			id, queryParam("attempt", huma.TypeInteger, "Of which attempt, from 1; the last ten that left no outcome are kept."),
		}},
		{http.MethodGet, "/jobs/{id}/artifacts/{name}", "get-artifact", "jobs", "Get an artifact; ETag and ranges of bytes", 200, []string{"*/*"}, []*huma.Param{id, name}},
		{http.MethodGet, "/jobs/{id}/tables/{name}", "get-table", "jobs", "Get rows of an output table, also while it grows", 200, tables, append([]*huma.Param{id, name}, rows...)},
		{http.MethodGet, "/jobs/{id}/events", "job-events", "events", "Follow one job: server-sent events", 200, []string{"text/event-stream"}, []*huma.Param{id}},
		{http.MethodGet, "/events", "events", "events", "Follow all jobs: server-sent events", 200, []string{"text/event-stream"}, nil},
		{http.MethodGet, "/modules/{digest}/events", "module-events", "plugins", "Follow an upload's verification: server-sent events", 200, []string{"text/event-stream"}, []*huma.Param{pathParam("digest"), queryParam("tenant", huma.TypeString, "Whose it is.")}},
		{http.MethodGet, "/backup", "backup", "server", "Get an archive of everything, as it is at this moment", 200, []string{"application/x-tar"}, []*huma.Param{
			queryParam("skip_damaged", huma.TypeBoolean, "Leave damaged files out and list them in the manifest. Without it the archive of damaged data ends with damaged.json and is no backup."),
		}},
		{http.MethodGet, "/verify", "verify", "server", "Check every stored file against its digest, now: lines of progress, the last with what is damaged", 200, []string{"application/x-ndjson"}, nil},
		{http.MethodGet, "/datasets/{name}/tables/{table}", "get-dataset-table", "datasets", "Get rows of a dataset's table", 200, tables, append([]*huma.Param{name, pathParam("table")}, rows...)},
	} {
		d.add(doc)
	}
	push := described{http.MethodPost, "/plugins", "push-plugin", "plugins", "Upload a plugin's module, to be verified as a new version. 200 if the verification has ended", 202, []string{"application/json"}, []*huma.Param{
		queryParam("activate", huma.TypeBoolean, "Let its name stand for it, if it is newer than what is active; default true."),
		queryParam("wait", huma.TypeString, "How long to wait for its verification, such as 30s; at most a minute."),
		queryParam("tenant", huma.TypeString, "Whose it is."),
		queryParam("by", huma.TypeString, "Who uploads it, for the record."),
	}}
	push.add(doc).RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/wasm": {}, "multipart/form-data": {Schema: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
			"module": {Type: huma.TypeString, Format: "binary"}, "signature": {Type: huma.TypeString, Description: "Minisign's."},
		}, Required: []string{"module"}}},
	}}
	upload := described{http.MethodPost, "/datasets", "put-dataset", "datasets", "Import a table under a name; the body is the file", 201, []string{"application/json"}, []*huma.Param{
		{Name: "name", In: "query", Required: true, Schema: &huma.Schema{Type: huma.TypeString}},
		queryParam("format", huma.TypeString, "csv, json, ndjson or arrow; otherwise the Content-Type tells."),
		queryParam("importer", huma.TypeString, "PLUGIN/ROUTINE that reads the file instead, as a job: its tables become the dataset."),
		queryParam("params", huma.TypeString, "The importer's params, a JSON object."),
		queryParam("tenant", huma.TypeString, "Whose plugins; with importer."),
	}}
	upload.add(doc).RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"text/csv": {}, "application/json": {}, "application/x-ndjson": {}, "application/vnd.apache.arrow.file": {},
	}}
}

func (d described) add(doc *huma.OpenAPI) *huma.Operation {
	content := map[string]*huma.MediaType{}
	for _, media := range d.media {
		content[media] = &huma.MediaType{}
	}
	op := &huma.Operation{
		OperationID: d.id, Method: d.method, Path: Prefix + d.path, Summary: d.summary, Tags: []string{d.tag}, Parameters: d.params,
		Responses: map[string]*huma.Response{strconv.Itoa(d.status): {Description: http.StatusText(d.status), Content: content}},
	}
	doc.AddOperation(op)
	return op
}
