package table

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var arrowOptions = map[string]ipc.Option{
	"plain": ipc.WithMinSpaceSavings(0),
	"lz4":   ipc.WithLZ4(),
	"zstd":  ipc.WithZstd(),
}

func fromJSON(t testing.TB, text string, fields ...arrow.Field) arrow.RecordBatch {
	t.Helper()
	for i := range fields {
		fields[i].Nullable = true
	}
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader(text))
	require.NoError(t, err)
	return batch
}

// everyType is a row of values and one of nulls, in the types that an import
// converts.
func everyType(t testing.TB) arrow.RecordBatch {
	t.Helper()
	return fromJSON(t, `[
		{"i8": -8, "u32": 4000000000, "i64": 9007199254740993, "f32": 0.5, "b": true, "s": "é", "ls": "large", "v": "a view of more than twelve bytes",
		 "d32": "2026-01-31", "d64": "2026-01-31", "ns": "2026-01-31 10:20:30.123456789", "s_tz": "2026-01-31T10:20:30Z", "dec": "12.25", "dict": "red"},
		{"i8": null, "u32": null, "i64": null, "f32": null, "b": null, "s": null, "ls": null, "v": null,
		 "d32": null, "d64": null, "ns": null, "s_tz": null, "dec": null, "dict": null}]`,
		arrow.Field{Name: "i8", Type: arrow.PrimitiveTypes.Int8},
		arrow.Field{Name: "u32", Type: arrow.PrimitiveTypes.Uint32},
		arrow.Field{Name: "i64", Type: Int64},
		arrow.Field{Name: "f32", Type: arrow.PrimitiveTypes.Float32},
		arrow.Field{Name: "b", Type: Bool},
		arrow.Field{Name: "s", Type: String},
		arrow.Field{Name: "ls", Type: arrow.BinaryTypes.LargeString},
		arrow.Field{Name: "v", Type: arrow.BinaryTypes.StringView},
		arrow.Field{Name: "d32", Type: Date},
		arrow.Field{Name: "d64", Type: arrow.FixedWidthTypes.Date64},
		arrow.Field{Name: "ns", Type: &arrow.TimestampType{Unit: arrow.Nanosecond}},
		arrow.Field{Name: "s_tz", Type: &arrow.TimestampType{Unit: arrow.Second, TimeZone: "Europe/Berlin"}},
		arrow.Field{Name: "dec", Type: &arrow.Decimal128Type{Precision: 10, Scale: 2}},
		arrow.Field{Name: "dict", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: String}},
	)
}

func everyNormalType(t testing.TB) arrow.RecordBatch {
	t.Helper()
	return fromJSON(t, `[{"i": 1, "f": 0.5, "b": true, "s": "x", "d": "2026-01-31", "t": "2026-01-31T10:20:30Z"}, {"i": null, "s": "yz"}]`,
		arrow.Field{Name: "i", Type: Int64}, arrow.Field{Name: "f", Type: Float64}, arrow.Field{Name: "b", Type: Bool},
		arrow.Field{Name: "s", Type: String}, arrow.Field{Name: "d", Type: Date}, arrow.Field{Name: "t", Type: Timestamp})
}

func arrowFile(t testing.TB, batch arrow.RecordBatch, options ...ipc.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := ipc.NewFileWriter(&out, append(options, ipc.WithSchema(batch.Schema()))...)
	require.NoError(t, err)
	require.NoError(t, w.Write(batch))
	require.NoError(t, w.Close())
	return out.Bytes()
}

func arrowStream(t testing.TB, batch arrow.RecordBatch, options ...ipc.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(options, ipc.WithSchema(batch.Schema()))...)
	require.NoError(t, w.Write(batch))
	require.NoError(t, w.Close())
	return out.Bytes()
}

