package table

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// normalTypes is a column of each type.
var normalTypes = arrow.NewSchema([]arrow.Field{
	{Name: "i", Type: Int64, Nullable: true}, {Name: "f", Type: Float64, Nullable: true}, {Name: "b", Type: Bool, Nullable: true},
	{Name: "s", Type: String, Nullable: true}, {Name: "d", Type: Date, Nullable: true}, {Name: "t", Type: Timestamp, Nullable: true},
}, nil)

// anyRows are rows of every type, some null.
func anyRows(t *rapid.T, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, normalTypes)
	nulls := rapid.SampledFrom([]int{0, 1, 2, 100}).Draw(t, "nulls in 100")
	for range n {
		for _, field := range b.Fields() {
			if rapid.IntRange(1, 100).Draw(t, "null") <= nulls {
				field.AppendNull()
				continue
			}
			v := rapid.IntRange(-1000, 1000).Draw(t, "value")
			switch field := field.(type) {
			case *array.Int64Builder:
				field.Append(int64(v))
			case *array.Float64Builder:
				field.Append(float64(v) / 8)
			case *array.BooleanBuilder:
				field.Append(v > 0)
			case *array.StringBuilder:
				field.Append(strings.Repeat("é", max(0, v%5)))
			case *array.Date32Builder:
				field.Append(arrow.Date32(v))
			case *array.TimestampBuilder:
				field.Append(arrow.Timestamp(v))
			}
		}
	}
	return b.NewRecordBatch()
}

// cut calls fn with slices that together are the rows of a batch, of any size, also none.
func cut(t *rapid.T, whole arrow.RecordBatch, fn func(arrow.RecordBatch)) {
	for from := int64(0); from < whole.NumRows(); {
		n := rapid.Int64Range(0, whole.NumRows()-from).Draw(t, "rows of the next batch")
		fn(whole.NewSlice(from, from+n))
		from += n
	}
}

// The same rows are the same file, however they came: in one batch or in many, cut out of
// longer ones at any place, imported or written by a job.
func TestTheSameRowsAreTheSameFileInWhateverBatchesTheyCome(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		whole := anyRows(rt, rapid.IntRange(0, 40).Draw(rt, "rows"))
		digest := func(batches func(*rapid.T, arrow.RecordBatch, func(arrow.RecordBatch))) string {
			w, err := Create(dir, normalTypes)
			require.NoError(rt, err)
			defer w.Close()
			batches(rt, whole, func(part arrow.RecordBatch) {
				require.NoError(rt, w.Append(part))
				if rapid.IntRange(0, 4).Draw(rt, "flush") == 0 {
					require.NoError(rt, w.flush())
				}
			})
			s, err := w.Seal()
			require.NoError(rt, err)
			assert.Equal(rt, whole.NumRows(), s.Rows)
			for i, col := range whole.Columns() {
				assert.EqualValues(rt, col.NullN(), s.Columns[i].Nulls)
			}
			return s.Digest
		}
		once := digest(func(_ *rapid.T, whole arrow.RecordBatch, fn func(arrow.RecordBatch)) { fn(whole) })
		require.Equal(rt, once, digest(cut))

		var file bytes.Buffer
		out := ipc.NewWriter(&file, ipc.WithSchema(normalTypes))
		cut(rt, whole, func(part arrow.RecordBatch) { require.NoError(rt, out.Write(part)) })
		require.NoError(rt, out.Close())
		imported, err := Import(t.Context(), &file, Arrow, dir, nil)
		require.NoError(rt, err)
		require.Equal(rt, once, imported.Digest)
		f, err := Open(imported.Path)
		require.NoError(rt, err)
		defer f.Close()
		require.NoError(rt, f.Range(0, whole.NumRows(), func(b arrow.RecordBatch) error {
			require.True(rt, array.RecordEqual(whole, b), "want %v, got %v", whole, b)
			return nil
		}))
	})
}

