package table

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scatteredFile is a sealed file as they were before batches were joined: a batch for each
// of so many rows, and an empty one behind each.
func scatteredFile(t *testing.T, rows int) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "scattered"))
	require.NoError(t, err)
	out, err := newIPCFile(file, stepSchema)
	require.NoError(t, err)
	for i := range rows {
		for _, n := range []int{1, 0} {
			p := newPending(stepSchema)
			p.add(steps(i, n))
			require.NoError(t, out.append(p.body()))
		}
	}
	require.NoError(t, out.close())
	require.NoError(t, file.Close())
	return file.Name()
}

func newTestCache(t *testing.T) *Cache {
	c := NewCache(t.TempDir(), func() error { return nil })
	t.Cleanup(func() {
		c.Close()
		assertEmpty(t, c.dir)
	})
	return c
}

func (c *Cache) openPath(t *testing.T, digest, path string) *File {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	f, err := c.Open(t.Context(), digest, file)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

func TestATableIsSurveyedOnceHoweverOftenItIsOpened(t *testing.T) {
	t.Parallel()
	w, err := Create(t.TempDir(), stepSchema)
	require.NoError(t, err)
	defer w.Close()
	require.NoError(t, w.Append(steps(0, 3*batchRows)))
	s, err := w.Seal()
	require.NoError(t, err)
	c := newTestCache(t)
	first := c.openPath(t, s.Digest, s.Path)
	assert.EqualValues(t, 3, first.loads.Load())
	for range 3 {
		again := c.openPath(t, s.Digest, s.Path)
		assert.Zero(t, again.loads.Load(), "no batch was looked at")
		assert.Equal(t, first.Info(), again.Info())
		assert.Equal(t, asJSON(t, first, batchRows-1, batchRows+1), asJSON(t, again, batchRows-1, batchRows+1))
	}
	content, err := os.ReadFile(s.Path)
	require.NoError(t, err)
	replaced := c.openPath(t, s.Digest, writeFile(t, content))
	assert.EqualValues(t, 3, replaced.loads.Load(), "another file is looked at, whatever its name")
}

// One row costs as much of a table that was sealed in very many batches as of one in few:
// at an import, and in what was sealed before batches were joined.
func TestARowCostsTheSameHoweverManyBatchesThereWere(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{20, 2000} {
		var batches []arrow.RecordBatch
		for i := range rows {
			batches = append(batches, steps(i, 1), steps(i, 0))
		}
		c := newTestCache(t)
		old := scatteredFile(t, rows)
		before, err := os.ReadFile(old)
		require.NoError(t, err)
		require.NotNil(t, c.openPath(t, "old", old))
		for name, f := range map[string]*File{
			"imported": importedBatches(t, stepSchema, batches...), "sealed_before": c.openPath(t, "old", old),
		} {
			assert.Equal(t, 1, f.NumBatches(), name)
			assert.Equal(t, int64(rows), f.Rows(), name)
			looked := f.loads.Load()
			assert.LessOrEqual(t, looked, int64(1), name)
			assert.Equal(t, `[{"step":7,"note":"n7"}]`, asJSON(t, f, 7, 8), name)
			assert.Equal(t, looked+1, f.loads.Load(), name)
			total, seen := sum(t, f, 0, int64(rows))
			assert.EqualValues(t, rows, seen, name)
			assert.EqualValues(t, rows*(rows-1)/2, total, name)
			assert.Equal(t, looked+1, f.loads.Load(), name)
		}
		after, err := os.ReadFile(old)
		require.NoError(t, err)
		assert.Equal(t, before, after, "what a digest names does not change")
	}
}

// All who open a table at the same time share one copy.
func TestACopyIsMadeOnce(t *testing.T) {
	t.Parallel()
	c, path := newTestCache(t), scatteredFile(t, 500)
	first := c.openPath(t, "d", path)
	c.Close()
	var all sync.WaitGroup
	files := make([]*File, 8)
	for i := range files {
		all.Go(func() {
			file, err := os.Open(path)
			require.NoError(t, err)
			files[i], err = c.Open(t.Context(), "d", file)
			require.NoError(t, err)
		})
	}
	all.Wait()
	for _, f := range files {
		assert.Same(t, files[0].surveyed, f.surveyed)
		require.NoError(t, f.Close())
	}
	assert.Equal(t, asJSON(t, first, 0, 1), `[{"step":0,"note":"n0"}]`, "one that was opened before stays open")
}

// Where there is no room for a copy, the table is read as it is.
func TestATableIsReadWithoutACopyWhereThereIsNoRoom(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	c.room = func() error { return errors.New("the disk is full") }
	for range 2 {
		f := c.openPath(t, "d", scatteredFile(t, 100))
		assert.Equal(t, 200, f.NumBatches())
		assert.Equal(t, `[{"step":99,"note":"n99"}]`, asJSON(t, f, 99, 100))
	}
}

func TestJoiningEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c, why := newTestCache(t), errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	c.room = func() error { cancel(why); return nil }
	file, err := os.Open(scatteredFile(t, 100))
	require.NoError(t, err)
	_, err = c.Open(ctx, "d", file)
	assert.ErrorIs(t, err, why)
}

// What is remembered is bounded: tables, their batches, copies and their bytes.
func TestACacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	for i := range maxKnown + 100 {
		c.remember(strconv.Itoa(i), &knownTable{found: &surveyed{}})
	}
	count := func() (tables, batches, copies int, copied int64) {
		c.state.Must(func(k *known) { tables, batches, copies, copied = len(k.by), k.batches, k.copies, k.copied })
		return tables, batches, copies, copied
	}
	tables, _, _, _ := count()
	assert.Equal(t, maxKnown, tables)
	for i := range 3 {
		c.remember("large"+strconv.Itoa(i), &knownTable{found: surveyOf(maxKnownBatches / 2)})
	}
	_, batches, _, _ := count()
	assert.LessOrEqual(t, batches, maxKnownBatches)

	path := scatteredFile(t, 20)
	first := c.openPath(t, "first", path)
	for i := range maxCopies + 3 {
		c.openPath(t, "copy"+strconv.Itoa(i), path)
	}
	_, _, copies, copied := count()
	assert.Equal(t, maxCopies, copies)
	assert.Equal(t, int64(maxCopies)*first.Size(), copied)
	c.Close()
	tables, batches, copies, copied = count()
	assert.Zero(t, tables)
	assert.Zero(t, batches)
	assert.Zero(t, copies)
	assert.Zero(t, copied)
}

func surveyOf(batches int) *surveyed { return &surveyed{sound: make([]atomic.Bool, batches)} }