func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func TestArrowOfAnyFormIsConverted(t *testing.T) {
	t.Parallel()
	for name, option := range arrowOptions {
		for form, write := range map[string]func(testing.TB, arrow.RecordBatch, ...ipc.Option) []byte{"file": arrowFile, "stream": arrowStream} {
			t.Run(name+"_"+form, func(t *testing.T) {
				t.Parallel()
				f := imported(t, Arrow, string(write(t, everyType(t), option)))
				assert.Equal(t, "i8:int64:1 u32:int64:1 i64:int64:1 f32:float64:1 b:bool:1 s:string:1 ls:string:1 v:string:1 "+
					"d32:date:1 d64:date:1 ns:timestamp:1 s_tz:timestamp:1 dec:float64:1 dict:string:1", columns(f))
				assert.Equal(t, `[{"i8":-8,"u32":4000000000,"i64":9007199254740993,"f32":0.5,"b":true,"s":"é","ls":"large",`+
					`"v":"a view of more than twelve bytes","d32":"2026-01-31","d64":"2026-01-31","ns":"2026-01-31T10:20:30.123456Z",`+
					`"s_tz":"2026-01-31T10:20:30Z","dec":12.25,"dict":"red"}]`, asJSON(t, f, 0, 1))
			})
		}
	}
}

func TestArrowThatTablesCannotKeepIsRefusedByName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		batch arrow.RecordBatch
		says  string
	}{
		"list":      {fromJSON(t, `[{"deep": [1]}]`, arrow.Field{Name: "deep", Type: arrow.ListOf(Int64)}), `"deep": nested`},
		"binary":    {fromJSON(t, `[{"raw": "aGk="}]`, arrow.Field{Name: "raw", Type: arrow.BinaryTypes.Binary}), `"raw" has a type`},
		"too_large": {fromJSON(t, `[{"n": 18446744073709551615}]`, arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Uint64}), `column "n": `},
		"two_names": {fromJSON(t, `[]`, arrow.Field{Name: "n", Type: Int64}, arrow.Field{Name: "n", Type: Int64}), "two columns"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertBroken(t, arrowStream(t, c.batch), c.says)
			assertBroken(t, arrowFile(t, c.batch), c.says)
		})
	}
}

// assertBroken makes sure that an import fails with an ImportError and leaves
// nothing behind.
func assertBroken(t *testing.T, data []byte, says string) {
	t.Helper()
	dir := t.TempDir()
	_, err := Import(t.Context(), bytes.NewReader(data), Arrow, dir, nil)
	var bad *ImportError
	require.ErrorAs(t, err, &bad)
	assert.Contains(t, bad.Message, says)
	assertEmpty(t, dir)
}

func TestArrowThatIsCutShortIsRefused(t *testing.T) {
	t.Parallel()
	for _, whole := range [][]byte{arrowFile(t, everyType(t)), arrowStream(t, everyType(t))[:len(arrowStream(t, everyType(t)))-8]} {
		for _, part := range []int{1, 7, 20, len(whole) / 2, len(whole) - 1} {
			assertBroken(t, whole[:part], "not a readable Arrow file")
		}
	}
}

