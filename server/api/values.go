package api

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/routine"
	"thresher/docs"
	"thresher/plugins/registry"
	"thresher/plugins/sandbox"
	"thresher/plugins/sandbox/vet"
	"thresher/server/problem"
)

const schemaPrefix = "#/components/schemas/"

var problemType = reflect.TypeFor[problem.Problem]()

// values has the types whose values are few, each with its name in the document and its
// values. A field of such a type refers to the name.
var values = map[reflect.Type]named{
	reflect.TypeFor[job.Phase]():       {"JobPhase", "Where a job is in its life. It never leaves completed, failed and stopped.", listOf(job.Phases...)},
	reflect.TypeFor[job.Desired]():     {"JobDesired", "What the user wants of a job.", listOf(job.WantRun, job.WantPause, job.WantStop)},
	reflect.TypeFor[job.Priority]():    {"JobPriority", "-1 is low, 0 normal, 1 high.", listOf(job.Low, job.Normal, job.High)},
	reflect.TypeFor[core.BatchState](): {"BatchState", "What a batch is. No job of one that is expanding runs.", listOf(core.BatchExpanding, core.BatchRunning, core.BatchPaused, core.BatchStopping, core.BatchStopped, core.BatchEnded)},
	reflect.TypeFor[routine.Kind]():    {"RoutineKind", "How the host drives a routine.", listOf(routine.Kinds...)},
	reflect.TypeFor[registry.Phase]():  {"ModulePhase", "How far an upload is.", listOf(registry.Verifying, registry.Accepted, registry.Rejected)},
	reflect.TypeFor[registry.Origin](): {"ModuleOrigin", "Where a module came from, if it was not uploaded.", listOf(registry.Builtin, registry.Folder)},
	reflect.TypeFor[registry.State]():  {"VersionState", "What may be done with a version.", listOf(registry.Ready, registry.Disabled, registry.Deleted)},
}

// codes has the types with a field `code`, with the list of its values.
var codes = map[reflect.Type]named{
	problemType:                        {"ProblemCode", "The kind of problem. /docs/errors explains each.", sorted(problem.Codes())},
	reflect.TypeFor[job.Error]():       {"FailureCode", "Why a job failed. /docs/errors explains each.", sorted(docs.Codes("Why a job failed"))},
	reflect.TypeFor[sandbox.Refused](): refusals,
	reflect.TypeFor[vet.Refusal]():     refusals,
	reflect.TypeFor[registry.Left]():   refusals,
}

var refusals = named{"RefusalCode", "Why a module was refused. /docs/errors explains each.",
	sorted(slices.Concat(docs.Codes("Why a module was refused"), registry.Codes()))}

type named struct {
	name, description string
	values            []any
}

func listOf[T any](values ...T) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}

// decoded returns values as they come out of a request body, whose "failed" is a string and never a
// job.Phase: values are compared with their types.
func decoded(values []any) []any {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // they are strings and integers
	}
	var plain []any
	if err := json.Unmarshal(text, &plain); err != nil {
		panic(err)
	}
	return plain
}

func sorted(list []string) []any {
	return listOf(slices.Compact(slices.Sorted(slices.Values(list)))...)
}

// listValues lists the values of every field that has few.
func listValues(schemas huma.Registry) {
	all := schemas.Map()
	for _, v := range slices.Concat(slices.Collect(maps.Values(values)), slices.Collect(maps.Values(codes))) {
		s := huma.SchemaFromType(schemas, reflect.TypeOf(v.values[0]))
		s.Description, s.Enum = v.description, decoded(v.values)
		s.PrecomputeMessages()
		all[v.name] = s
	}
	for name, s := range all {
		if t := schemas.TypeFromRef(schemaPrefix + name); t != nil {
			listValuesOf(t, s)
		}
	}
}

func listValuesOf(t reflect.Type, s *huma.Schema) {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		property := s.Properties[name]
		if property == nil || f.Anonymous {
			continue
		}
		if of := ofField(f.Type); of != "" {
			refer(property, of)
		}
		if c, ok := codes[t]; ok && name == "code" {
			refer(property, c.name)
		}
	}
}

// ofField returns the name of the values that a field has, or a list in it.
func ofField(t reflect.Type) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return values[t].name
}

// refer makes a property, or the items of one that is a list, a reference.
func refer(s *huma.Schema, name string) {
	if s.Type == huma.TypeArray {
		s = s.Items
	}
	*s = huma.Schema{Ref: schemaPrefix + name, Description: s.Description}
}
