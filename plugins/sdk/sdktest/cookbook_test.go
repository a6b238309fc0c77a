package sdktest

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/routine"
)

// The cookbook is one plugin, which is built, and whose recipes do what they say.
func TestTheCookbookWorksAsWritten(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/plugins/cookbook.md")
	require.NoError(t, err)
	out := follow(t, string(page))
	for _, example := range []string{"group-by/two-groups", "rolling/of-two-rows", "chart/two-points", "table/one-row", "progress/a-hundred"} {
		assert.Regexp(t, example+" +passed", out)
	}
	assert.Contains(t, out, "row,value\n1,3.5\n")
}

// Every field of a manifest is a row of the reference, under the heading of its struct.
func TestEveryFieldOfTheManifestIsInTheReference(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/plugins/manifest.md")
	require.NoError(t, err)
	parts := map[string]string{}
	for part := range strings.SplitSeq(string(page), "\n## ") {
		heading, text, _ := strings.Cut(part, "\n")
		parts[heading] = text
	}
	for heading, types := range map[string][]any{
		"Plugin": {routine.Manifest{}}, "Routine": {routine.Routine{}}, "Input": {routine.Input{}, routine.Column{}},
		"Output": {routine.Output{}}, "Example": {routine.Example{}},
	} {
		rows := 0
		for _, one := range types {
			for _, f := range reflect.VisibleFields(reflect.TypeOf(one)) {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				assert.Contains(t, parts[heading], "\n| `"+name+"` | ", "%s: %s", heading, name)
				rows++
			}
		}
		assert.Equal(t, rows, strings.Count(parts[heading], "\n| `"), "%s has a row for what is no field", heading)
	}
	for _, kind := range routine.Kinds {
		assert.Contains(t, parts["Routine"], "`"+string(kind)+"`")
	}
}
