package sdk

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
)

// property is a JSON Schema of one param.
type property struct {
	Type        string            `json:"type"`
	Title       string            `json:"title,omitempty"`
	Description string            `json:"description,omitempty"`
	Default     json.RawMessage   `json:"default,omitempty"`
	Minimum     json.RawMessage   `json:"minimum,omitempty"`
	Maximum     json.RawMessage   `json:"maximum,omitempty"`
	Above       json.RawMessage   `json:"exclusiveMinimum,omitempty"`
	Enum        []json.RawMessage `json:"enum,omitempty"`
	Unit        string            `json:"x-unit,omitempty"`
	Items       *property         `json:"items,omitempty"`
}

// Schema returns the JSON Schema of a params struct. Each exported field is a
// property, named by its json tag; further tags say more:
//
//	Population int `json:"population" default:"1000" minimum:"1" unit:"agents" title:"Population" doc:"How many agents there are."`
//
// The tags are default, minimum, maximum, above (an exclusive minimum), enum
// (values parted by commas), unit, title and doc. Fields are integers, floats,
// booleans, strings, or slices of those. A field without a default and without
// omitempty must be given. Schema panics on anything else: it is the plugin's own
// declaration that is wrong.
func Schema(params any) json.RawMessage {
	t := reflect.TypeOf(params)
	if t == nil || t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("sdk: params must be a struct, not %v", t))
	}
	properties := map[string]property{}
	required := []string{}
	order := []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, flags, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			panic(fmt.Sprintf("sdk: field %s of %v has no json tag", f.Name, t))
		}
		p := propertyOf(f)
		properties[name] = p
		order = append(order, name)
		if p.Default == nil && !strings.Contains(flags, "omitempty") {
			required = append(required, name)
		}
	}
	return must(map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"type":                 "object",
		"properties":           properties,
		"required":             required,
		"additionalProperties": false,
		"x-order":              order,
	})
}

func propertyOf(f reflect.StructField) property {
	p := property{
		Title:       f.Tag.Get("title"),
		Description: f.Tag.Get("doc"),
		Unit:        f.Tag.Get("unit"),
		Default:     literal(f, f.Tag.Get("default")),
		Minimum:     literal(f, f.Tag.Get("minimum")),
		Maximum:     literal(f, f.Tag.Get("maximum")),
		Above:       literal(f, f.Tag.Get("above")),
	}
	p.describe(f.Type)
	if list := f.Tag.Get("enum"); list != "" {
		for _, v := range strings.Split(list, ",") {
			p.Enum = append(p.Enum, literal(f, v))
		}
	}
	return p
}

// describe says what values a Go type can hold. An integer has the bounds of its type,
// unless it has its own: what does not fit is refused before the routine is called.
func (p *property) describe(t reflect.Type) {
	p.Type = typeOf(t)
	if p.Type == "array" {
		p.Items = &property{}
		p.Items.describe(t.Elem())
	}
	low, high := rangeOf(t)
	if p.Minimum == nil && p.Above == nil {
		p.Minimum = low
	}
	if p.Maximum == nil {
		p.Maximum = high
	}
}

// rangeOf is the least and the greatest integer of a type, or nil.
func rangeOf(t reflect.Type) (low, high json.RawMessage) {
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return must(math.MinInt64), must(math.MaxInt64)
	case reflect.Int32:
		return must(math.MinInt32), must(math.MaxInt32)
	case reflect.Uint32:
		return must(0), must(math.MaxUint32)
	case reflect.Uint64:
		return must(0), must(uint64(math.MaxUint64))
	}
	return nil, nil
}

func typeOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Slice:
		return "array"
	}
	panic(fmt.Sprintf("sdk: a param cannot be a %v", t))
}

// literal is a tag's text as JSON: text of a string field is quoted.
func literal(f reflect.StructField, text string) json.RawMessage {
	if text == "" {
		return nil
	}
	if f.Type.Kind() == reflect.String {
		return must(text)
	}
	if json.Unmarshal([]byte(text), reflect.New(f.Type).Interface()) != nil {
		panic(fmt.Sprintf("sdk: field %s: %q is not a %s that a %v can hold", f.Name, text, typeOf(f.Type), f.Type))
	}
	return json.RawMessage(text)
}

// must encodes what always encodes.
func must(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic("sdk: " + err.Error())
	}
	return data
}
