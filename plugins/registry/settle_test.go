package registry

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/sandbox"
)

// A module that is gone has nothing to be settled: to try again would never end.
func TestAModuleThatIsGoneIsSettled(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	host, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: log})
	require.NoError(t, err)
	r := New(host, Config{Log: log})
	e, err := core.Open(t.Context(), core.Config{Dir: t.TempDir(), Log: log}, r)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, e.Close(context.Background()))
		assert.NoError(t, host.Close(context.Background()))
	})
	assert.NoError(t, r.settleAtLast(t.Context(), moduleKey(core.DefaultTenant, "digest")))
}