// Whatever a file's batches are like, a table's have 64 Ki rows or 64 MiB, but for the last.
func TestBatchesAreFilled(t *testing.T) {
	t.Parallel()
	numbers := func(n int) arrow.RecordBatch { return steps(0, n) }
	long := func(n int) arrow.RecordBatch {
		b := array.NewRecordBuilder(memory.DefaultAllocator, stepSchema)
		for range n {
			b.Field(0).AppendNull()
			b.Field(1).(*array.StringBuilder).Append(strings.Repeat("x", 1<<20))
		}
		return b.NewRecordBatch()
	}
	for name, c := range map[string]struct {
		batches []arrow.RecordBatch
		want    []int64 // rows of each
	}{
		"none":             {nil, nil},
		"empty_ones":       {[]arrow.RecordBatch{numbers(0), numbers(0), numbers(0)}, nil},
		"between_empty":    {[]arrow.RecordBatch{numbers(0), numbers(3), numbers(0), numbers(4), numbers(0)}, []int64{7}},
		"one_row_too_many": {[]arrow.RecordBatch{numbers(batchRows), numbers(1)}, []int64{batchRows, 1}},
		"across_the_bound": {[]arrow.RecordBatch{numbers(batchRows - 1), numbers(2), numbers(batchRows)}, []int64{batchRows, batchRows, 1}},
		"exactly_one":      {[]arrow.RecordBatch{numbers(batchRows)}, []int64{batchRows}},
		"by_bytes":         {[]arrow.RecordBatch{long(40), long(40), long(3)}, []int64{63, 20}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := importedBatches(t, stepSchema, c.batches...)
			var got []int64
			for i := range f.NumBatches() {
				got = append(got, f.starts[i+1]-f.starts[i])
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func importedBatches(t *testing.T, schema *arrow.Schema, batches ...arrow.RecordBatch) *File {
	t.Helper()
	var file bytes.Buffer
	out := ipc.NewWriter(&file, ipc.WithSchema(schema))
	for _, b := range batches {
		require.NoError(t, out.Write(b))
	}
	require.NoError(t, out.Close())
	s, err := Import(t.Context(), &file, Arrow, t.TempDir(), nil)
	require.NoError(t, err)
	return opened(t, s)
}

// A row that is larger than a batch may be is a batch of its own.
func TestARowLargerThanABatchIsKept(t *testing.T) {
	t.Parallel()
	b := array.NewRecordBuilder(memory.DefaultAllocator, stepSchema)
	for _, n := range []int{1, maxBatchBytes + 1, 1} {
		b.Field(0).AppendNull()
		b.Field(1).(*array.StringBuilder).Append(strings.Repeat("x", n))
	}
	f := importedBatches(t, stepSchema, b.NewRecordBatch())
	assert.Equal(t, []int64{0, 1, 2, 3}, f.starts)
}

// What Arrow packs otherwise than tables do is joined as well: dictionaries, views, columns
// of nulls, texts with wide offsets.
func TestSmallBatchesOfEveryKindAreJoined(t *testing.T) {
	t.Parallel()
	dictionary := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: String}
	for name, kind := range map[string]arrow.DataType{
		"dictionary": dictionary, "view": arrow.BinaryTypes.StringView, "null": arrow.Null, "wide": arrow.BinaryTypes.LargeString,
		"narrow": arrow.PrimitiveTypes.Int8, "nanoseconds": &arrow.TimestampType{Unit: arrow.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: kind, Nullable: true}}, nil)
			var file bytes.Buffer
			out := ipc.NewWriter(&file, ipc.WithSchema(schema), ipc.WithDictionaryDeltas(true))
			var want []string
			for i := range 300 {
				b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
				for j := range i % 3 { // some batches are empty
					text := fmt.Sprint((i + j) % 100)
					if kind.ID() == arrow.TIMESTAMP {
						text = "1970-01-01T00:00:00.000001"
					}
					if kind.ID() == arrow.NULL || i%7 == 0 {
						b.Field(0).AppendNull()
						want = append(want, `{"c":null}`)
						continue
					}
					require.NoError(t, b.Field(0).AppendValueFromString(text))
					switch kind.ID() {
					case arrow.INT8:
						want = append(want, fmt.Sprintf(`{"c":%s}`, text))
					case arrow.TIMESTAMP:
						want = append(want, fmt.Sprintf(`{"c":"%sZ"}`, text))
					default:
						want = append(want, fmt.Sprintf(`{"c":%q}`, text))
					}
				}
				require.NoError(t, out.Write(b.NewRecordBatch()))
			}
			require.NoError(t, out.Close())
			s, err := Import(t.Context(), &file, Arrow, t.TempDir(), nil)
			require.NoError(t, err)
			f := opened(t, s)
			assert.Equal(t, 1, f.NumBatches())
			assert.Equal(t, "["+strings.Join(want, ",")+"]", asJSON(t, f, 0, f.Rows()))
		})
	}
}
