package registry_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
)

// A plugin that crashes harms its own jobs only. It is counted, and after so many in a
// row disabled; enabling it begins a new count.
func TestAPluginThatCrashesIsDisabledWhereThatIsSet(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{DisableAfter: 3})
	good, bad := registrytest.Plugin{Name: "good"}, registrytest.Plugin{Name: "bad", Crashes: true}
	w.push(t, good.Wasm(), active)
	v := w.push(t, bad.Wasm(), active)
	require.Equal(t, "ready", v.State, "its example says that it crashes")
	var j core.Job
	for range 3 {
		j = w.run(t, bad.Routine())
		require.Equal(t, job.Failed, j.Phase)
		assert.Equal(t, "guest_trap", j.Outcome.Error.Code)
		assert.Equal(t, job.Completed, w.run(t, good.Routine()).Phase)
	}
	w.until(t, v.Digest, "disabled")
	_, err := w.Submit(t.Context(), core.Request{Routine: bad.Routine()})
	assert.Equal(t, "plugin_disabled", core.Code(err))
	assert.ErrorContains(t, err, "3 jobs in a row failed, the last with guest_trap")

	_, err = w.Retry(t.Context(), j.ID, false)
	assert.Equal(t, "plugin_disabled", core.Code(err), "nor can one be repeated")

	_, err = w.reg.Enable(t.Context(), core.DefaultTenant, "bad", "1.0.0")
	require.NoError(t, err)
	w.run(t, bad.Routine())
	now, err := w.reg.Module(t.Context(), core.DefaultTenant, v.Digest)
	require.NoError(t, err)
	assert.Equal(t, 1, now.Failures)
	assert.Equal(t, "ready", now.State)
}

// By default failures are only counted.
func TestFailuresAreCounted(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	bad := registrytest.Plugin{Crashes: true}
	v := w.push(t, bad.Wasm(), active)
	for range 4 {
		w.run(t, bad.Routine())
	}
	now, err := w.reg.Module(t.Context(), core.DefaultTenant, v.Digest)
	require.NoError(t, err)
	assert.Equal(t, 4, now.Failures)
	assert.Equal(t, "ready", now.State)
}
