package table

import (
	"os"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The rest of a mapping of a file that was cut cannot be read: that must not end the
// process.
func TestATableThatIsCutWhileItIsReadIsAnError(t *testing.T) {
	t.Parallel()
	w, err := Create(t.TempDir(), stepSchema)
	require.NoError(t, err)
	defer w.Close()
	const rows = 10_000
	require.NoError(t, w.Append(steps(0, rows)))
	s, err := w.Seal()
	require.NoError(t, err)
	f, err := Open(s.Path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Range(0, rows, func(arrow.RecordBatch) error { return nil })) // it was whole
	assert.Panics(t, func() { _ = f.Range(0, 1, func(arrow.RecordBatch) error { panic("of the caller") }) }, "other panics are not ours")
	require.NoError(t, os.Truncate(s.Path, 0))
	err = f.Range(0, rows, func(b arrow.RecordBatch) error {
		_ = b.Column(0).(*array.Int64).Value(rows - 1)
		return nil
	})
	assert.ErrorIs(t, err, ErrMalformed)
	assert.ErrorContains(t, err, "was cut while it was read")
}
