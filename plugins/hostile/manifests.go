package hostile

import (
	"fmt"
	"slices"
	"strings"
)

// manifests lie about the module, or attack who reads them.
func manifests() []Attack {
	with := func(old, replacement string) []byte {
		manifest := strings.Replace(Manifest("analysis"), old, replacement, 1)
		return Module{Manifest: manifest, Pages: uint32(1 + (len(manifest)+1024)>>16)}.Encode()
	}
	params := func(schema string) []byte { return with(`{"type":"object"}`, schema) }
	return refused("manifest_invalid",
		Attack{Name: "garbage", Does: "describes itself in noise", Wasm: Module{Manifest: "\x00\xff{]"}.Encode()},
		Attack{Name: "huge_manifest", Does: "describes itself in 2 MiB", Wasm: with(`"title":""`, `"title":"`+strings.Repeat("x", 2<<20)+`"`)},
		Attack{Name: "deep_manifest", Does: "nests 100 000 lists in its manifest", Wasm: params(strings.Repeat("[", 100_000))},
		Attack{Name: "path_as_name", Does: "is named ../forged", Wasm: with("forged", "../forged")},
		Attack{Name: "two_of_a_name", Does: "has a routine twice", Wasm: with(`}]}`, `},{"name":"attack","kind":"analysis","title":"","params":{}}]}`)},
		Attack{Name: "input_as_path", Does: "has an input named ../x", Wasm: with(`"title":""`, `"title":"","inputs":[{"name":"../x"}]`)},
		Attack{Name: "many_inputs", Does: "has 10 000 inputs", Wasm: with(`"title":""`, `"title":"","inputs":[`+numbered(10_000, `{"name":"i%d"}`)+`]`)},
		Attack{Name: "schema_reads_a_file", Does: "refers to /etc/passwd in its schema", Wasm: params(`{"$ref":"file:///etc/passwd"}`)},
		Attack{Name: "schema_reads_the_network", Does: "refers to a web page in its schema", Wasm: params(`{"$ref":"http://127.0.0.1:1/x"}`)},
		Attack{Name: "ref_bomb", Does: "doubles its schema forty times by references", Wasm: params(refBomb(40))},
		Attack{Name: "ref_loop", Does: "has a schema that refers to itself twice", Wasm: params(
			`{"$defs":{"n":{"anyOf":[{"properties":{"a":{"$ref":"#/$defs/n"}}},{"properties":{"a":{"$ref":"#/$defs/n"}}}]}},"$ref":"#/$defs/n"}`)},
		Attack{Name: "comparison_bomb", Does: "compares a value with two million, by references", Wasm: params(referred(1000, 2000))},
		Attack{Name: "dynamic_reference", Does: "refers to what only the params show: to itself, twice at each depth", Wasm: params(
			`{"$id":"http://a/r","$dynamicAnchor":"n","$ref":"inner","$defs":{"inner":{"$id":"inner","properties":{"a":{"allOf":[` +
				`{"$dynamicRef":"#n"},{"$dynamicRef":"#n"}]}},"$defs":{"leaf":{"$dynamicAnchor":"n"}}}}}`)},
		Attack{Name: "regex_bomb", Does: "has patterns that take gigabytes when compiled", Wasm: params(
			`{"type":"object","properties":{` + numbered(900, `"p%d":{"pattern":"(`+strings.Repeat("ab|cd|", 100)+`x){1000}"}`) + `}}`)},
		Attack{Name: "number_bomb", Does: "bounds a param by a number of a million digits",
			Wasm: params(`{"properties":{` + numbered(1000, `"p%d":{"multipleOf":1e999999}`) + `}}`)},
		Attack{Name: "lies_about_exports", Does: "says that it is a simulation, and cannot step", Code: "export_missing",
			Wasm: Module{Without: "thresher_step", Manifest: Manifest("simulation")}.Encode()},
	)
}

// refBomb is a schema that is small, and of 2ⁿ parts when its references are followed.
func refBomb(n int) string {
	var defs []string
	for i := range n {
		defs = append(defs, fmt.Sprintf(`"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i, i+1, i+1))
	}
	defs = append(defs, fmt.Sprintf(`"d%d":{"type":"object"}`, n))
	return `{"$ref":"#/$defs/d0","$defs":{` + strings.Join(defs, ",") + `}}`
}

// numbered are n copies of a text, each with its number, in a list.
func numbered(n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, ",")
}

// copies are n copies of a text in a list.
func copies(n int, text string) string { return strings.Join(slices.Repeat([]string{text}, n), ",") }
