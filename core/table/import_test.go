package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"thresher/samples"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// imported seals text and opens it.
func imported(t testing.TB, f Format, text string) *File {
	t.Helper()
	s, err := Import(t.Context(), strings.NewReader(text), f, t.TempDir(), nil)
	require.NoError(t, err)
	return opened(t, s)
}

func opened(t testing.TB, s Sealed) *File {
	t.Helper()
	f, err := Open(s.Path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	assert.Equal(t, s.Info, f.Info(), "what was written is what is read")
	return f
}

func columns(f *File) string {
	var list []string
	for _, c := range f.Info().Columns {
		list = append(list, fmt.Sprintf("%s:%s:%d", c.Name, c.Type, c.Nulls))
	}
	return strings.Join(list, " ")
}

func asJSON(t testing.TB, r Ranger, from, to int64) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, WriteJSON(&out, r, from, to))
	return out.String()
}

func TestTypesAreTheNarrowestThatEveryValueHas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format        Format
		text, columns string
	}{
		"csv_integers":            {CSV, "a\n1\n-2\n", "a:int64:0"},
		"csv_float_after_integer": {CSV, "a\n1\n2.5\n", "a:float64:0"},
		"csv_past_64_bits":        {CSV, "a\n9223372036854775808\n1\n", "a:float64:0"},
		"csv_leading_zeros":       {CSV, "zip\n01234\n99999\n", "zip:string:0"},
		"csv_booleans":            {CSV, "a\ntrue\nFalse\n", "a:bool:0"},
		"csv_dates":               {CSV, "a\n2026-01-31\n", "a:date:0"},
		"csv_no_such_date":        {CSV, "a\n2026-02-31\n", "a:string:0"},
		"csv_timestamps":          {CSV, "a\n2026-01-31\n2026-01-31 10:20:30.5\n2026-01-31T10:20:30+02:00\n", "a:timestamp:0"},
		"csv_nulls":               {CSV, "a,b\n1,\n,x\nNA,NA\n", "a:int64:2 b:string:1"},
		"csv_all_null":            {CSV, "a,b\n,1\n,2\n", "a:string:2 b:int64:0"},
		"csv_header_only":         {CSV, "a,b\n", "a:string:0 b:string:0"},
		"csv_mixed_is_text":       {CSV, "a\n1\nx\n", "a:string:0"},
		"csv_quotes_and_crlf":     {CSV, "\"a,b\",c\r\n\"x\"\"y\nz\",2\r\n", "a,b:string:0 c:int64:0"},
		"csv_byte_order_mark":     {CSV, "\uFEFFa\n1\n", "a:int64:0"},
		"csv_infinities":          {CSV, "a\ninf\n-Infinity\n1\n", "a:float64:0"},
		"csv_objects": {CSV, "s,c\n1,\"{\"\"x\"\": 1, \"\"y\"\": {\"\"z\"\": true}}\"\n2,\n3,\"{\"\"x\"\": 2.5}\"\n",
			"s:int64:0 c.x:float64:1 c.y.z:bool:2"},
		"csv_objects_and_missing":   {CSV, "s,c\n1,\"{\"\"x\"\": 1}\"\n2,NA\n", "s:int64:0 c.x:int64:1"},
		"csv_key_twice_is_text":     {CSV, "c\n\"{\"\"x\"\": 1, \"\"x\"\": 2}\"\n", "c:string:0"},
		"csv_past_floats_is_text":   {CSV, "a\n1e999\n1\n", "a:string:0"},
		"csv_minutes_and_slashes":   {CSV, "a,b\n2026-01-31 10:20,2026/01/31 10:20\n", "a:timestamp:0 b:timestamp:0"},
		"csv_no_such_hour":          {CSV, "a\n2026-01-31 24:20\n", "a:string:0"},
		"csv_only_null_tokens":      {CSV, "a\nNA\nNaN\n", "a:string:0"},
		"csv_quoted_empty_is_null":  {CSV, "a\n1\n\"\"\n2\n", "a:int64:1"},
		"csv_some_objects_are_text": {CSV, "c\n\"{\"\"x\"\": 1}\"\nplain\n", "c:string:0"},
		"json":                      {JSON, `[{"a":1,"b":"x"},{"b":null,"c":[1, 2]}]`, "a:int64:1 b:string:1 c:string:1"},
		"json_numeric_text_is_text": {JSON, `[{"a":"12"}]`, "a:string:0"},
		"json_dates":                {JSON, `[{"a":"2026-01-31"}]`, "a:date:0"},
		"json_nested":               {JSON, `[{"p":{"q":1}},{"p":{"r":"x"}}]`, "p.q:int64:1 p.r:string:1"},
		"json_empty_object_is_text": {JSON, `[{"a":1,"p":{}}]`, "a:int64:0 p:string:0"},
		"json_without_brackets":     {JSON, `{"a":1} {"a":2}`, "a:int64:0"},
		"json_past_floats_is_text":  {JSON, `[{"a":1e999}]`, "a:string:0"},
		"json_objects_in_text":      {JSON, `[{"a":"{\"x\":[1,{\"y\":\"]\"}]}"}]`, "a.x:string:0"},
		"ndjson":                    {NDJSON, "{\"a\":1.0}\n\n{\"a\":true}\n", "a:string:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.columns, columns(imported(t, c.format, c.text)))
		})
	}
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	f := imported(t, JSON, `[
		{"i": 9223372036854775807, "f": 0.1, "b": true, "d": "2026-01-31", "t": "2026-01-31T10:20:30.25+02:00", "s": "a\"é\u0000"},
		{"i": -1, "f": 1e300, "b": false, "d": null, "t": null, "s": ""}]`)
	assert.Equal(t, `[{"i":9223372036854775807,"f":0.1,"b":true,"d":"2026-01-31","t":"2026-01-31T08:20:30.25Z","s":"a\"é\u0000"},`+
		`{"i":-1,"f":1e+300,"b":false,"d":null,"t":null,"s":""}]`, asJSON(t, f, 0, 9))
	assert.Equal(t, `[{"i":-1,"f":1e+300,"b":false,"d":null,"t":null,"s":""}]`, asJSON(t, f, 1, 2))
	assert.Equal(t, `[]`, asJSON(t, f, 5, 2))
	var out bytes.Buffer
	require.NoError(t, WriteCSV(&out, f, 1, 2))
	assert.Equal(t, "i,f,b,d,t,s\n-1,1e+300,false,,,\n", out.String())
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format       Format
		text         string
		line, column int64
		says         string
	}{
		"csv_empty":            {CSV, "", 1, 1, "empty"},
		"csv_row_too_short":    {CSV, "a,b\n1,2\n3\n", 3, 2, "(b): the row has 1 cells, the header has 2"},
		"csv_row_too_long":     {CSV, "a,b\n1,2\n\n3,4,5\n", 4, 3, "the row has 3 cells"},
		"csv_bare_quote":       {CSV, "a,b\n1,x\"y\n", 2, 2, "(b): bare"},
		"csv_unclosed_quote":   {CSV, "a,b\n\n1,\"x,\n2,3\n4,5\n", 3, 2, "(b): a quoted cell does not end"},
		"csv_text_after_quote": {CSV, "a,b\n\"1\n2\",\"x\"y\n", 3, 2, "(b): a quoted cell does not end"},
		"csv_lone_returns":     {CSV, "a\r1\r2\r", 1, 1, "carriage return"},
		"csv_too_many_columns": {CSV, strings.Repeat("a,", MaxColumns) + "a", 1, MaxColumns + 1, "the limit is 4096"},
		"csv_too_many_keys":    {CSV, manyKeys("n,p\n"), MaxColumns, 1, "more than 4096 columns"},
		"csv_duplicate_column": {CSV, "a,b,a\n", 1, 3, "column 1 has this name already"},
		"csv_unnamed_column":   {CSV, "a,,b\n", 1, 2, "name"},
		"csv_not_utf8":         {CSV, "a,b\n1,2\n3,\xff\n", 3, 2, "UTF-8"},
		"json_empty":           {JSON, " \n ", 1, 1, "empty"},
		"json_not_objects":     {JSON, "[{\"a\":1},\n 2]", 2, 2, "found a number"},
		"json_syntax":          {JSON, "[{\"a\":1},\n {\"a\" 2}]", 2, 7, "invalid character '2'"},
		"json_cut_short":       {JSON, "[{\"a\":1},\n {\"a\":", 2, 7, "middle"},
		"json_no_end":          {JSON, "[{\"a\":1}", 1, 9, "middle"},
		"json_more_behind":     {JSON, "[{\"a\":1}] x", 1, 11, "follows"},
		"json_not_utf8":        {JSON, "[{\"a\":1},\n {\"a\":\"\xff\"}]", 2, 8, "UTF-8"},
		"json_half_surrogate":  {JSON, "[{\"a\":1},\n {\"a\":\"\\ud83d\"}]", 2, 8, "half of a surrogate pair"},
		"json_space_only":      {JSON, strings.Repeat(" ", 1<<17) + "{}", 1, 1, "white space"},
		"json_nan":             {JSON, `[{"a":NaN}]`, 1, 7, "invalid character 'N'"},
		"json_brackets":        {JSON, strings.Repeat("[", 1<<16), 1, 10002, "depth"},
		"json_twice_a_key":     {JSON, `[{"a":1,"a":2}]`, 1, 2, `"a" is there twice`},
		"json_too_deep":        {JSON, "[" + strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40) + "]", 1, 2, "nest"},
		"json_no_columns":      {JSON, "[]", 0, 0, "needs a column"},
		"json_names_collide":   {JSON, `[{"a.b":1,"a":{"b":2}}]`, 0, 0, "two columns"},
		"arrow_garbage":        {Arrow, "ARROW1\x00\x00 garbage that is no table", 0, 0, "not a readable Arrow file"},
		"arrow_empty":          {Arrow, "", 0, 0, "not a readable Arrow file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := Import(t.Context(), strings.NewReader(c.text), c.format, dir, nil)
			var bad *ImportError
			require.ErrorAs(t, err, &bad)
			assert.Contains(t, bad.Error(), c.says)
			assert.Equal(t, c.line, bad.Line, bad)
			if c.column > 0 {
				assert.Equal(t, c.column, bad.Column, bad)
			}
			assertEmpty(t, dir)
		})
	}
}

func assertEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "a failed import leaves nothing behind")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// manyKeys is rows of CSV whose objects all have keys of their own.
func manyKeys(header string) string {
	var text strings.Builder
	text.WriteString(header)
	for i := range MaxColumns + 1 {
		fmt.Fprintf(&text, "%d,\"{\"\"k%d\"\": 1}\"\n", i, i)
	}
	return text.String()
}

// generated yields rows of CSV until the last, without holding them.
func generated(rows int, row func(i int) string) io.Reader {
	i, rest := 0, ""
	return readerFunc(func(p []byte) (int, error) {
		if rest == "" {
			if i > rows {
				return 0, io.EOF
			}
			rest = row(i) + "\n"
			i++
		}
		n := copy(p, rest)
		rest = rest[n:]
		return n, nil
	})
}

func TestALateBrokenLineIsFoundAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Import(t.Context(), generated(1_000_000, func(i int) string {
		switch i {
		case 0:
			return "id,value"
		case 899_999:
			return "899999,1,2,3"
		}
		return fmt.Sprintf("%d,%d", i, i%7)
	}), CSV, dir, nil)
	var bad *ImportError
	require.ErrorAs(t, err, &bad)
	assert.EqualValues(t, 900_000, bad.Line)
	assertEmpty(t, dir)
}

