package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
)

// What a limit cannot be is said with the limit, the value and what would be right, in no
// decoder's words.
func TestALimitThatCannotBeIsRefusedInWords(t *testing.T) {
	t.Parallel()
	p := startProgram(t, t.TempDir(), pluginFolder(t))
	var before, after core.Limits
	require.NoError(t, p.client.Get(t.Context(), "/api/v1/limits", &before))
	for setting, says := range map[string]string{
		"slots=zero":                         `slots: "zero": want an integer`,
		"slots=1.5":                          `slots: 1.5: want an integer`,
		"slots=007":                          `slots: "007": want an integer`,
		"slots=0":                            `slots: 0: want 1 to`,
		"slots=":                             `slots: null: want a limit`,
		"tenant_slots.acme=x":                `tenant_slots.acme: "x": want an integer`,
		"tenant_weights.acme=heavy":          `tenant_weights.acme: "heavy": want a number`,
		"ageing_seconds=1h":                  `ageing_seconds: "1h": want a number`,
		"job.memory_bytes=1GiB":              `job.memory_bytes: "1GiB": want an integer`,
		"retention.*.count=all":              `retention.*.count: "all": want an integer`,
		"retention.*.rules=none":             `retention.*.rules: "none": want an array`,
		"retention.*.rules=[{phase:failed}]": `retention.*.rules: "[{phase:failed}]": want JSON, with names and texts in double quotes`,
	} {
		out, exit := commandLine(t, p, "limits", setting)
		assert.Equal(t, exitUsage, exit, setting)
		assert.Contains(t, out, says, setting)
		assert.NotContains(t, out, "invalid character", setting)
		assert.NotContains(t, out, "unmarshal", setting)
	}
	require.NoError(t, p.client.Get(t.Context(), "/api/v1/limits", &after))
	assert.Equal(t, before, after)
}