// A few bytes that stand for billions of values must not be believed.
func TestArrowMetadataThatLiesIsRefused(t *testing.T) {
	t.Parallel()
	field := func(b *flatbuffers.Builder, name string, children ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
		n, list := b.CreateString(name), b.CreateVectorOfTables(children)
		kind, parameters := buildType(b, Int64)
		b.StartObject(7)
		b.PrependUOffsetTSlot(0, n, 0)
		b.PrependByteSlot(2, kind, 0)
		b.PrependUOffsetTSlot(3, parameters, 0)
		b.PrependUOffsetTSlot(5, list, 0)
		return b.EndObject()
	}
	schemaOf := func(fields func(*flatbuffers.Builder) flatbuffers.UOffsetT) []byte {
		b := flatbuffers.NewBuilder(1024)
		list := fields(b)
		b.StartObject(4)
		b.PrependUOffsetTSlot(1, list, 0)
		b.Finish(buildMessage(b, headerSchema, b.EndObject(), 0))
		return message(b.FinishedBytes())
	}
	t.Run("fields_that_double_at_each_level", func(t *testing.T) {
		t.Parallel()
		assertBroken(t, schemaOf(func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
			f := field(b, "leaf")
			for range 60 {
				f = field(b, "twice", f, f)
			}
			return b.CreateVectorOfTables([]flatbuffers.UOffsetT{f})
		}), "nested")
	})
	t.Run("a_list_longer_than_the_file", func(t *testing.T) {
		t.Parallel()
		assertBroken(t, schemaOf(func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
			b.StartVector(4, 0, 4)
			return b.EndVector(1 << 30)
		}), "a list of 1073741824")
	})
	t.Run("one_long_text_for_every_key", func(t *testing.T) {
		t.Parallel()
		assertBroken(t, schemaOf(func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
			long := b.CreateString(strings.Repeat("x", 1<<20))
			b.StartObject(2)
			b.PrependUOffsetTSlot(0, long, 0)
			pair := b.EndObject()
			pairs := b.CreateVectorOfTables(slicesRepeat(pair, 100))
			kind, parameters := buildType(b, Int64)
			b.StartObject(7)
			b.PrependByteSlot(2, kind, 0)
			b.PrependUOffsetTSlot(3, parameters, 0)
			b.PrependUOffsetTSlot(6, pairs, 0)
			return b.CreateVectorOfTables([]flatbuffers.UOffsetT{b.EndObject()})
		}), "metadata")
	})
	t.Run("rows_without_bytes", func(t *testing.T) {
		t.Parallel()
		stream := arrowStream(t, fromJSON(t, `[{"n": null}]`, arrow.Field{Name: "n", Type: arrow.Null}))
		one, many := binary.LittleEndian.AppendUint64(nil, 1), binary.LittleEndian.AppendUint64(nil, 1<<40)
		at := bytes.LastIndex(stream, one)
		require.Positive(t, at)
		assertBroken(t, bytes.ReplaceAll(stream, one, many), "limit")
	})
	t.Run("a_buffer_that_claims_to_unpack_to_a_terabyte", func(t *testing.T) {
		t.Parallel()
		batch := fromJSON(t, "["+strings.TrimSuffix(strings.Repeat(`{"n":7},`, 999), ",")+"]", arrow.Field{Name: "n", Type: Int64})
		stream := arrowStream(t, batch, ipc.WithZstd())
		size := binary.LittleEndian.AppendUint64(nil, 999*8)
		require.Equal(t, 1, bytes.Count(stream, size))
		assertBroken(t, bytes.Replace(stream, size, binary.LittleEndian.AppendUint64(nil, 1<<40), 1), "bytes of memory")
	})
}

func slicesRepeat(pair flatbuffers.UOffsetT, n int) []flatbuffers.UOffsetT {
	list := make([]flatbuffers.UOffsetT, n)
	for i := range list {
		list[i] = pair
	}
	return list
}

// message puts the prefix before metadata, as in a stream.
func message(meta []byte) []byte {
	out := binary.LittleEndian.AppendUint32(bytes.Clone(continuation), uint32(len(meta)))
	return append(append(out, meta...), endOfStream...)
}

func TestArrowTextThatRunsBackwardsIsRefused(t *testing.T) {
	t.Parallel()
	stream := arrowStream(t, fromJSON(t, `[{"s":"abcde"},{"s":"fg"}]`, arrow.Field{Name: "s", Type: String}))
	offsets := []byte{0, 0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0}
	require.Equal(t, 1, bytes.Count(stream, offsets))
	assertBroken(t, bytes.Replace(stream, offsets, []byte{0, 0, 0, 0, 99, 0, 0, 0, 7, 0, 0, 0}, 1), "not a readable Arrow file")
	assertBroken(t, bytes.Replace(stream, []byte("abcde"), []byte("ab\xffde"), 1), "not a readable Arrow file")
}

func TestArrowDictionariesAreNotReadPastTheirEnd(t *testing.T) {
	t.Parallel()
	stream := arrowStream(t, fromJSON(t, `[{"d":"x"},{"d":"y"},{"d":"x"},{"d":"x"},{"d":"y"},{"d":"x"},{"d":"y"},{"d":"y"}]`,
		arrow.Field{Name: "d", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: String}}))
	indices := []byte{0, 1, 0, 0, 1, 0, 1, 1}
	require.Equal(t, 1, bytes.Count(stream, indices))
	assertBroken(t, bytes.Replace(stream, indices, []byte{0, 1, 0, 0, 1, 0, 1, 9}, 1), "")
}
