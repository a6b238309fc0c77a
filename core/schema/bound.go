package schema

import (
	"encoding/json"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A schema comes from a stranger, and whoever checks params against it pays for it.
// These are its bounds. A schema that refers to itself has no end when its references
// are followed, and is refused for that.
const (
	maxParts    = 4096  // subschemas, each as often as it is referred to
	maxPatterns = 4096  // steps of all regular expressions
	maxPattern  = 1024  // bytes of one
	maxNumber   = 400   // digits, and powers of ten, of a number: beyond float64 in any case
	maxLooks    = 10e6  // subschemas of elements × values of params
	maxMatches  = 500e6 // steps of regular expressions × bytes of text
)

// weight is what a schema costs.
type weight struct {
	parts    int // subschemas
	many     int // of those, the ones that are held against any number of values
	patterns int // steps of regular expressions
}

func weigh(s *jsonschema.Schema) (w weight, err error) {
	w.add(s, false)
	if w.parts > maxParts {
		return w, fmt.Errorf("it has more than %d parts when its references are followed", maxParts)
	}
	return w, nil
}

// add counts a subschema and all below it, until there are too many.
func (w *weight) add(s *jsonschema.Schema, many bool) {
	if s == nil || w.parts > maxParts {
		return
	}
	w.parts++
	if many {
		w.many++
	}
	for _, one := range []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else, s.ContentSchema} {
		w.add(one, many)
	}
	if s.DynamicRef != nil {
		w.add(s.DynamicRef.Ref, many)
	}
	for _, list := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
		for _, one := range list {
			w.add(one, many)
		}
	}
	for _, named := range []map[string]*jsonschema.Schema{s.Properties, s.DependentSchemas} {
		for _, one := range named {
			w.add(one, many)
		}
	}
	for _, one := range s.PatternProperties {
		w.add(one, true)
	}
	for _, one := range []*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems} {
		w.add(one, true)
	}
	w.addAny(s.AdditionalProperties)
	w.addAny(s.Items)
	w.addAny(s.AdditionalItems)
	for _, one := range s.Dependencies {
		w.addAny(one)
	}
}

// addAny counts what older versions of JSON Schema allow to be of several kinds.
func (w *weight) addAny(v any) {
	switch v := v.(type) {
	case *jsonschema.Schema:
		w.add(v, true)
	case []*jsonschema.Schema:
		for _, one := range v {
			w.add(one, true)
		}
	}
}

// patterns compiles regular expressions, within bounds: repetitions within a short
// one can make it take gigabytes. Each is asked for more than once.
type patterns struct {
	steps    int
	compiled map[string]*regexp.Regexp
}

var errPatterns = fmt.Errorf("its patterns are too large: more than %d steps", maxPatterns)

func (p *patterns) compile(text string) (jsonschema.Regexp, error) {
	if known := p.compiled[text]; known != nil {
		return known, nil
	}
	if len(text) > maxPattern {
		return nil, fmt.Errorf("a pattern of %d bytes: the limit is %d", len(text), maxPattern)
	}
	if p.steps > maxPatterns {
		return nil, errPatterns
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if p.steps += steps(parsed); p.steps > maxPatterns {
		return nil, errPatterns
	}
	compiled, err := regexp.Compile(text)
	if err == nil {
		p.compiled[text] = compiled
	}
	return compiled, err
}

// steps is about how many instructions a regular expression is compiled to.
func steps(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	if re.Op == syntax.OpCharClass {
		n = 1
	}
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// size is what a document holds.
type size struct {
	values int
	text   int // bytes, names included
}

// measure counts, and refuses numbers that only their notation keeps short.
func (z *size) measure(v any) error {
	z.values++
	switch v := v.(type) {
	case string:
		z.text += len(v)
	case json.Number:
		return plainNumber(string(v))
	case []any:
		for _, one := range v {
			if err := z.measure(one); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, one := range v {
			z.text += len(name)
			if err := z.measure(one); err != nil {
				return err
			}
		}
	}
	return nil
}

func plainNumber(n string) error {
	digits, exponent := n, ""
	if i := strings.IndexAny(n, "eE"); i >= 0 {
		digits, exponent = n[:i], n[i+1:]
	}
	power := 0
	if exponent != "" {
		var err error
		if power, err = strconv.Atoi(exponent); err != nil {
			power = maxNumber + 1
		}
	}
	if len(digits) > maxNumber || max(power, -power) > maxNumber {
		return fmt.Errorf("a number of more than %d digits", maxNumber)
	}
	return nil
}

// fits reports whether params of a size can be checked in reasonable time.
func (w weight) fits(z size) bool {
	return float64(w.many)*float64(z.values) <= maxLooks && float64(w.patterns)*float64(z.text) <= maxMatches
}
