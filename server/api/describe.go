package api

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/core/feed"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/table"
	"thresher/plugins/registry"
	"thresher/server/problem"
)

// Media types of answers that are not JSON documents.
const (
	MediaCSV    = "text/csv"
	MediaArrow  = "application/vnd.apache.arrow.stream"
	MediaEvents = "text/event-stream"
	MediaLines  = "application/x-ndjson"
	MediaTar    = "application/x-tar"
)

// TablePage is what a table's JSON has beside its rows.
type TablePage struct {
	Table   string         `json:"table"`
	From    int64          `json:"from" doc:"The first row in data, from 0."`
	To      int64          `json:"to" doc:"The row behind the last in data."`
	Rows    int64          `json:"rows" doc:"How many rows the table has now."`
	Next    *int64         `json:"next,omitempty" doc:"Where to go on: the first row that was asked for and is not in data, because one answer has at most 1000. The header Link has its address. Absent if data has all rows that were asked for."`
	Columns []table.Column `json:"columns" nullable:"false"`
}

// tableJSON is a TablePage with its rows.
type tableJSON struct {
	TablePage
	Data []map[string]any `json:"data" nullable:"false" doc:"An object for each row. Integers are exact; dates and timestamps are ISO 8601; \"NaN\", \"Infinity\" and \"-Infinity\" stand for the floats that JSON has no number for, and null for what is missing."`
}

// VerifyLine is a line of the answer to a check of all records and blobs: how far it is;
// in the last one what it found, or why it could not be brought to its end.
type VerifyLine struct {
	ledger.Verified
	Done           bool                   `json:"done"`
	Damaged        *[]core.DamagedBlob    `json:"damaged,omitempty"`
	DamagedRecords *[]ledger.RecordDamage `json:"damaged_records,omitempty"`
	Error          *problem.Problem       `json:"error,omitempty"`
}

// describer adds routes to the document that are not huma's.
type describer struct{ doc *huma.OpenAPI }

// schema returns that of a type.
func (d describer) schema(t reflect.Type) *huma.Schema {
	return d.doc.Components.Schemas.Schema(t, true, "")
}

// get adds a route of GET that answers with 200.
func (d describer) get(path, id, tag, summary string, params []*huma.Param, ok *huma.Response) *huma.Operation {
	return d.add(http.MethodGet, path, id, tag, summary, params, map[int]*huma.Response{http.StatusOK: ok})
}

func (d describer) add(method, path, id, tag, summary string, params []*huma.Param, answers map[int]*huma.Response) *huma.Operation {
	op := &huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag}, Parameters: params,
		Responses: map[string]*huma.Response{},
	}
	for status, r := range answers {
		op.Responses[strconv.Itoa(status)] = r
	}
	d.doc.AddOperation(op)
	return op
}

// answers describes an answer in one media type.
func answers(description, media string, schema *huma.Schema, headers ...string) *huma.Response {
	r := &huma.Response{Description: description, Headers: map[string]*huma.Header{}}
	for _, name := range headers {
		r.Headers[name] = header(name)
	}
	if media != "" {
		r.Content = map[string]*huma.MediaType{media: {Schema: schema}}
	}
	return r
}

func binary(description string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "binary", Description: description}
}

func text(description string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: description}
}

// sequence describes text that comes piece by piece, in the words of JSON Schema.
func sequence(description, media string, piece *huma.Schema) *huma.Schema {
	s := text(description)
	s.Extensions = map[string]any{"contentMediaType": media, "contentSchema": &huma.Schema{Type: huma.TypeArray, Items: piece}}
	return s
}

func pathParam(name, description string) *huma.Param {
	return &huma.Param{Name: name, In: "path", Required: true, Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

func queryParam(name, kind, description string) *huma.Param {
	p := &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: kind}}
	if kind == huma.TypeInteger {
		p.Schema.Format = "int64"
	}
	return p
}

