package plugintest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core/table"
	"thresher/plugins/abi"
)

// A new plugin's tests need no network: this package has Go's own library, and of this
// module only what `thresher plugins new` puts beside the plugin.
func TestThePackageIsLight(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for dep := range strings.Lines(string(out)) {
		dep = strings.TrimSpace(dep)
		assert.NotContains(t, dep, ".", "not of Go's own library")
		if rest, ours := strings.CutPrefix(dep, "thresher/"); ours {
			assert.Regexp(t, "^(core/(routine|stats/kernel|table/cell)|plugins/abi|plugins/sdk/go(/.*)?)$", rest)
		}
	}
}

// Tables have the columns, types, nulls and values that a server gives them.
func TestTablesAreThoseOfAServer(t *testing.T) {
	t.Parallel()
	cells := []string{
		"", "0", "1", "-7", "007", "+5", "9223372036854775807", "9223372036854775808", "1.5", "1e3", ".5", "inf", "-Inf", "NaN", "nan", "NA", "null", "None",
		"true", "False", "TRUE", "2024-02-29", "2023-02-29", "1677-01-01", "2024-01-01T12:30", "2024-01-01 12:30:59.123+02:00", "2024/01/01 00:00", "a", "é", `"a,b"`, "0x1", "1_000", " 1",
	}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(cells), 3, 3), 0, 6).Draw(t, "rows")
		text := "a,b,c\n"
		for _, row := range rows {
			text += strings.Join(row, ",") + "\n"
		}
		sameTable(t, CSV(text), table.CSV, dir)
	})
}

func TestTablesOfJSONAreThoseOfAServer(t *testing.T) {
	t.Parallel()
	values := []string{`1`, `-2.5`, `1e2`, `true`, `null`, `"x"`, `"1"`, `"2024-01-01"`, `"true"`, `""`, `[1, 2]`, `[]`, `"é\n"`}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var objects []string
		for range rapid.IntRange(1, 5).Draw(t, "rows") {
			var fields []string
			for _, key := range []string{"a", "b"} {
				if v := rapid.SampledFrom(append(values, "")).Draw(t, key); v != "" {
					fields = append(fields, fmt.Sprintf("%q: %s", key, v))
				}
			}
			objects = append(objects, "{"+strings.Join(fields, ", ")+"}")
		}
		if !strings.Contains(strings.Join(objects, ""), ":") {
			return // no column at all
		}
		sameTable(t, JSON("["+strings.Join(objects, ",\n")+"]"), table.JSON, dir)
		sameTable(t, JSON(strings.Join(objects, "\n")), table.NDJSON, dir)
	})
}

// sameTable compares a table with the one that a server makes of the text.
func sameTable(t *rapid.T, given Input, format table.Format, dir string) {
	got, err := given.read()
	require.NoError(t, err)
	sealed, err := table.Import(t.Context(), strings.NewReader(given.text), format, dir, nil)
	require.NoError(t, err)
	f, err := table.Open(sealed.Path)
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, f.Rows(), got.rows)
	require.Len(t, got.columns, len(f.Info().Columns))
	for i, want := range f.Info().Columns {
		require.Equal(t, want.Name+" "+want.Type, got.columns[i].name+" "+got.columns[i].kind)
	}
	require.NoError(t, f.Range(0, f.Rows(), func(b arrow.RecordBatch) error {
		for i, c := range got.columns {
			for row := range int(b.NumRows()) {
				sameValue(t, b.Column(i), c, row)
			}
		}
		return nil
	}))
}

// sameValue compares a value of a table of one batch.
func sameValue(t *rapid.T, want arrow.Array, c *column, row int) {
	require.Equal(t, want.IsValid(row), bit(c.part(abi.Validity, row, row+1), 0), "%s, row %d", c.name, row)
	if want.IsNull(row) {
		return
	}
	got := c.part(abi.Values, row, row+1)
	switch col := want.(type) {
	case *array.String:
		require.Equal(t, col.Value(row), string(got))
	case *array.Boolean:
		require.Equal(t, col.Value(row), bit(got, 0))
	case *array.Date32:
		require.Equal(t, uint32(col.Value(row)), binary.LittleEndian.Uint32(got))
	default:
		values := want.Data().Buffers()[1].Bytes()
		require.Equal(t, values[8*row:8*row+8], got)
	}
}

// Params that are null, or not there, are an empty object, as a server takes them.
func TestParamsThatAreAbsentGetTheirDefaults(t *testing.T) {
	t.Parallel()
	declared := json.RawMessage(`{"type": "object", "properties": {"n": {"type": "integer", "default": 3}}}`)
	for _, params := range []string{"null", "", " ", "{}"} {
		got, err := fill(declared, params)
		require.NoError(t, err, params)
		assert.JSONEq(t, `{"n": 3}`, string(got), params)
	}
}

// What cannot be read is said, with its place.
func TestWhatIsNoTableIsRefused(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		in   Input
		says string
	}{
		"nested":        {JSON(`[{"a": {"b": 1}}]`), "row 1: a: a server makes columns of an object"},
		"nested_in_csv": {CSV("a\n\"{\"\"b\"\": 1}\"\n"), "column a: "},
		"no_object":     {JSON(`[1]`), "row 1: 1: want an object"},
		"cut_off":       {JSON(`[{"a": 1`), "row 1: "},
		"no_header":     {CSV(""), "the header: "},
		"twice":         {CSV("a,a\n1,2\n"), "want names, each once"},
		"ragged":        {CSV("a,b\n1\n"), "wrong number of fields"},
		"arrow":         {File("table.arrow"), "table.arrow"},
	} {
		_, err := c.in.read()
		require.ErrorContains(t, err, c.says, text)
	}
}

// A table of several batches is laid out as the contract has it.
func TestALayoutOfSeveralBatches(t *testing.T) {
	t.Parallel()
	in, err := CSV("n,s\n" + strings.Repeat("7,ab\n", batchRows+3)).read()
	require.NoError(t, err)
	require.Len(t, in.batches, 2)
	last := abi.DecodeLayout(in.batches[1])
	assert.Equal(t, int64(3), last.Rows)
	at := func(column int, part int32) []byte {
		span := last.Columns[column][part]
		assert.Zero(t, span.Offset%64)
		return in.file[span.Offset : span.Offset+span.Bytes]
	}
	assert.Equal(t, "ababab", string(at(1, abi.Values)))
	assert.Equal(t, []byte{7, 0, 0, 0, 0, 0, 0, 0}, at(0, abi.Values)[16:])
	assert.Equal(t, []byte{0, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0}, at(1, abi.Offsets))
}
