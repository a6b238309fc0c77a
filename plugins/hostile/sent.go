package hostile

import (
	"encoding/json"
	"fmt"
	"strings"
)

// sent are modules with a schema of their own, and params that are dear to check against
// it: before a job is accepted, and before any guest runs.
func sent() []Attack {
	with := func(name, does, schema, params string) Attack {
		manifest := strings.Replace(Manifest("analysis"), `{"type":"object"}`, schema, 1)
		return Attack{Name: name, Does: does, Params: json.RawMessage(params),
			Wasm: Module{Manifest: manifest, Pages: uint32(1 + (len(manifest)+1024)>>16)}.Encode()}
	}
	list := func(n int, element string) string { return "[" + copies(n, element) + "]" }
	names := func(n int) string { return "[" + numbered(n, `"n%d"`) + "]" }
	a := func(schema string) string { return `{"type":"object","properties":{"a":` + schema + `}}` }
	return ending("invalid_params",
		with("values_to_compare", "is sent 60 000 numbers, each to be one of 40 000", a(`{"items":{"enum":`+list(40_000, "2")+`}}`), `{"a":`+list(60_000, "1")+`}`),
		with("names_to_find", "is sent 60 000 objects, each to have 5000 names", a(`{"items":{"required":`+names(5000)+`}}`), `{"a":`+list(60_000, "{}")+`}`),
		with("shapes_to_tell_apart", "is sent 6000 lists that hash the same, to be unique", a(`{"uniqueItems":true}`), `{"a":`+shapes(6000)+`}`),
		with("parts_of_an_object", "is sent 10 000 properties, each to fit 2000 schemas", a(`{"allOf":`+list(2000, `{"additionalProperties":{}}`)+`}`),
			`{"a":{`+numbered(10_000, `"n%d":1`)+`}}`),
		with("wrong_everywhere", "is sent 50 000 values that are wrong, where each of 1000 others would be right", a(`{"items":{"pattern":"^`+strings.Repeat("x", 1000)+`$"}}`),
			`{"a":`+list(50_000, `"y"`)+`}`),
		with("pattern_to_compile", "is sent a regular expression that takes gigabytes when compiled",
			`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"format":"regex"}}}`,
			`{"a":"(((a{100}){100}){100}){10}"}`),
		with("number_to_compare", "is sent a number of a million digits, in eight characters", a(`{"multipleOf":3}`), `{"a":1e999999}`),
	)
}

// shapes are lists of lists, all different, whose elements are the same in the order in
// which they are met: there are as many as there are ways to put n pairs of brackets.
func shapes(n int) string {
	all := []string{"[]"}
	for len(all) < n {
		var next []string
		for _, s := range all {
			next = append(next, "["+s+"]", s[:len(s)-1]+sep(s)+"[]]")
		}
		all = next
	}
	return "[" + strings.Join(all[:n], ",") + "]"
}

func sep(s string) string {
	if s == "[]" {
		return ""
	}
	return ","
}

// referred is a schema in which one list of values is compared for each of n references.
func referred(n, values int) string {
	return fmt.Sprintf(`{"$defs":{"e":{"enum":[%s]}},"allOf":[%s]}`, numbered(values, "%d"), copies(n, `{"$ref":"#/$defs/e"}`))
}
