// Package schema checks a routine's params against its JSON Schema and fills in
// the defaults. A compiled [Schema] may be shared between goroutines. Schemas are
// self-contained: a reference to anything outside is refused, so that compiling
// one never reads a file or the network.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"thresher/core/jsontext"
)

// Schema is a compiled JSON Schema of an object.
type Schema struct {
	compiled *jsonschema.Schema
	defaults map[string]json.RawMessage
	names    []string // of the properties, sorted
	weight   weight
}

// Violation is one way in which params do not fit.
type Violation struct {
	Field   string `json:"field"` // path from the params object, such as "columns/0"; empty for the object
	Message string `json:"message"`
}

// Invalid lists every way in which params do not fit.
type Invalid []Violation

func (v Invalid) Error() string {
	parts := make([]string, len(v))
	for i, one := range v {
		parts[i] = strings.TrimPrefix(one.Field+": "+one.Message, ": ")
	}
	return strings.Join(parts, "; ")
}

const location = "params.json" // a name for the schema itself; nothing is read from it

// Compile reads a schema. An empty one accepts an empty object only.
func Compile(raw json.RawMessage) (*Schema, error) {
	if len(raw) == 0 {
		raw = json.RawMessage(`{"type":"object","additionalProperties":false}`)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	if err := new(size).measure(doc); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	regexps := patterns{compiled: map[string]*regexp.Regexp{}}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(regexps.compile)
	if err := c.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	compiled, err := c.Compile(location)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	w, err := weigh(compiled)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	w.patterns, regexps.done = regexps.steps, true
	var top struct {
		Properties map[string]struct {
			Default json.RawMessage `json:"default"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &top); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	s := &Schema{compiled: compiled, defaults: map[string]json.RawMessage{}, names: slices.Sorted(maps.Keys(top.Properties)), weight: w}
	for name, p := range top.Properties {
		if p.Default != nil {
			s.defaults[name] = p.Default
		}
	}
	return s, nil
}

// CheckDefaults returns an error that is an [Invalid] if the schema refuses a default of
// its own. Every job that does not give that param would fail.
func (s *Schema) CheckDefaults() error {
	var wrong Invalid
	for _, name := range slices.Sorted(maps.Keys(s.defaults)) {
		value, err := exact(s.defaults[name])
		var bad *jsonschema.ValidationError
		if err == nil {
			err = s.checkDefault(name, value)
		}
		switch {
		case errors.As(err, &bad):
			for _, v := range s.leaves(bad, nil) {
				wrong = append(wrong, Violation{Field: name, Message: fmt.Sprintf("default %.80s: %s", value, v.Message)})
			}
		case err != nil:
			wrong = append(wrong, Violation{Field: name, Message: fmt.Sprintf("default: %v", err)})
		}
	}
	if wrong != nil {
		return wrong
	}
	return nil
}

func (s *Schema) checkDefault(name string, value json.RawMessage) error {
	property := s.compiled.Properties[name]
	if property == nil {
		return nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return err
	}
	if err := s.fits(doc); err != nil {
		return err
	}
	return property.Validate(doc)
}

// Fill returns params with the defaults of absent properties filled in, keys
// sorted, or an error that is an [Invalid]. Empty params are an empty object.
func (s *Schema) Fill(params json.RawMessage) (json.RawMessage, error) {
	filled := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(params)) > 0 {
		if err := json.Unmarshal(params, &filled); err != nil {
			return nil, Invalid{{Message: "want a JSON object"}}
		}
		if name, twice := jsontext.Twice(params); twice { // a guest may read another value than was checked here
			return nil, Invalid{{Message: fmt.Sprintf("the name %q is given twice: want it once in an object", name)}}
		}
	}
	if filled == nil { // params were null
		filled = map[string]json.RawMessage{}
	}
	for name, value := range s.defaults {
		if _, given := filled[name]; !given {
			filled[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(filled)) {
		value, err := exact(filled[name])
		if err == nil && strings.ContainsRune(name, utf8.RuneError) {
			err = errors.New("the name is not UTF-8")
		}
		if err != nil {
			return nil, Invalid{{Field: name, Message: err.Error()}}
		}
		filled[name] = value
	}
	out, err := json.Marshal(filled)
	if err != nil {
		return nil, fmt.Errorf("encode params: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	if err != nil {
		return nil, Invalid{{Message: err.Error()}}
	}
	if err := s.fits(doc); err != nil {
		return nil, Invalid{{Message: err.Error()}}
	}
	var bad *jsonschema.ValidationError
	if err := s.compiled.Validate(doc); errors.As(err, &bad) {
		return nil, s.leaves(bad, nil)
	} else if err != nil {
		return nil, err
	}
	return out, nil
}

// fits returns an error where a value would take too much work to check.
func (s *Schema) fits(doc any) error {
	var held size
	if err := held.measure(doc); err != nil {
		return err
	}
	if !s.weight.fits(held) {
		return errors.New("there are more values than can be checked against this schema")
	}
	return nil
}

var english = message.NewPrinter(language.English)

// Bounds of an [Invalid]. Params can have a hundred thousand wrong values, and the error
// about each can list every value that the schema allows.
const (
	maxViolations = 100
	maxMessage    = 1000 // bytes
	maxField      = 500
)

// leaves collects the causes that have no cause of their own: "minimum: got -1,
// want 1" helps, "does not validate" does not. There are maxViolations at most.
func (s *Schema) leaves(e *jsonschema.ValidationError, found Invalid) Invalid {
	if len(found) == maxViolations {
		return found
	}
	if len(e.Causes) == 0 {
		return append(found, Violation{
			Field:   cut(strings.Join(e.InstanceLocation, "/"), maxField),
			Message: cut(s.explain(e), maxMessage),
		})
	}
	for _, cause := range e.Causes {
		found = s.leaves(cause, found)
	}
	return found
}

// cut shortens a text that is too long.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}

// noNUL is the pattern of text in SDKs of languages where a NUL ends it.
const noNUL = "^[^\x00]*$"

// mostNamed is how many properties an explanation names.
const mostNamed = 30

// explain says what is wrong, and of an unknown property which there are.
func (s *Schema) explain(e *jsonschema.ValidationError) string {
	if p, ok := e.ErrorKind.(*kind.Pattern); ok && p.Want == noNUL {
		return fmt.Sprintf("%q has the character U+0000, which this routine's text cannot have", p.Got)
	}
	if text := exactBound(e.ErrorKind); text != "" {
		return text
	}
	unknown, ok := e.ErrorKind.(*kind.AdditionalProperties)
	switch {
	case !ok || len(e.InstanceLocation) > 0:
		return e.ErrorKind.LocalizedString(english)
	case len(s.names) == 0:
		return fmt.Sprintf("there are no params, but %s was given", quoted(unknown.Properties))
	}
	names, more := s.names, ""
	if len(names) > mostNamed {
		names, more = names[:mostNamed], ", …"
	}
	return fmt.Sprintf("there is no %s: there are %s%s", quoted(unknown.Properties), strings.Join(names, ", "), more)
}

// exactBound says which bound an integer breaks, with all digits: the library rounds them.
// It returns "" for every other error.
func exactBound(k jsonschema.ErrorKind) string {
	said := func(name string, got, want *big.Rat) string {
		if !got.IsInt() || !want.IsInt() {
			return ""
		}
		return fmt.Sprintf("%s: got %s, want %s", name, got.Num(), want.Num())
	}
	switch k := k.(type) {
	case *kind.Minimum:
		return said("minimum", k.Got, k.Want)
	case *kind.Maximum:
		return said("maximum", k.Got, k.Want)
	case *kind.ExclusiveMinimum:
		return said("exclusiveMinimum", k.Got, k.Want)
	case *kind.ExclusiveMaximum:
		return said("exclusiveMaximum", k.Got, k.Want)
	}
	return ""
}

func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }

// noLoader refuses to read a schema from anywhere.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("reference to %s: a schema must be self-contained", url)
}
