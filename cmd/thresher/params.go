package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"thresher/client"
	"thresher/core"
	"thresher/core/jsontext"
)

// readParams puts --params and --param together. A value of --param is read as the
// routine's schema says, and replaces what --params says of that param.
func readParams(ctx context.Context, c *client.Client, routine, object string, typed pairs) (json.RawMessage, error) {
	all, err := readObject(object)
	if err != nil {
		return nil, err
	}
	if len(typed) > 0 {
		var decl struct{ Params map[string]any }
		if err := c.Get(ctx, "/api/v1/routines/"+routine, &decl); err != nil {
			return nil, err
		}
		if err := addTyped(all, decl.Params, typed); err != nil {
			return nil, err
		}
	}
	return json.Marshal(all)
}

// readObject reads what --params says: a JSON object, or @FILE with one.
func readObject(text string) (all map[string]json.RawMessage, err error) {
	object := []byte(text)
	if path, ok := strings.CutPrefix(text, "@"); ok {
		if object, err = os.ReadFile(path); err != nil {
			return nil, &core.Invalid{Field: "params", Message: err.Error()}
		}
	}
	if len(bytes.TrimSpace(object)) == 0 {
		return map[string]json.RawMessage{}, nil
	}
	if !json.Valid(object) {
		return nil, &core.Invalid{Field: "params", Message: fmt.Sprintf(`%.40q is not JSON: want an object such as {"steps": 10}`, object)}
	}
	if err := json.Unmarshal(object, &all); err != nil {
		return nil, &core.Invalid{Field: "params", Message: fmt.Sprintf(`%.40q: want a JSON object such as {"steps": 10}`, object)}
	}
	if name, twice := jsontext.Twice(object); twice {
		return nil, &core.Invalid{Field: "params", Message: fmt.Sprintf("the name %q is given twice: want it once in an object", name)}
	}
	if all == nil {
		return nil, &core.Invalid{Field: "params", Message: `null: want a JSON object such as {"steps": 10}`}
	}
	return all, nil
}

// addTyped reads the values of --param as a schema says.
func addTyped(all map[string]json.RawMessage, schema map[string]any, typed pairs) error {
	properties, _ := schema["properties"].(map[string]any)
	given := map[string][]string{}
	var names []string
	for _, p := range typed {
		if given[p.name] == nil {
			names = append(names, p.name)
		}
		given[p.name] = append(given[p.name], p.value)
	}
	for _, name := range names {
		value, err := readTyped(schemaTypes{root: schema}.of(properties[name]), given[name])
		if err != nil {
			return &core.Invalid{Field: "param", Message: fmt.Sprintf("%s=%s: %v", name, strings.Join(given[name], ", "), err)}
		}
		all[name] = value
	}
	return nil
}

// readTyped reads the values of one param as JSON. More than one are a list.
func readTyped(t types, values []string) (json.RawMessage, error) {
	if len(values) == 1 {
		return t.read(values[0])
	}
	if !t.has("array") {
		return nil, fmt.Errorf("given %d times: want %s, once", len(values), t)
	}
	return t.list(values)
}

// list reads values as the items of a list.
func (t types) list(values []string) (json.RawMessage, error) {
	items := make([]json.RawMessage, len(values))
	for i, text := range values {
		var err error
		if items[i], err = t.ofItems().read(text); err != nil {
			return nil, err
		}
	}
	return json.Marshal(items)
}

// read reads a value. What is JSON of a type that the param has is that; all else is
// text, as it was typed, quotes included.
func (t types) read(text string) (json.RawMessage, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not UTF-8")
	}
	if kind := jsonType(text); kind != "" && kind != "string" && t.has(kind) {
		return json.RawMessage(text), nil
	}
	switch {
	case t.has("string"):
		return json.Marshal(text)
	case t.has("array"):
		return t.list([]string{text})
	}
	return nil, fmt.Errorf("want %s", t)
}

// jsonType is the type of a JSON text, or "" if it is none.
func jsonType(text string) string {
	if !json.Valid([]byte(text)) {
		return ""
	}
	switch strings.TrimSpace(text)[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
