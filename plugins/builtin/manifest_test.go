package builtin_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/sandbox"
)

// The manifest beside a module is what the module itself says.
func TestTheManifestBesideAModuleIsItsOwn(t *testing.T) {
	t.Parallel()
	host, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, host.Close(context.Background())) })
	for _, name := range builtin.Names {
		wasm, err := builtin.Module(name)
		require.NoError(t, err)
		says, err := host.Load(t.Context(), wasm, true)
		require.NoError(t, err)
		beside, err := builtin.Manifest(name)
		require.NoError(t, err)
		assert.Equal(t, says.Manifest, beside, "%s: run make plugins", name)
	}
	_, err = builtin.Manifest("nosuch")
	assert.ErrorIs(t, err, builtin.ErrNotBuilt)
}
