package table

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var stepSchema = arrow.NewSchema([]arrow.Field{
	{Name: "step", Type: Int64, Nullable: true},
	{Name: "note", Type: String, Nullable: true},
}, nil)

func steps(from, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, stepSchema)
	for i := from; i < from+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("n", i))
	}
	return b.NewRecordBatch()
}

// sum adds up a column and counts the rows seen.
func sum(t *testing.T, r Ranger, from, to int64) (total, rows int64) {
	t.Helper()
	require.NoError(t, r.Range(from, to, func(b arrow.RecordBatch) error {
		for i := range int(b.NumRows()) {
			total += b.Column(0).(*array.Int64).Value(i)
		}
		rows += b.NumRows()
		return nil
	}))
	return total, rows
}

func TestAGrowingTableShowsAllRowsAppended(t *testing.T) {
	t.Parallel()
	w, err := Create(t.TempDir(), stepSchema)
	require.NoError(t, err)
	defer w.Close()
	total := 0
	for range 300 {
		require.NoError(t, w.Append(steps(total, 100)))
		total += 100
	}
	n := int64(total)
	got, rows := sum(t, w, 0, n)
	assert.Equal(t, n, rows)
	assert.Equal(t, n*(n-1)/2, got)
	assert.Equal(t, `[{"step":8191,"note":"n8191"},{"step":8192,"note":"n8192"}]`, asJSON(t, w, 8191, 8193))
	assert.Equal(t, fmt.Sprintf(`[{"step":%d,"note":"n%d"}]`, n-1, n-1), asJSON(t, w, n-1, n+5))

	s, err := w.Seal()
	require.NoError(t, err)
	_, rows = sum(t, w, 0, n)
	assert.Equal(t, n, rows, "a sealed table can be read until it is closed")
	f := opened(t, s)
	assert.Equal(t, asJSON(t, w, 0, n), asJSON(t, f, 0, n))
	assert.Equal(t, 1, f.NumBatches(), "small batches were joined")
	require.NoError(t, w.Close())
	assert.ErrorIs(t, w.Range(0, 1, nil), os.ErrClosed)
}

func TestRowsAppendedOneByOneBecomeFewBatches(t *testing.T) {
	t.Parallel()
	w, err := Create(t.TempDir(), stepSchema)
	require.NoError(t, err)
	defer w.Close()
	const rows = 20_000
	for i := range rows {
		require.NoError(t, w.Append(steps(i, 1)))
		if i%1777 == 0 {
			calls := 0
			require.NoError(t, w.Range(0, rows, func(arrow.RecordBatch) error { calls++; return nil }))
			assert.LessOrEqual(t, calls, 20, "readers get a handful of batches")
			total, seen := sum(t, w, 0, rows)
			assert.EqualValues(t, i+1, seen)
			assert.EqualValues(t, i*(i+1)/2, total)
		}
	}
	s, err := w.Seal()
	require.NoError(t, err)
	assert.Equal(t, 1, opened(t, s).NumBatches())
}

func TestASealedTableTakesNoMoreRows(t *testing.T) {
	t.Parallel()
	w, err := Create(t.TempDir(), stepSchema)
	require.NoError(t, err)
	_, err = w.Seal()
	require.NoError(t, err)
	assert.ErrorIs(t, w.Append(steps(0, 1)), os.ErrClosed)
	_, err = w.Seal()
	assert.ErrorIs(t, err, os.ErrClosed)
	require.NoError(t, w.Close())
}

func TestReadersSeeARisingPrefixWhileItGrows(t *testing.T) {
	t.Parallel()
	w, err := Create(t.TempDir(), stepSchema)
	require.NoError(t, err)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for seen := int64(0); ; {
				total, rows := sum(t, w, 0, w.Rows())
				assert.Equal(t, rows*(rows-1)/2, total)
				assert.GreaterOrEqual(t, rows, seen)
				seen = rows
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 60 {
		require.NoError(t, w.Append(steps(i*1000, 1000)))
	}
	close(done)
	readers.Wait()
	require.NoError(t, w.Close())
}

func TestATableThatIsNotSealedLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := Create(dir, stepSchema)
	require.NoError(t, err)
	require.NoError(t, w.Append(steps(0, 10)))
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	assertEmpty(t, dir)
}

func TestRowsOfAnotherShapeAreRefused(t *testing.T) {
	t.Parallel()
	w, err := Create(t.TempDir(), arrow.NewSchema([]arrow.Field{{Name: "a", Type: Bool}}, nil))
	require.NoError(t, err)
	defer w.Close()
	assert.ErrorContains(t, w.Append(steps(0, 1)), "append")
}

func TestAnEmptyTableCanBeSealed(t *testing.T) {
	t.Parallel()
	w, err := Create(t.TempDir(), stepSchema)
	require.NoError(t, err)
	s, err := w.Seal()
	require.NoError(t, err)
	defer w.Close()
	assert.Equal(t, `[]`, asJSON(t, opened(t, s), 0, 10))
}

func TestAFileThatIsNoTableIsRefused(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": "", "text": "hello", "magic_only": "ARROW1\x00\x00ARROW1"} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/f"
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			_, err := Open(path)
			assert.ErrorIs(t, err, ErrMalformed)
		})
	}
}
