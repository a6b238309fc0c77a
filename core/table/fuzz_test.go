package table

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/samples"
)

// Whatever a stranger sends is a table or an ImportError; and a table that is
// written and imported again is the same table.

func FuzzImportCSV(f *testing.F) {
	for _, text := range []string{
		"a,b\n1,x\n2.5,\n", "a\n\"{\"\"x\"\":1}\"\n", "a\n2026-01-31\nNA\n", "\uFEFFa\r\n-0\r\n\"\"\r\n",
		"a\n1e400\n", "a\n2026-01-31 10:20\n2026-01-31\n", "a,b\n\"x\ny\",\"\n", "a\n99999999999999999999\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { importTwice(t, CSV, text) })
}

func FuzzImportJSON(f *testing.F) {
	for _, text := range []string{
		`[{"a":1},{"a":{"b":[2, "]"]}}]`, `{"a":"2026-01-31T00:00:00Z"} {"a":null}`, `[{"a":1e999,"b":-0.0}]`,
		`[{"":1}]`, "[]\"", `[{"a":"{\"b\":{}}"}]`, `[{"a":"\ud800\u0000"}]`, `[{"a.b":1,"a":{"b":2}}]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { importTwice(t, JSON, text) })
}

func FuzzImportArrow(f *testing.F) {
	for _, option := range arrowOptions {
		f.Add(arrowFile(f, everyType(f), option))
		f.Add(arrowStream(f, everyType(f), option))
	}
	sealed, err := samples.Files.ReadFile("penguins.json")
	require.NoError(f, err)
	var stream bytes.Buffer
	require.NoError(f, WriteArrow(&stream, imported(f, JSON, string(sealed)), 0, 5))
	f.Add(stream.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) { importTwice(t, Arrow, string(data)) })
}

// FuzzOpen looks for files that break whoever maps them.
func FuzzOpen(f *testing.F) {
	f.Add(arrowFile(f, everyNormalType(f)))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := writeFile(t, data)
		file, err := Open(path)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		defer file.Close()
		if file.Rows() > 1000 {
			return
		}
		var out bytes.Buffer
		if err := WriteJSON(&out, file, 0, file.Rows()); err != nil {
			require.ErrorIs(t, err, ErrMalformed)
		}
	})
}

func importTwice(t *testing.T, format Format, text string) {
	s, err := Import(t.Context(), strings.NewReader(text), format, t.TempDir(), nil)
	if err != nil {
		var bad *ImportError
		require.ErrorAs(t, err, &bad, "%T %v", err, err)
		return
	}
	first := opened(t, s)
	var stream bytes.Buffer
	require.NoError(t, WriteArrow(&stream, first, 0, first.Rows()))
	same(t, first, imported(t, Arrow, stream.String()))
	if first.Rows() == 0 || !finite(t, first) || format == Arrow {
		return // JSON has neither columns without rows nor infinities; Arrow's dates go further
	}
	same(t, first, imported(t, JSON, asJSON(t, first, 0, first.Rows())))
}

func same(t *testing.T, first, second *File) {
	t.Helper()
	assert.Equal(t, first.Info(), second.Info())
	assert.Equal(t, asJSON(t, first, 0, first.Rows()), asJSON(t, second, 0, second.Rows()))
}

// finite reports whether all numbers are.
func finite(t *testing.T, f *File) bool {
	t.Helper()
	ok := true
	require.NoError(t, f.Range(0, f.Rows(), func(b arrow.RecordBatch) error {
		for _, col := range b.Columns() {
			floats, isFloat := col.(*array.Float64)
			for i := range col.Len() {
				if isFloat && col.IsValid(i) && (math.IsNaN(floats.Value(i)) || math.IsInf(floats.Value(i), 0)) {
					ok = false
				}
			}
		}
		return nil
	}))
	return ok
}
