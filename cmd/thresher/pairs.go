package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// pairs are the values of a flag that is given as NAME=VALUE, any number of times, in
// the order in which they were given. A value is what was typed: kong's own maps and
// lists would split it at semicolons or commas.
type pairs []pair

type pair struct{ name, value string }

// Decode implements [kong.MapperValue]. It adds one pair of the command line, or those
// of a configuration file, which may be an object or a list.
func (p *pairs) Decode(ctx *kong.DecodeContext) error {
	want := ctx.Value.Flag.PlaceHolder // such as NAME=VALUE
	token, err := ctx.Scan.PopValue(want)
	if err != nil {
		return err
	}
	switch v := token.Value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			*p = append(*p, pair{name, fmt.Sprint(v[name])})
		}
	case []any:
		for _, text := range v {
			if err := p.add(fmt.Sprint(text), want); err != nil {
				return err
			}
		}
	default:
		return p.add(fmt.Sprint(v), want)
	}
	return nil
}

// add adds a pair as it is typed. The name ends at the first =.
func (p *pairs) add(text, want string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q: want %s", text, want)
	}
	*p = append(*p, pair{name, value})
	return nil
}

// uniquePairs are pairs of which each name may be given once.
type uniquePairs map[string]string

// Decode implements [kong.MapperValue].
func (u *uniquePairs) Decode(ctx *kong.DecodeContext) error {
	var given pairs
	if err := given.Decode(ctx); err != nil {
		return err
	}
	if *u == nil {
		*u = uniquePairs{}
	}
	for _, p := range given {
		if first, twice := (*u)[p.name]; twice {
			return fmt.Errorf("%s is given twice, as %q and as %q: want it once", p.name, first, p.value)
		}
		(*u)[p.name] = p.value
	}
	return nil
}
