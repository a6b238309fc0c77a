package ledger_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"thresher/core/ledger"
	"thresher/core/ledger/ledgertest"
)

func TestTheContract(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		require.NoError(t, flag.Set("rapid.checks", "5")) // each fills several blocks
	}
	ledgertest.Exercise(t, func(t testing.TB, at string) *ledger.Ledger {
		l, err := ledger.Open(t.Context(), ledger.Config{Dir: at, HotBlocks: 1}) // few, so that blocks get old
		require.NoError(t, err)
		return l
	})
}
