package builtin_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/sandbox"
)

// The plugins that ship pass the checks of an upload, their own examples too.
func TestThePluginsThatShipWouldBeTakenAsUploads(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h, err := sandbox.New(ctx, sandbox.Config{CacheDir: guesttest.CacheDir(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close(ctx)) })
	examples := 0
	for name, wasm := range guesttest.Builtins(t) {
		r, err := h.Check(ctx, wasm, nil)
		require.NoError(t, err)
		require.Nil(t, r.Refusal, name)
		examples += len(r.Examples)
	}
	assert.GreaterOrEqual(t, examples, 5)
}
