package core_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
)

// A filter that no job can fit, or that would select every job, is refused with its
// value and with what would be right, in a list as in a bulk action.
func TestAFilterThatCannotBeMeantIsRefused(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	const phases = "pending, running, paused, completed, failed, stopped"
	for _, c := range []struct {
		name  string
		f     core.Filter
		field string
		says  string
	}{
		{"phase", core.Filter{Phase: "asleep"}, "phase", `"asleep": want one of ` + phases},
		{"phases", core.Filter{Phases: []job.Phase{"asleep"}}, "phases", `"asleep": want some of ` + phases},
		{"kind", core.Filter{Kind: "guess"}, "kind", `"guess": want one of analysis, simulation, importer`},
		{"text_without_words", core.Filter{Text: "!? "}, "text", `"!? ": want words, of letters or digits`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var bad *core.Invalid
			assert.False(t, c.f.Empty(), "so that it is refused for what is wrong with it")
			_, err := e.Jobs(t.Context(), c.f)
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, c.says, bad.Message)
			_, err = e.StartBulk(t.Context(), "stop", c.f, true)
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, "filter."+c.field, bad.Field)
			assert.Equal(t, c.says, bad.Message)
		})
	}
}
