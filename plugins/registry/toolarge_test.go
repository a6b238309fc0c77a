package registry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
)

// A module can make the report of its verification as large as it likes: the upload is
// decided on with its own code, and the next one too.
func TestAnUploadIsDecidedOnHoweverMuchItSays(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	for name, c := range map[string]struct {
		plugin registrytest.Plugin
		code   string
	}{
		"a_large_manifest_of_brackets":   {registrytest.Plugin{Salt: strings.Repeat("<", 100_000)}, "manifest_invalid"},
		"a_large_manifest_that_fails":    {registrytest.Plugin{Salt: strings.Repeat("x", 700_000), Example: `{"other":1}`}, "example_failed"},
		"an_invalid_version_of_brackets": {registrytest.Plugin{Version: strings.Repeat("<", 100_000)}, "manifest_invalid"},
		"an_invalid_name":                {registrytest.Plugin{Name: strings.Repeat("n", 900_000)}, "manifest_invalid"},
	} {
		v := w.push(t, c.plugin.Wasm(), registry.Upload{Activate: true})
		assert.Equal(t, "rejected", v.State, name)
		require.NotNil(t, v.Report.Refusal, name)
		assert.Equal(t, c.code, v.Report.Refusal.Code, "%s: %s", name, v.Report.Refusal.Detail)
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Less(t, len(raw), core.MaxRecord, name)
	}
	v := w.push(t, registrytest.Plugin{}.Wasm(), registry.Upload{Activate: true})
	assert.Equal(t, "ready", v.State)
}

// The line breaks that a key may have are no part of it.
func TestAKeyIsKeptAsItIsWritten(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	public, _ := pair(t)
	want, err := w.reg.Trust(t.Context(), public, "ada", "")
	require.NoError(t, err)
	line := public[strings.LastIndexByte(public, '\n')+1:]
	broken := line[:10] + strings.Repeat("\r", 900_000) + line[10:]
	for _, text := range []string{line, " " + public + "\n", broken} {
		k, err := w.reg.Trust(t.Context(), text, "ada", "")
		require.NoError(t, err, "%.80q", text)
		assert.Equal(t, want.Key, k.Key)
		assert.Len(t, k.Key, 56)
	}
}
