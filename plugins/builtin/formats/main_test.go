//go:build !wasip1

package main

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/sdk/go/plugintest"
	"thresher/samples"
)

func imported(t *testing.T, routine, params, file string) *plugintest.Result {
	t.Helper()
	return plugintest.Run(t, routine, plugintest.Job{Params: params, File: []byte(file)})
}

func TestTheExamplesGiveWhatTheySay(t *testing.T) { plugintest.Examples(t) }

// Real data come back as they were, in both formats.
func TestRealDataComeBack(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"agentfarm-population.csv", "seattle-weather.csv", "us-employment.csv"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			raw, err := samples.Files.ReadFile(file)
			require.NoError(t, err)
			rows, err := csv.NewReader(strings.NewReader(string(raw))).ReadAll()
			require.NoError(t, err)
			separated := imported(t, "tsv", `{}`, asTSV(rows))
			require.NoError(t, separated.Err)
			text, columns := asFixed(rows)
			fixed := imported(t, "fixed", fmt.Sprintf(`{"columns": ["%s"]}`, strings.Join(columns, `", "`)), text)
			require.NoError(t, fixed.Err)
			assert.JSONEq(t, string(separated.Result), string(fixed.Result))
			for i, name := range rows[0] {
				for n, v := range separated.Tables["data"].Column(name) {
					require.Equal(t, v, fixed.Tables["data"].Column(name)[n])
					require.Equal(t, rows[n+1][i], written(v, rows[n+1][i]), "row %d, %s", n, name)
				}
			}
		})
	}
}

// written is a value as text, in as many digits as it had.
func written(v any, was string) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		_, digits, _ := strings.Cut(was, ".")
		return fmt.Sprintf("%.*f", len(digits), v)
	}
	return fmt.Sprint(v)
}

func asTSV(rows [][]string) string {
	var b strings.Builder
	for _, row := range rows {
		b.WriteString(strings.Join(row, "\t") + "\r\n")
	}
	return b.String()
}

// asFixed is rows without their header, in columns as wide as need be, and where those are.
func asFixed(rows [][]string) (text string, columns []string) {
	var b strings.Builder
	at := 1
	widths := make([]int, len(rows[0]))
	for i, name := range rows[0] {
		for _, row := range rows[1:] {
			widths[i] = max(widths[i], len(row[i]))
		}
		columns = append(columns, fmt.Sprintf("%s:%d-%d", name, at, at+widths[i]-1))
		at += widths[i] + 1
	}
	for _, row := range rows[1:] {
		for i, v := range row {
			fmt.Fprintf(&b, "%*s ", widths[i], v)
		}
		b.WriteByte('\n')
	}
	return b.String(), columns
}

func TestTypesAreFoundOutOrDeclared(t *testing.T) {
	t.Parallel()
	run := imported(t, "tsv", `{"types": ["d:bool", "e:float64"], "null": "NA"}`,
		"\ufeffa\tb\tc\td\te\tf\n1\t0.5\t007\ttrue\t1\tNA\n\n-2\tNA\tx\tfalse\t2\t\n")
	require.NoError(t, run.Err)
	assert.JSONEq(t, `{"rows": 2, "columns": [{"name": "a", "type": "int64"}, {"name": "b", "type": "float64"}, {"name": "c", "type": "string"},
		{"name": "d", "type": "bool"}, {"name": "e", "type": "float64"}, {"name": "f", "type": "string"}]}`, string(run.Result))
	data := run.Tables["data"]
	assert.Equal(t, []any{int64(1), int64(-2)}, data.Column("a"))
	assert.Equal(t, []any{0.5, nil}, data.Column("b"))
	assert.Equal(t, []any{"007", "x"}, data.Column("c"))
	assert.Equal(t, []any{true, false}, data.Column("d"))

	run = imported(t, "tsv", `{"header": false, "separator": "|"}`, "1|é\n2|b")
	require.NoError(t, run.Err)
	assert.Equal(t, []any{"é", "b"}, run.Tables["data"].Column("c2"))
	run = imported(t, "fixed", `{"columns": ["a:1-2", "b:4-9"], "skip": 1}`, "header\nêé 1\nx\n")
	require.NoError(t, run.Err)
	assert.Equal(t, []any{"êé", "x"}, run.Tables["data"].Column("a"), "characters are counted, not bytes")
	assert.Equal(t, []any{int64(1), nil}, run.Tables["data"].Column("b"), "a line may end early")
}

// What is wrong is told with its place, what was found there, and what would be right.
func TestWhatIsWrongIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ routine, params, file, says string }{
		"nothing":        {"tsv", `{}`, "", `line 1, column 1: found nothing: want a line with the columns' names`},
		"too_many":       {"tsv", `{}`, "a\tb\n1\t2\n\n1\t2\t3\n", `line 4, column 3: found 3 values: want 2, as in the first line, with "\t" between two`},
		"too_few":        {"tsv", `{}`, "a\tb\n1\n", `line 2, column 2: found 1 values: want 2`},
		"no_name":        {"tsv", `{}`, "a\t\n1\t2\n", `line 1, column 2: found the name "" of column 2: want 1 to 1024 bytes`},
		"name_twice":     {"tsv", `{}`, "a\ta\n", `line 1, column 2: found a second column named "a": want each name once`},
		"no_number":      {"tsv", `{"types": ["b:int64"]}`, "a\tb\n1\t2\n1\t2.5\n", `line 3, column 2: column b: found "2.5": want a whole number such as -12`},
		"no_text":        {"tsv", `{}`, "a\nb\xff\n", `line 2, column 2: found the byte 0xff, which is no UTF-8`},
		"no_lines":       {"tsv", `{}`, strings.Repeat("x", maxLine+1), `line 1, column 1: the line has more than 1048576 bytes`},
		"many_columns":   {"tsv", `{"header": false}`, strings.Repeat("\t", maxColumns), `line 1, column 4097: there are more than 4096 columns`},
		"no_such_column": {"tsv", `{"types": ["x:int64"]}`, "a\n1\n", `types: found "x:int64": there is no column "x"`},
		"no_type":        {"tsv", `{"types": ["a:date"]}`, "a\n1\n", `types: found the type "date" of column a: want int64, float64, bool or string`},
		"no_separator":   {"tsv", `{"separator": "::"}`, "a\n1\n", `separator: found "::": want one character`},
		"fixed_number":   {"fixed", `{"columns": ["n:1-4:int64", "x:5-9:float64"]}`, "   1  1.5\n   2  1,5\n", `line 2, column 7: column x: found "1,5": want a number such as 1.5 or 2e3`},
		"fixed_tab":      {"fixed", `{"columns": ["n:1-4"]}`, "é\t1\n", `line 1, column 2: found a tab: want blanks`},
		"no_columns":     {"fixed", `{"columns": []}`, "1\n", `columns: found none: want one at least`},
		"no_place":       {"fixed", `{"columns": ["a:9-1"]}`, "1\n", `columns: found "a:9-1": want NAME:FROM-TO or NAME:FROM-TO:TYPE`},
		"place_twice":    {"fixed", `{"columns": ["a:1-1", "a:2-2"]}`, "1\n", `columns: found a second column named "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.ErrorContains(t, imported(t, c.routine, c.params, c.file).Err, c.says)
		})
	}
}
