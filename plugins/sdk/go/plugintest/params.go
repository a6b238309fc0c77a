package plugintest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// paramSchema is what the SDK says of a param: see sdk.Schema.
type paramSchema struct {
	Type    string            `json:"type"`
	Default json.RawMessage   `json:"default"`
	Minimum json.Number       `json:"minimum"`
	Maximum json.Number       `json:"maximum"`
	Above   json.Number       `json:"exclusiveMinimum"`
	Enum    []json.RawMessage `json:"enum"`
	Items   *paramSchema      `json:"items"`
}

// fill checks params and fills in the defaults of those that are missing, as a server
// does. An error lists all that is wrong.
func fill(schema json.RawMessage, params string) (json.RawMessage, error) {
	var declared struct {
		Properties map[string]paramSchema
		Required   []string
	}
	if err := json.Unmarshal(schema, &declared); err != nil {
		return nil, fmt.Errorf("the schema: %w", err)
	}
	given := map[string]json.RawMessage{}
	if strings.TrimSpace(params) != "" {
		if err := json.Unmarshal([]byte(params), &given); err != nil {
			return nil, fmt.Errorf("want a JSON object: %w", err)
		}
	}
	if given == nil { // params were null
		given = map[string]json.RawMessage{}
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if p, known := declared.Properties[name]; !known {
			wrong = append(wrong, fmt.Errorf("there is no %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(declared.Properties)), ", ")))
		} else if err := p.check(given[name]); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
	}
	for name, p := range declared.Properties {
		if _, there := given[name]; !there && p.Default != nil {
			given[name] = p.Default
		}
	}
	for _, name := range declared.Required {
		if _, there := given[name]; !there {
			wrong = append(wrong, fmt.Errorf("missing property '%s'", name))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return json.Marshal(given)
}

// check says why a value does not fit.
func (p paramSchema) check(raw json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return err
	}
	if got := typeOf(value); got != p.Type && (got != "integer" || p.Type != "number") {
		return fmt.Errorf("got %s, want %s", strings.Replace(got, "integer", "number", 1), p.Type)
	}
	if len(p.Enum) > 0 && !slices.ContainsFunc(p.Enum, func(v json.RawMessage) bool { return bytes.Equal(v, raw) }) {
		return fmt.Errorf("value must be one of %s", p.Enum)
	}
	switch v := value.(type) {
	case json.Number:
		return p.checkNumber(v)
	case []any:
		return p.checkItems(raw)
	}
	return nil
}

func typeOf(value any) string {
	switch v := value.(type) {
	case json.Number:
		if n, ok := new(big.Rat).SetString(v.String()); ok && n.IsInt() {
			return "integer"
		}
		return "number"
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case nil:
		return "null"
	}
	return "object"
}

// checkNumber holds a number against the bounds.
func (p paramSchema) checkNumber(got json.Number) error {
	n, ok := new(big.Rat).SetString(got.String())
	if !ok {
		return fmt.Errorf("%s is beyond the range of numbers", got)
	}
	for _, bound := range []struct {
		name, want string
		broken     func(order int) bool
	}{
		{"minimum", p.Minimum.String(), func(order int) bool { return order < 0 }},
		{"maximum", p.Maximum.String(), func(order int) bool { return order > 0 }},
		{"exclusiveMinimum", p.Above.String(), func(order int) bool { return order <= 0 }},
	} {
		if limit, ok := new(big.Rat).SetString(bound.want); ok && bound.broken(n.Cmp(limit)) {
			return fmt.Errorf("%s: got %s, want %s", bound.name, got, bound.want)
		}
	}
	return nil
}

func (p paramSchema) checkItems(raw json.RawMessage) error {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || p.Items == nil {
		return err
	}
	for i, item := range items {
		if err := p.Items.check(item); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}
