package table

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Files that are small, and large once they are unpacked, are refused before they are, and
// leave nothing.
func TestFilesThatUnpackToTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file   []byte
		bounds Bounds
		says   string
	}{
		"one_batch_named_again":        {file: named(t, 5000, 2000), says: "the footer names the same bytes again and again"},
		"more_than_the_table_may_have": {file: arrowStream(t, steps(0, 100_000)), bounds: Bounds{Bytes: 1 << 20}, says: "the table takes more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := ImportWithin(t.Context(), bytes.NewReader(c.file), Arrow, dir, c.bounds, nil)
			var bad *ImportError
			require.ErrorAs(t, err, &bad)
			assert.ErrorContains(t, err, c.says)
			assertEmpty(t, dir)
		})
	}
}

// named is a file whose footer names one empty batch of many columns a number of times.
func named(t *testing.T, times, columns int) []byte {
	t.Helper()
	fields := make([]arrow.Field, columns)
	for i := range fields {
		fields[i] = arrow.Field{Name: "c" + strings.Repeat("x", i%900) + string(rune('a'+i/900)), Type: Int64, Nullable: true}
	}
	schema := arrow.NewSchema(fields, nil)
	var file bytes.Buffer
	out, err := newIPCFile(&file, schema)
	require.NoError(t, err)
	require.NoError(t, out.append(newPending(schema).body()))
	for range times {
		out.blocks = append(out.blocks, out.blocks[0])
	}
	require.NoError(t, out.close())
	return file.Bytes()
}

// A dictionary is cast once, however many batches use it, and dictionaries count together.
func TestADictionaryIsCastOnce(t *testing.T) {
	t.Parallel()
	kind := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.PrimitiveTypes.Int32}
	b := array.NewBuilder(memory.DefaultAllocator, kind)
	require.NoError(t, b.AppendValueFromString("7"))
	column := b.NewArray().(*array.Dictionary)
	c := &converter{in: &input{bounds: Bounds{Memory: 10}}, dictionaries: make([]castDictionary, 2)}
	for range 3 {
		cast, err := c.castDictionary(t.Context(), 0, column, Int64)
		require.NoError(t, err)
		assert.Equal(t, int64(7), cast.(*array.Int64).Value(0))
		assert.Equal(t, int64(8), c.cast)
	}
	_, err := c.castDictionary(t.Context(), 1, column, Int64)
	assert.ErrorContains(t, err, "the dictionaries take 16 bytes: the limit is 10")
}

// repeating are rows of many columns that are all the same long text.
func repeating(t *testing.T, rows, columns, size int, kind arrow.DataType) arrow.RecordBatch {
	t.Helper()
	b := array.NewBuilder(memory.DefaultAllocator, kind)
	for range rows {
		require.NoError(t, b.AppendValueFromString(strings.Repeat("x", size)))
	}
	column := b.NewArray()
	fields, all := make([]arrow.Field, columns), make([]arrow.Array, columns)
	for i := range fields {
		fields[i] = arrow.Field{Name: strings.Repeat("x", i+1), Type: kind, Nullable: true}
		all[i] = column
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), all, int64(rows))
}

// An import asks before it writes what is larger in a table than in its file.
func TestAnImportPausesForWhatItUnpacks(t *testing.T) {
	t.Parallel()
	const rows, columns, text = 1000, 3, 10_000
	stream := arrowStream(t, repeating(t, rows, columns, text, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: String}))
	require.Less(t, len(stream), rows*text)
	asked := 0
	bounds := Bounds{Pause: func(n int) error { asked += n; return nil }}
	sealed, err := ImportWithin(t.Context(), bytes.NewReader(stream), Arrow, t.TempDir(), bounds, nil)
	require.NoError(t, err)
	assert.Greater(t, sealed.Bytes, int64(rows*columns*text))
	assert.GreaterOrEqual(t, asked, rows*columns*text)
}

// Texts in dictionaries and views are unpacked as many rows at a time as fit into a batch,
// however many columns share them.
func TestRepeatedTextIsUnpackedSomeRowsAtATime(t *testing.T) {
	t.Parallel()
	dictionary := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: String}
	for name, kind := range map[string]arrow.DataType{"dictionaries": dictionary, "views": arrow.BinaryTypes.StringView} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := func(in *input, batch arrow.RecordBatch) (int64, error) { return (&converter{in: in}).rows(batch, 0) }
			any := &input{}
			n, err := rows(any, repeating(t, 100, 10, 1<<20, kind))
			require.NoError(t, err)
			assert.EqualValues(t, 6, n, "10 MiB each")
			n, err = rows(any, repeating(t, 1, 250, 1<<20, kind))
			require.NoError(t, err)
			assert.EqualValues(t, 1, n)
			_, err = rows(any, repeating(t, 1, 260, 1<<20, kind))
			assert.ErrorContains(t, err, "a row has 272629760 bytes of text in views and dictionaries: the limit is 268435456")
			_, err = rows(&input{bounds: Bounds{Memory: 1 << 20}}, repeating(t, 1, 2, 1<<20, kind))
			assert.ErrorContains(t, err, "the limit is 1048576")
			n, err = rows(any, repeating(t, 100, 10, 10, kind))
			require.NoError(t, err)
			assert.EqualValues(t, 100, n)
		})
	}
}
