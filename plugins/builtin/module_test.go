package builtin_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin"
)

func TestModulesAreEmbeddedCompressed(t *testing.T) {
	for _, name := range builtin.Names {
		wasm, err := builtin.Module(name)
		require.NoError(t, err)
		assert.True(t, bytes.HasPrefix(wasm, []byte("\x00asm")), "%s is no Wasm module", name)
		packed, err := os.Stat(filepath.Join("dist", name+".wasm.zst"))
		require.NoError(t, err)
		assert.Less(t, packed.Size(), int64(len(wasm))/2, name)
	}
	plain, err := filepath.Glob("dist/*.wasm")
	require.NoError(t, err)
	assert.Empty(t, plain, "a plain module would be embedded beside the compressed one: run make plugins")
}

func TestAnUnknownModuleIsNotBuilt(t *testing.T) {
	_, err := builtin.Module("nosuch")
	require.ErrorIs(t, err, builtin.ErrNotBuilt)
}
