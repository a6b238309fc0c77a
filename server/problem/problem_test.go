package problem

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"thresher/core"
	"thresher/core/ledger"
)

// Whatever the ledger refuses with has a status and a title of its own.
func TestEveryRefusalOfTheLedgerIsAProblem(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		ledger.ErrNotFound, ledger.ErrExists, ledger.ErrConflict, ledger.ErrClosed, ledger.ErrCorrupt, ledger.ErrDiskFull,
		ledger.ErrRecordTooLarge, ledger.ErrDisabled, ledger.ErrUnclear, ledger.ErrTooBroad, ledger.ErrDamaged, ledger.ErrTooLarge,
	} {
		code := core.Code(fmt.Errorf("wrapped: %w", err))
		assert.NotEqual(t, "internal", code, "%v", err)
		assert.Contains(t, kinds, code, "%v", err)
	}
}