func headerParam(name, description string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

var (
	jobParam    = pathParam("id", "The job's id.")
	tenantParam = queryParam("tenant", huma.TypeString, "Whose it is; default: default.")
	rangeParam  = headerParam("Range", "The bytes to send, such as bytes=0-999.")
)

// describeContent adds the routes of packages content and live.
func describeContent(doc *huma.OpenAPI, withPlugins bool) {
	d := describer{doc}
	d.outputs()
	d.tables()
	d.streams(withPlugins)
	d.archives()
	d.uploadDataset()
	if withPlugins {
		d.uploadPlugin()
	}
}

// outputs describes what a job leaves: its result, log and artifacts.
func (d describer) outputs() {
	file := func(path, id, summary, media string, whole *huma.Schema, params []*huma.Param, headers ...string) *huma.Operation {
		op := d.get(Prefix+path, id, "jobs", summary, params, answers("The content.", media, whole, append(headers, "Accept-Ranges")...))
		op.Responses[strconv.Itoa(http.StatusPartialContent)] = answers("The bytes that the request's Range asks for.", "*/*", binary("A part of the content, with its media type."), append(headers, "Accept-Ranges", "Content-Range")...)
		return op
	}
	file("/jobs/{id}/result", "get-result", "Get a completed job's result", fiber.MIMEApplicationJSON,
		&huma.Schema{Description: "Whatever the routine returns."}, []*huma.Param{jobParam, rangeParam})
	file("/jobs/{id}/logs", "get-log", "Get a job's log", fiber.MIMETextPlain, text("What the guest wrote."), []*huma.Param{
		jobParam, queryParam("attempt", huma.TypeInteger, "Of which attempt, from 1. The last ten that left no outcome are kept."), rangeParam,
	})
	artifact := file("/jobs/{id}/artifacts/{name}", "get-artifact", "Get an artifact", "*/*", binary("Its bytes, in the media type that the plugin gave them."), []*huma.Param{
		jobParam, pathParam("name", "The artifact's name."), rangeParam, headerParam("If-None-Match", "An ETag: 304 if the artifact still has it."),
	}, "ETag", "Cache-Control", "Content-Disposition")
	artifact.Responses[strconv.Itoa(http.StatusNotModified)] = answers("The client has it already.", "", nil, "ETag", "Cache-Control")
}

// tables describes the rows of tables.
func (d describer) tables() {
	rows := []*huma.Param{
		queryParam("from", huma.TypeInteger, "First row, from 0; default 0."),
		queryParam("to", huma.TypeInteger, "Row behind the last; default: all. JSON has at most 1000 rows at once: next says where to go on."),
	}
	answer := func() *huma.Response {
		r := answers("The rows, in the media type that Accept prefers.", fiber.MIMEApplicationJSON, d.schema(reflect.TypeFor[tableJSON]()), "Link")
		r.Content[MediaCSV] = &huma.MediaType{Schema: text("A line with the columns' names, then a line for each row.")}
		r.Content[MediaArrow] = &huma.MediaType{Schema: binary("An Arrow IPC stream.")}
		return r
	}
	d.get(Prefix+"/jobs/{id}/tables/{name}", "get-table", "jobs", "Get rows of an output table",
		append([]*huma.Param{jobParam, pathParam("name", "The table's name.")}, rows...), answer())
	d.get(Prefix+"/datasets/{name}/tables/{table}", "get-dataset-table", "datasets", "Get rows of a dataset's table",
		append([]*huma.Param{pathParam("name", "The dataset's name."), pathParam("table", "The table's name.")}, rows...), answer())
}

// eventData are what the events of jobs say.
type (
	progressEvent struct {
		Job string `json:"job"`
		job.Progress
	}
	logEvent struct {
		Job  string `json:"job"`
		Text string `json:"text"`
	}
	deletedEvent struct {
		Job string `json:"job"`
	}
	pluginEvent struct {
		Tenant string `json:"tenant"`
		Plugin string `json:"plugin"`
		Active string `json:"active"`
	}
	resetEvent struct{}
	endEvent   struct {
		Reason string `json:"reason"`
	}
)

// events has the kinds of events that streams have, with the data of each.
var events = map[string]reflect.Type{
	feed.TypeJob:      reflect.TypeFor[core.Job](),
	feed.TypeDeleted:  reflect.TypeFor[deletedEvent](),
	feed.TypeProgress: reflect.TypeFor[progressEvent](),
	feed.TypeLog:      reflect.TypeFor[logEvent](),
	feed.TypeModule:   reflect.TypeFor[registry.View](),
	feed.TypePlugin:   reflect.TypeFor[pluginEvent](),
	feed.TypeReset:    reflect.TypeFor[resetEvent](),
	"dropped":         reflect.TypeFor[endEvent](),
	"shutdown":        reflect.TypeFor[endEvent](),
}

// streams describes the event streams.
func (d describer) streams(withPlugins bool) {
	again := headerParam("Last-Event-ID", "The id of the last event that the client has seen: the stream goes on behind it.")
	event := &huma.Schema{}
	for _, kind := range slices.Sorted(maps.Keys(events)) {
		event.OneOf = append(event.OneOf, &huma.Schema{Type: huma.TypeObject, Required: []string{"event", "data"}, Properties: map[string]*huma.Schema{
			"event": {Type: huma.TypeString, Enum: []any{kind}}, "data": d.schema(events[kind]), "id": {Type: huma.TypeInteger},
		}})
	}
	stream := func(path, id, tag, summary string, params ...*huma.Param) {
		r := answers("Events, until the client hangs up or the server ends the stream.", MediaEvents, sequence("Server-sent events.", MediaEvents, event), "Cache-Control", "X-Accel-Buffering")
		d.get(Prefix+path, id, tag, summary, append(params, again), r)
	}
	stream("/events", "events", "events", "Follow all jobs")
	stream("/jobs/{id}/events", "job-events", "events", "Follow one job", jobParam)
	if withPlugins {
		stream("/modules/{digest}/events", "module-events", "plugins", "Follow an upload's verification", pathParam("digest", "SHA-256 of the module, hex."), tenantParam)
	}
}

// archives describes what reads all that the server keeps.
func (d describer) archives() {
	d.get(Prefix+"/backup", "backup", "server", "Get a backup", []*huma.Param{
		queryParam("skip_damaged", huma.TypeBoolean, "Leave damaged files out and list them in the manifest. Without it the archive of damaged data ends with damaged.json and is no backup."),
	}, answers("A tar archive. Its last file is the manifest: an archive without it is not whole.", MediaTar, binary("The archive."), "Content-Disposition"))
	lines := answers("A line of JSON now and then; the last has `done` or `error`.", MediaLines, sequence("Lines of JSON.", MediaLines, d.schema(reflect.TypeFor[VerifyLine]())))
	d.get(Prefix+"/verify", "verify", "server", "Check every stored file and record now", nil, lines)
}

func (d describer) uploadDataset() {
	format := queryParam("format", huma.TypeString, "What the body is; otherwise the Content-Type tells.")
	format.Schema.Enum = []any{"csv", "json", "ndjson", "arrow"}
	op := d.add(http.MethodPost, Prefix+"/datasets", "put-dataset", "datasets", "Import a table under a name", []*huma.Param{
		{Name: "name", In: "query", Required: true, Description: "The dataset's name.", Schema: &huma.Schema{Type: huma.TypeString}},
		format,
		queryParam("importer", huma.TypeString, "PLUGIN/ROUTINE that reads the file instead, as a job: its tables become the dataset."),
		queryParam("params", huma.TypeString, "The importer's params, a JSON object."),
		queryParam("tenant", huma.TypeString, "Whose plugins; with importer."),
	}, map[int]*huma.Response{http.StatusCreated: answers("The dataset.", fiber.MIMEApplicationJSON, d.schema(reflect.TypeFor[core.Dataset]()), "Location")})
	op.RequestBody = &huma.RequestBody{Required: true, Description: "The file, as it is.", Content: map[string]*huma.MediaType{}}
	for _, media := range []string{MediaCSV, fiber.MIMEApplicationJSON, MediaLines, "application/vnd.apache.arrow.file", fiber.MIMEOctetStream} {
		op.RequestBody.Content[media] = &huma.MediaType{Schema: binary("The file.")}
	}
}

func (d describer) uploadPlugin() {
	view := d.schema(reflect.TypeFor[registry.View]())
	activate := queryParam("activate", huma.TypeBoolean, "Make it the active version, if it is newer than the one that is active; default true.")
	op := d.add(http.MethodPost, Prefix+"/plugins", "push-plugin", "plugins", "Upload a plugin's module", []*huma.Param{
		activate,
		queryParam("wait", huma.TypeString, fmt.Sprintf("How long to wait for its verification, such as 30s; at most %s.", maxWait)),
		tenantParam,
		queryParam("by", huma.TypeString, "Who uploads it, for the record."),
	}, map[int]*huma.Response{
		http.StatusOK:       answers("Its verification has ended: `state` says how.", fiber.MIMEApplicationJSON, view, "Location"),
		http.StatusAccepted: answers("It is being verified.", fiber.MIMEApplicationJSON, view, "Location"),
	})
	module := &huma.Schema{Type: huma.TypeObject, Required: []string{"module"}, Properties: map[string]*huma.Schema{
		"module": binary("The module."), "signature": binary("Minisign's signature of the module."),
	}}
	op.RequestBody = &huma.RequestBody{Required: true, Description: "The module, alone or in a form with its signature.", Content: map[string]*huma.MediaType{
		"application/wasm":      {Schema: binary("The module.")},
		fiber.MIMEOctetStream:   {Schema: binary("The module.")},
		fiber.MIMEMultipartForm: {Schema: module},
	}}
}

// describeHealth adds the routes of operators and their machines.
func describeHealth(doc *huma.OpenAPI) {
	d := describer{doc}
	d.get("/healthz", "get-health", "health", "Find out whether the process lives", nil,
		answers("It does.", fiber.MIMEApplicationJSON, d.schema(reflect.TypeFor[Health]())))
	ready := d.schema(reflect.TypeFor[core.Readiness]())
	op := d.get("/readyz", "get-readiness", "health", "Find out whether the server takes jobs", nil,
		answers("It does.", fiber.MIMEApplicationJSON, ready))
	op.Responses[strconv.Itoa(http.StatusServiceUnavailable)] = answers("It does not: `code` and `reason` say why.", fiber.MIMEApplicationJSON, ready)
	names := queryParam("name[]", huma.TypeArray, "Only the metric of this name. May be repeated.")
	names.Schema.Items = &huma.Schema{Type: huma.TypeString}
	d.get("/metrics", "get-metrics", "health", "Get metrics for Prometheus", []*huma.Param{names},
		answers("The metrics.", fiber.MIMETextPlain, text("Prometheus' text format."), "Content-Encoding", "Vary"))
}

// Health is the answer of a process that lives.
type Health struct {
	Status string `json:"status" enum:"ok"`
}
