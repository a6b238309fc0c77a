package hostile_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLoad feeds mutated modules through all that loads one: vet, rewrite, compile,
// image, describe. Each is loaded or refused by name; neither takes the process along.
func FuzzLoad(f *testing.F) {
	for _, wasm := range seeds(16 << 10) {
		f.Add(wasm)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		fresh := &nursery{}
		_, err := fresh.load(t.Context(), wasm)
		require.NoError(t, err)
		require.NoError(t, fresh.close())
	})
}