func TestOneLateWordMakesTheColumnText(t *testing.T) {
	t.Parallel()
	s, err := Import(t.Context(), generated(200_000, func(i int) string {
		switch i {
		case 0:
			return "a"
		case 199_999:
			return "late"
		}
		return fmt.Sprint(i)
	}), CSV, t.TempDir(), nil)
	require.NoError(t, err)
	f := opened(t, s)
	assert.Equal(t, "a:string:0", columns(f))
	assert.EqualValues(t, 200_000, f.Rows())
	assert.Greater(t, f.NumBatches(), 1)
	assert.Equal(t, `[{"a":"199998"},{"a":"late"},{"a":"200000"}]`, asJSON(t, f, 199_997, 200_000))
}

func TestARowWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	for _, format := range []Format{CSV, JSON} {
		_, err := Import(t.Context(), io.MultiReader(
			strings.NewReader(map[Format]string{CSV: "a\n1\n\"", JSON: "[{\"a\":1},\n{\"a\":\""}[format]),
			strings.NewReader(strings.Repeat("x", maxRow+1<<20)),
		), format, t.TempDir(), nil)
		var bad *ImportError
		require.ErrorAs(t, err, &bad)
		assert.Contains(t, bad.Error(), "16 MiB")
	}
}

func TestAnImportEndsWithItsContext(t *testing.T) {
	t.Parallel()
	why := errors.New("client left")
	ctx, cancel := context.WithCancelCause(t.Context())
	dir := t.TempDir()
	_, err := Import(ctx, generated(1_000_000, func(i int) string {
		if i == 1000 {
			cancel(why)
		}
		return "a"
	}), CSV, dir, nil)
	assert.ErrorIs(t, err, why)
	assertEmpty(t, dir)
}

