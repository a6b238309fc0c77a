package table

import (
	"bytes"
	"os"
	"sync"
	"testing"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryBufferOfASealedFileIsAligned(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"penguins.json", "agentfarm-simulation-steps.csv", "flights-2k.json"} {
		f := sample(t, name)
		for i := range f.NumBatches() {
			batch, err := f.Batch(i)
			require.NoError(t, err)
			for _, col := range batch.Columns() {
				for _, buffer := range col.Data().Buffers() {
					if buffer == nil || buffer.Len() == 0 {
						continue
					}
					at := uintptr(unsafe.Pointer(unsafe.SliceData(buffer.Bytes())))
					assert.Zero(t, at%alignment, "mappings start at a page, so this is the place in the file")
				}
			}
			batch.Release()
		}
	}
}

// sealedBytes is what a table of one batch looks like on disk.
func sealedBytes(t *testing.T, batch arrow.RecordBatch) []byte {
	t.Helper()
	w, err := Create(t.TempDir(), batch.Schema())
	require.NoError(t, err)
	defer w.Close()
	require.NoError(t, w.Append(batch))
	s, err := w.Seal()
	require.NoError(t, err)
	data, err := os.ReadFile(s.Path)
	require.NoError(t, err)
	assert.EqualValues(t, len(data), s.Bytes)
	return data
}

func TestEqualRowsMakeEqualFiles(t *testing.T) {
	t.Parallel()
	// Two columns that differ only in what lies under their null, cut out of a
	// longer one at an odd place.
	column := func(under int64) arrow.RecordBatch {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		b.AppendValues([]int64{under, 1, under, 3, under}, []bool{false, true, false, true, true})
		part := array.NewSlice(b.NewArray(), 1, 4)
		schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: Int64, Nullable: true}}, nil)
		return array.NewRecordBatch(schema, []arrow.Array{part}, 3)
	}
	first, second := sealedBytes(t, column(7)), sealedBytes(t, column(99))
	assert.True(t, bytes.Equal(first, second))
	f, err := Open(writeFile(t, first))
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, `[{"n":1},{"n":null},{"n":3}]`, asJSON(t, f, 0, 3))
}

func TestSlicesOfEveryTypeAreWrittenAsTheyAre(t *testing.T) {
	t.Parallel()
	whole := everyNormalType(t)
	for from := range int64(3) {
		f, err := Open(writeFile(t, sealedBytes(t, whole.NewSlice(from, 2))))
		require.NoError(t, err)
		want := []string{
			`[{"i":1,"f":0.5,"b":true,"s":"x","d":"2026-01-31","t":"2026-01-31T10:20:30Z"},` +
				`{"i":null,"f":null,"b":null,"s":"yz","d":null,"t":null}]`,
			`[{"i":null,"f":null,"b":null,"s":"yz","d":null,"t":null}]`,
			`[]`,
		}
		assert.Equal(t, want[from], asJSON(t, f, 0, 2))
		require.NoError(t, f.Close())
	}
}

func TestALargeBatchIsWrittenInParts(t *testing.T) {
	t.Parallel()
	const rows = 2*batchRows + 10
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.Reserve(rows)
	for i := range int64(rows) {
		b.UnsafeAppend(i)
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: Int64, Nullable: true}}, nil)
	f, err := Open(writeFile(t, sealedBytes(t, array.NewRecordBatch(schema, []arrow.Array{b.NewArray()}, rows))))
	require.NoError(t, err)
	defer f.Close()
	assert.EqualValues(t, rows, f.Rows())
	assert.Equal(t, 3, f.NumBatches())
	total, seen := sum(t, f, 5, rows)
	assert.EqualValues(t, rows-5, seen)
	assert.EqualValues(t, rows*(rows-1)/2-10, total)
}

func TestAFileIsReadByManyAtOnce(t *testing.T) {
	t.Parallel()
	f := sample(t, "flights-200k.arrow")
	var readers sync.WaitGroup
	for from := range int64(4) {
		readers.Go(func() {
			_, rows := sum(t, f, from*1000, f.Rows())
			assert.Equal(t, f.Rows()-from*1000, rows)
		})
	}
	readers.Wait()
}
