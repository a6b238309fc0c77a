package core

import (
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"

	"thresher/core/job"
	"thresher/core/routine"
)

// Bounds of a filter, in bytes. No job has what is longer.
const (
	maxName   = 64                               // of a plugin, routine or tenant
	maxRef    = 2*maxName + 1                    // of PLUGIN/ROUTINE
	maxPinned = maxName + 1 + routine.MaxVersion // of PLUGIN@VERSION
	maxID     = ulid.EncodedSize
	maxText   = 200 // of the words of a failure
)

// check refuses what no job can have: a phase or kind that does not exist, and texts that
// are too long or have no words. A bulk keeps its filter in its record. within is where
// the filter is in the request, with a dot, or empty.
func (f Filter) check(within string) error {
	if f.Phase != "" && !slices.Contains(job.Phases, f.Phase) {
		return invalid(within+"phase", "%.40q: want one of %s", f.Phase, listed(job.Phases))
	}
	if len(f.Phases) > len(job.Phases) {
		return invalid(within+"phases", "%d phases: there are %d", len(f.Phases), len(job.Phases))
	}
	for _, p := range f.Phases {
		if !slices.Contains(job.Phases, p) {
			return invalid(within+"phases", "%.40q: want some of %s", p, listed(job.Phases))
		}
	}
	if f.Kind != "" && !slices.Contains(routine.Kinds, f.Kind) {
		return invalid(within+"kind", "%.40q: want one of %s", f.Kind, listed(routine.Kinds))
	}
	for _, part := range []struct {
		field, value string
		max          int
		want         string
	}{
		{"plugin", f.Plugin, maxPinned, "NAME or NAME@VERSION"},
		{"routine", f.Routine, maxRef, "PLUGIN/ROUTINE"},
		{"tenant", f.Tenant, maxName, "the name of a tenant"},
		{"batch", f.Batch, maxID, "the id of a batch"},
		{"origin", f.Origin, maxID, "the id of a job"},
		{"bulk", f.Bulk, maxID, "the id of a bulk action"},
		{"error", f.Error, maxName, "the code of a failure"},
		{"text", f.Text, maxText, "words"},
	} {
		if len(part.value) > part.max {
			return invalid(within+part.field, "%d bytes: want %s, of up to %d bytes", len(part.value), part.want, part.max)
		}
	}
	if f.Text != "" && len(wordsOf(f.Text)) == 0 { // it would select every job
		return invalid(within+"text", "%.40q: want words, of letters or digits", f.Text)
	}
	return f.checkLabels(within)
}

// listed is a list in the words of an error.
func listed[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}

// checkLabels refuses labels that no job has for their size. What characters they have
// does not matter: a filter may ask for a label that nobody can set.
func (f Filter) checkLabels(within string) error {
	for field, labels := range map[string]map[string]string{"labels": f.Labels, "label_prefixes": f.LabelPrefixes} {
		if len(labels) > MaxLabels {
			return invalid(within+field, "%d labels: the limit is %d", len(labels), MaxLabels)
		}
		for k, v := range labels {
			if max(len(k), len(v)) > MaxLabelLength {
				return invalid(within+field, "%.40q: keys and values have up to %d bytes", k, MaxLabelLength)
			}
		}
	}
	return nil
}