func TestProgressIsReported(t *testing.T) {
	t.Parallel()
	var read, rows int64
	_, err := Import(t.Context(), generated(70_000, func(int) string { return "1" }), CSV, t.TempDir(),
		func(r, n int64) { read, rows = max(read, r), max(rows, n) })
	require.NoError(t, err)
	assert.EqualValues(t, 140_002, read)
	assert.EqualValues(t, 70_000, rows)
}

func TestRealFilesAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"penguins.json": "344 Species:string:0 Island:string:0 Beak Length (mm):float64:2 Beak Depth (mm):float64:2 " +
			"Flipper Length (mm):int64:2 Body Mass (g):int64:2 Sex:string:10",
		"gapminder.json":      "682 year:int64:0 country:string:0 cluster:int64:0 pop:int64:0 life_expect:float64:0 fertility:float64:0",
		"seattle-weather.csv": "1461 date:date:0 precipitation:float64:0 temp_max:float64:0 temp_min:float64:0 wind:float64:0 weather:string:0",
		"flights-2k.json":     "2000 date:timestamp:0 delay:int64:0 distance:int64:0 origin:string:0 destination:string:0",
		"flights-200k.arrow":  "200000 delay:int64:0 distance:int64:0 time:float64:0",
		"agentfarm-population.csv": "1001 step:int64:0 total_agents:int64:0 system_agents:int64:0 independent_agents:int64:0 " +
			"control_agents:int64:0 avg_resources:float64:0 births:int64:0 deaths:int64:0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := sample(t, name)
			assert.Equal(t, want, fmt.Sprint(f.Rows(), " ", columns(f)))
		})
	}
	employment := sample(t, "us-employment.csv")
	assert.EqualValues(t, 120, employment.Rows())
	types := map[string]int{}
	for _, c := range employment.Info().Columns {
		types[c.Type]++
		assert.Zero(t, c.Nulls)
	}
	assert.Equal(t, map[string]int{"date": 1, "int64": 19, "float64": 4}, types)
	steps := columns(sample(t, "agentfarm-simulation-steps.csv"))
	assert.Contains(t, steps, "agent_type_counts.system:int64:0 agent_type_counts.independent:int64:0 agent_type_counts.control:int64:0")
}

func sample(t testing.TB, name string) *File {
	t.Helper()
	data, err := samples.Files.Open(name)
	require.NoError(t, err)
	defer data.Close()
	format, err := FormatOf(name, "")
	require.NoError(t, err)
	s, err := Import(t.Context(), data, format, t.TempDir(), nil)
	require.NoError(t, err)
	return opened(t, s)
}

func TestFormatIsToldByMediaTypeThenByName(t *testing.T) {
	t.Parallel()
	for in, want := range map[[2]string]Format{
		{"x.csv", ""}: CSV, {"x.JSON", ""}: JSON, {"x.jsonl", ""}: NDJSON, {"x.arrow", ""}: Arrow,
		{"x.csv", "application/json; charset=utf-8"}: JSON, {"", "text/csv"}: CSV,
	} {
		got, err := FormatOf(in[0], in[1])
		assert.NoError(t, err)
		assert.Equal(t, want, got, in)
	}
	_, err := FormatOf("x.xlsx", "application/octet-stream")
	assert.EqualError(t, err, `unknown format (media type "application/octet-stream"): want csv, json, ndjson or arrow`)
	_, err = FormatOf("x.xlsx", "")
	assert.EqualError(t, err, `unknown format (name "x.xlsx"): want csv, json, ndjson or arrow`)
}

func TestATableOfOneColumnKeepsItsNullsInCSV(t *testing.T) {
	t.Parallel()
	f := imported(t, JSON, `[{"a":1.0},{"a":null},{"a":2.0}]`)
	var out bytes.Buffer
	require.NoError(t, WriteCSV(&out, f, 0, 3))
	assert.Equal(t, f.Info(), imported(t, CSV, out.String()).Info())
}

