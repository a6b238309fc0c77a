package main

import (
	"maps"
	"slices"
	"strings"
)

// types are the JSON types that a param may have.
type types struct {
	names map[string]bool // nil: any
	items func() types    // of a list
}

// has reports whether a value of that type may be given. An integer is a number.
func (t types) has(name string) bool {
	return t.names == nil || t.names[name] || name == "number" && t.names["integer"]
}

func (t types) ofItems() types {
	if t.items == nil {
		return types{}
	}
	return t.items()
}

// spoken are the types in words.
var spoken = map[string]string{
	"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "text",
	"array": "a list", "object": `a JSON object such as {"a": 1}`, "null": "null",
}

func (t types) String() string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(t.names)) {
		words = append(words, spoken[name])
	}
	return strings.Join(words, " or ")
}

// schemaTypes tells the types of parts of a JSON Schema. It looks at type, enum, const,
// $ref and combinations; a schema that says nothing allows any.
type schemaTypes struct {
	root  map[string]any
	depth int // of references and combinations that were followed
}

// deepest is where schemaTypes gives up, as a schema may refer to itself.
const deepest = 32

func (s schemaTypes) of(schema any) types {
	node, _ := schema.(map[string]any)
	if s.depth++; node == nil || s.depth > deepest {
		return types{}
	}
	if ref, ok := node["$ref"].(string); ok {
		return s.of(s.follow(ref))
	}
	t := types{items: func() types { return s.of(node["items"]) }}
	switch said := node["type"].(type) {
	case string:
		t.names = map[string]bool{said: true}
		return t
	case []any:
		t.names = map[string]bool{}
		for _, name := range said {
			if name, ok := name.(string); ok {
				t.names[name] = true
			}
		}
		return t
	}
	return s.combined(node, t)
}

// combined are the types of a schema without a type of its own.
func (s schemaTypes) combined(node map[string]any, t types) types {
	if values, ok := node["enum"].([]any); ok {
		return ofValues(values)
	}
	if value, ok := node["const"]; ok {
		return ofValues([]any{value})
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		if parts, ok := node[word].([]any); ok {
			return s.union(parts)
		}
	}
	parts, _ := node["allOf"].([]any)
	for _, part := range parts {
		if found := s.of(part); found.names != nil {
			return found
		}
	}
	return t
}

// union are the types of any of some schemas.
func (s schemaTypes) union(parts []any) types {
	all := types{names: map[string]bool{}}
	for _, part := range parts {
		found := s.of(part)
		if found.names == nil {
			return types{}
		}
		maps.Copy(all.names, found.names)
		if found.names["array"] {
			all.items = found.items
		}
	}
	return all
}

// ofValues are the types of some values.
func ofValues(values []any) types {
	t := types{names: map[string]bool{}}
	for _, v := range values {
		switch v.(type) {
		case string:
			t.names["string"] = true
		case bool:
			t.names["boolean"] = true
		case nil:
			t.names["null"] = true
		case []any:
			t.names["array"] = true
		case map[string]any:
			t.names["object"] = true
		default:
			t.names["number"] = true
		}
	}
	return t
}

// follow finds what a reference inside the schema refers to, or nil.
func (s schemaTypes) follow(ref string) any {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	var node any = s.root
	for _, name := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		object, _ := node.(map[string]any)
		if name != "" {
			node = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
		}
	}
	return node
}
