package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/server/api"
)

type operation struct {
	Summary, Description string
	Responses            map[string]any
}

type document struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas map[string]struct {
			Properties map[string]map[string]any
			Enum       []any
		}
	}
}

func read(t *testing.T) (d document) {
	t.Helper()
	raw, err := api.Document("test")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &d))
	return d
}

func TestEveryOperationIsExplainedAndSaysHowItFails(t *testing.T) {
	t.Parallel()
	for path, methods := range read(t).Paths {
		for method, op := range methods {
			name := method + " " + path
			assert.NotEmpty(t, op.Summary, name)
			assert.True(t, strings.HasSuffix(op.Description, "."), "%s: its description, in package api's descriptions, is %q: want sentences", name, op.Description)
			assert.NotContains(t, op.Responses, "default", "%s: say which statuses", name)
			for _, status := range []string{"403", "500", "503"} {
				assert.Contains(t, op.Responses, status, name)
			}
		}
	}
}

// A field with one of these names has few values, wherever it is.
func TestFieldsThatHaveFewValuesListThem(t *testing.T) {
	t.Parallel()
	schemas := read(t).Components.Schemas
	found := map[string]bool{}
	for schema, s := range schemas {
		for name, field := range s.Properties {
			switch name {
			case "phase", "phases", "desired", "priority", "cache", "code", "kind", "state", "action", "ending", "source", "origin", "how":
			default:
				continue
			}
			if texts[schema+"."+name] {
				continue
			}
			found[name] = true
			if items, ok := field["items"].(map[string]any); ok {
				field = items
			}
			ref, _ := field["$ref"].(string)
			of := schemas[strings.TrimPrefix(ref, "#/components/schemas/")].Enum
			assert.True(t, field["enum"] != nil || len(of) > 0, "%s.%s lists no values", schema, name)
		}
	}
	assert.Len(t, found, 13)
}

// texts are fields that have any text, though others of their name have few values.
var texts = map[string]bool{
	"RecordDamage.kind": true, "Recovery.kind": true, // whatever the ledger has
	"JobInput.source": true,                        // a dataset's table, or a job's
	"JobSpec.origin":  true, "Filter.origin": true, // a job's id
	"Batch.phases": true, // counts by phase
}