func TestTimestampsAreReadInEveryFormThatIsDocumented(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-01-31 10:20":                     "2026-01-31T10:20:00Z",
		"2026/01/31 10:20":                     "2026-01-31T10:20:00Z",
		"2026-01-31T10:20:30":                  "2026-01-31T10:20:30Z",
		"2026-01-31 10:20:30.123456789":        "2026-01-31T10:20:30.123456Z",
		"2026-01-31T10:20:30.5Z":               "2026-01-31T10:20:30.5Z",
		"2026-01-31T00:20:30+02:00":            "2026-01-30T22:20:30Z",
		"2024-02-29 23:59-05:30":               "2024-03-01T05:29:00Z",
		"1969-12-31 23:59:59.999999":           "1969-12-31T23:59:59.999999Z",
		"2023-02-29 00:00":                     "", // no such day
		"2026-01-31 10:60":                     "",
		"2026-01-31 10:20:30.":                 "",
		"2026-01-31 10:20:30.1234567890":       "",
		"2026-01-31 10:20 UTC":                 "",
		"2026-01/31 10:20":                     "",
		"1500-01-31 10:20":                     "", // before what 64 bits of nanoseconds hold
		"31.01.2026 10:20":                     "",
		"2026-01-31T10:20:30+25:00":            "",
		"2026-01-31T10:20:30.5Z and then some": "",
	} {
		typ, cell := "timestamp", want
		if want == "" {
			typ, cell = "string", in
		}
		f := imported(t, CSV, "a\n"+in+"\n")
		assert.Equal(t, "a:"+typ+":0", columns(f), in)
		assert.Equal(t, `[{"a":"`+cell+`"}]`, asJSON(t, f, 0, 1), in)
	}
}

// A date that is no timestamp makes a column of both text, in either order.
func TestDatesBesideTimestamps(t *testing.T) {
	t.Parallel()
	for day, typ := range map[string]string{"2024-01-31": "timestamp", "1677-01-01": "string", "9999-12-31": "string"} {
		for _, text := range []string{"a\n" + day + "\n2024-01-01T12:30\n", "a\n2024-01-01T12:30\n" + day + "\n"} {
			assert.Equal(t, "a:"+typ+":0", columns(imported(t, CSV, text)), text)
		}
	}
}

func TestWideSparseRowsTakeBoundedBatches(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "{\"k%d\":1}\n", i)
	}
	text.WriteString(strings.Repeat("{}\n", 10_000))
	f := imported(t, NDJSON, text.String())
	assert.EqualValues(t, 12_000, f.Rows())
	assert.GreaterOrEqual(t, f.NumBatches(), 2)
	assert.Equal(t, "int64", f.Info().Columns[1999].Type)
	assert.EqualValues(t, 11_999, f.Info().Columns[1999].Nulls)
}

func TestATableThatGrowsOutOfProportionIsRefused(t *testing.T) {
	t.Parallel()
	in := &input{bytes: 1 << 20, progress: func(int64, int64) {}}
	assert.NoError(t, in.wrote(&sink{bytes: anySize}))
	var bad *ImportError
	assert.ErrorAs(t, in.wrote(&sink{bytes: anySize + 1<<20}), &bad)
	in.bytes = anySize / 8
	assert.NoError(t, in.wrote(&sink{bytes: 2 * anySize}))
}

func TestAnUnreadableInputIsNotTheDataBeingWrong(t *testing.T) {
	t.Parallel()
	cut := errors.New("connection cut")
	dir := t.TempDir()
	_, err := Import(t.Context(), io.MultiReader(strings.NewReader("a\n1\n"), readerFunc(func([]byte) (int, error) { return 0, cut })), CSV, dir, nil)
	assert.ErrorIs(t, err, cut)
	var bad *ImportError
	assert.NotErrorAs(t, err, &bad)
	assertEmpty(t, dir)
	_, err = Import(t.Context(), strings.NewReader("a\n1\n"), CSV, dir+"/none", nil)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.NotErrorAs(t, err, &bad)
}

func BenchmarkImport(b *testing.B) {
	var csv, ndjson strings.Builder
	csv.WriteString("id,name,value,when,flag\n")
	for i := range 100_000 {
		fmt.Fprintf(&csv, "%d,name %d,%g,2026-01-31 10:20:%02d,true\n", i, i, float64(i)/7, i%60)
		fmt.Fprintf(&ndjson, "{\"id\":%d,\"name\":\"name %d\",\"value\":%g,\"when\":\"2026-01-31 10:20:%02d\",\"flag\":true}\n",
			i, i, float64(i)/7, i%60)
	}
	flights, err := samples.Files.ReadFile("flights-200k.arrow")
	require.NoError(b, err)
	for format, text := range map[Format]string{CSV: csv.String(), NDJSON: ndjson.String(), Arrow: string(flights)} {
		b.Run(string(format), func(b *testing.B) {
			dir := b.TempDir()
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				s, err := Import(b.Context(), strings.NewReader(text), format, dir, nil)
				require.NoError(b, err)
				require.NoError(b, os.Remove(s.Path))
			}
		})
	}
}
