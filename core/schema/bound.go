package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
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
	maxCompared = 500e3 // comparisons of one value × values of params: each that fails is an error in memory
	maxPairs    = 10e6  // pairs of lists or objects in one list, where elements must be unique
	maxMatches  = 500e6 // steps of regular expressions × bytes of text
)

// weight is what a schema costs.
type weight struct {
	parts       int  // subschemas
	comparisons int  // of one value, at most
	unique      bool // somewhere elements must be unique
	patterns    int  // steps of regular expressions
}

func weigh(s *jsonschema.Schema) (w weight, err error) {
	if err := w.count(s); err != nil {
		return w, err
	}
	w.comparisons = comparisons([]*jsonschema.Schema{s})
	if w.comparisons > maxCompared {
		return w, fmt.Errorf("a value would be compared %d times: the limit is %d", w.comparisons, int(maxCompared))
	}
	return w, nil
}

// count counts a subschema and all below it, until there are too many.
func (w *weight) count(s *jsonschema.Schema) error {
	if w.parts++; w.parts > maxParts {
		return fmt.Errorf("it has more than %d parts when its references are followed", maxParts)
	}
	if s.DynamicRef != nil || s.RecursiveRef != nil {
		return errors.New("$dynamicRef and $recursiveRef are not supported: where they lead to depends on the params; use $ref")
	}
	w.unique = w.unique || s.UniqueItems
	for _, list := range [][]*jsonschema.Schema{beside(s), below(s)} {
		for _, one := range list {
			if err := w.count(one); err != nil {
				return err
			}
		}
	}
	for _, one := range s.Properties {
		if err := w.count(one); err != nil {
			return err
		}
	}
	return nil
}

// comparisons returns how often a value that some schemas apply to, or one value within it,
// is compared at most: once with each schema that applies to it, and once with each value
// and name that those list.
func comparisons(set []*jsonschema.Schema) int {
	here := 0
	named := map[string][]*jsonschema.Schema{} // to the property of a name
	var anywhere []*jsonschema.Schema          // to any value within
	for len(set) > 0 {
		s := set[len(set)-1]
		set = append(set[:len(set)-1], beside(s)...)
		here += 1 + listed(s)
		anywhere = append(anywhere, below(s)...)
		for name, one := range s.Properties {
			named[name] = append(named[name], one)
		}
	}
	within := 0
	for _, list := range named {
		within = max(within, comparisons(list))
	}
	if len(anywhere) > 0 {
		within += comparisons(anywhere)
	}
	return max(here, within)
}

// listed is how many values and names a schema lists.
func listed(s *jsonschema.Schema) int {
	n := len(s.Required) + len(s.PatternProperties)
	if s.Enum != nil {
		n += len(s.Enum.Values)
	}
	for _, names := range s.DependentRequired {
		n += 1 + len(names)
	}
	for _, dependency := range s.Dependencies {
		if names, ok := dependency.([]string); ok {
			n += 1 + len(names)
		}
	}
	return n
}

// beside are the subschemas that apply to the same value as a schema.
func beside(s *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat([]*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else}, s.AllOf, s.AnyOf, s.OneOf)
	for _, one := range s.DependentSchemas {
		all = append(all, one)
	}
	for _, dependency := range s.Dependencies {
		all = append(all, ofAnyKind(dependency)...)
	}
	return present(all)
}

// below are the subschemas that apply to values within a value, or to their names: to all,
// to some, or to one place in a list.
func below(s *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat([]*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems, s.ContentSchema},
		s.PrefixItems, ofAnyKind(s.AdditionalProperties), ofAnyKind(s.Items), ofAnyKind(s.AdditionalItems))
	for _, one := range s.PatternProperties {
		all = append(all, one)
	}
	return present(all)
}

func present(all []*jsonschema.Schema) []*jsonschema.Schema {
	return slices.DeleteFunc(all, func(s *jsonschema.Schema) bool { return s == nil })
}

// ofAnyKind returns the schemas of a keyword that older versions of JSON Schema allow to be
// a schema, a list of them, or something else.
func ofAnyKind(v any) []*jsonschema.Schema {
	switch v := v.(type) {
	case *jsonschema.Schema:
		return []*jsonschema.Schema{v}
	case []*jsonschema.Schema:
		return v
	}
	return nil
}

// patterns compiles regular expressions, within bounds: repetitions within a short
// one can make it take gigabytes. Each is asked for more than once. After the schema is
// compiled, patterns is asked about params whose format is regex, by any number of
// goroutines at once. It checks each of those alone, and does not remember it.
type patterns struct {
	steps    int
	compiled map[string]*regexp.Regexp
	done     bool // the schema is compiled
}

var errPatterns = fmt.Errorf("its patterns are too large: more than %d steps", maxPatterns)

func (p *patterns) compile(text string) (jsonschema.Regexp, error) {
	if p.done {
		return (&patterns{compiled: map[string]*regexp.Regexp{}}).compile(text)
	}
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
	pairs  int // pairs of lists or objects in the same list
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
		z.pairs += pairs(v)
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

// pairs is how many pairs the lists and objects in a list make. The check for unique
// elements may compare each of them with each: lists of different shapes can have the same
// hash there.
func pairs(list []any) int {
	n := 0
	for _, one := range list {
		switch one.(type) {
		case []any, map[string]any:
			n++
		}
	}
	return n * (n - 1) / 2
}

// fits reports whether params of a size can be checked in reasonable time.
func (w weight) fits(z size) bool {
	return float64(w.comparisons)*float64(z.values+z.text/100) <= maxCompared && float64(w.patterns)*float64(z.text) <= maxMatches &&
		(!w.unique || z.pairs <= maxPairs)
}
