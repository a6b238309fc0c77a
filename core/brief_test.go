package core

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"thresher/core/job"
)

// TestABriefRecordCountsAsTheWhole makes records with anything in any field: what a
// start looks at must not depend on whether all of it was decoded.
func TestABriefRecordCountsAsTheWhole(t *testing.T) {
	t.Parallel()
	anyOf := func(values ...any) *rapid.Generator[any] { return rapid.SampledFrom(values) }
	raw := func(text string) any { return json.RawMessage(text) }
	var phases []any
	for _, p := range job.Phases {
		phases = append(phases, p)
	}
	records := rapid.MakeCustom[job.Record](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[time.Time](): anyOf(time.Time{}, time.Unix(1, 5).UTC()),
		reflect.TypeFor[job.Phase](): anyOf(phases...),
		reflect.TypeFor[json.RawMessage](): anyOf(raw("null"), raw(`{"a":[1,{"b":"}\\\"],"}],"c":-1e9}`),
			raw(`"text"`), raw("[]"), raw("{}"), raw("12"), raw("[[],{}]")),
	}})
	rapid.Check(t, func(t *rapid.T) {
		data, err := json.Marshal(records.Draw(t, "record"))
		if err != nil {
			t.Fatal(err)
		}
		var whole, brief job.Record
		if err := json.Unmarshal(data, &whole); err != nil {
			t.Fatal(err)
		}
		if err := job.Brief(data, &brief); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		if whole.Phase != brief.Phase {
			t.Fatalf("phase %s is %s", whole.Phase, brief.Phase)
		}
		if !whole.Phase.Final() {
			return // it is decoded whole
		}
		whole.Lease = nil // which no job has that has ended
		sorted := func(terms []string) []string { slices.Sort(terms); return terms }
		if want, got := sorted(jobTerms(whole.ID, whole)), sorted(jobTerms(brief.ID, brief)); !slices.Equal(want, got) {
			t.Fatalf("terms %q, want %q", got, want)
		}
		if want, got := claims(whole), claims(brief); !slices.Equal(want, got) {
			t.Fatalf("digests %q, want %q", got, want)
		}
		if want, got := counted(whole), counted(brief); !reflect.DeepEqual(want, got) {
			t.Fatalf("counted as %v, want %v", got, want)
		}
	})
}

func counted(r job.Record) (groups map[group]kept) {
	t := newTally()
	t.add(r, 1)
	t.tenants.Must(func(all *map[string]map[group]kept) { groups = (*all)[r.Tenant] })
	return groups
}
