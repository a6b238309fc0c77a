package table_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/table"
)

// A column that is read alone is the one that a record batch has.
func TestAColumnIsThatOfItsBatch(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("n,s,f,flag,day,at,empty,t\n")
	for i := range 150_000 {
		if i%7 == 0 {
			text.WriteString(",,,,,,,\n")
			continue
		}
		fmt.Fprintf(&text, "%d,é%d,%d.5,%v,2024-01-02,2024-01-02T03:04:05Z,,x\n", i, i, i, i%2 == 0)
	}
	s, err := table.Import(t.Context(), strings.NewReader(text.String()), table.CSV, t.TempDir(), nil)
	require.NoError(t, err)
	f, err := table.Open(s.Path)
	require.NoError(t, err)
	defer func() { assert.NoError(t, f.Close()) }()
	require.Greater(t, f.NumBatches(), 1)
	row := int64(0)
	for i := range f.NumBatches() {
		batch, err := f.Batch(i)
		require.NoError(t, err)
		assert.Equal(t, row, f.FirstRow(i))
		assert.Equal(t, i, f.BatchOf(row))
		row += batch.NumRows()
		assert.Equal(t, i, f.BatchOf(row-1))
		for c, want := range batch.Columns() {
			col, err := f.Column(i, c)
			require.NoError(t, err)
			require.NoError(t, table.CheckText(col))
			assert.True(t, array.Equal(want, col), "batch %d, column %d", i, c)
			assert.Equal(t, want.NullN(), col.NullN())
		}
		batch.Release()
	}
	assert.Equal(t, f.Rows(), f.FirstRow(f.NumBatches()))
}
