package routine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/routine"
)

func TestARefIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"tabular/describe", "my-models/sir_2", "a@1.2.3/b", "a@1.2.3-rc.1+build/b"} {
		ref, err := routine.ParseRef(text)
		require.NoError(t, err, text)
		assert.Equal(t, text, ref.String())
	}
	ref, err := routine.ParseRef("models@0.1.0/sir")
	require.NoError(t, err)
	assert.Equal(t, routine.Ref{Plugin: "models", Routine: "sir", Version: "0.1.0"}, ref)
}

// The parts of a ref become subject tokens, index keys and path segments.
func TestWhatIsNoNameIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 65)
	for _, text := range []string{
		"", "describe", "/", "tabular/", "/describe", "Tabular/describe", "tabular/describe/x", "tab.ular/describe",
		"tabular/*", "tabular/a b", "../describe", "-a/b", long + "/b", "a/" + long, "tabular/describe\n", "a/b@1.2.3", "a@/b", "a@1/b", "a@1.2.3/b/c",
	} {
		_, err := routine.ParseRef(text)
		assert.ErrorContains(t, err, "want PLUGIN/ROUTINE", "%q", text)
	}
}

func TestATableFitsAnInputOrItIsSaidWhyNot(t *testing.T) {
	t.Parallel()
	in := routine.Input{Name: "data", MinRows: 2, Columns: []routine.Column{
		{Name: "any"}, {Name: "id", Type: "int64"}, {Name: "x", Type: "number"}, {Name: "y", Type: "float64"},
	}}
	columns := func(types ...string) []routine.Column {
		list := []routine.Column{{Name: "more", Type: "date"}}
		for i, name := range []string{"any", "id", "x", "y"} {
			if types[i] != "" {
				list = append(list, routine.Column{Name: name, Type: types[i]})
			}
		}
		return list
	}
	for name, c := range map[string]struct {
		columns []routine.Column
		rows    int64
		want    string // empty: it fits
	}{
		"as_declared":             {columns("bool", "int64", "float64", "float64"), 2, ""},
		"integers_are_numbers":    {columns("string", "int64", "int64", "int64"), 2, ""},
		"floats_are_no_integers":  {columns("bool", "float64", "int64", "int64"), 2, `column "id" is float64, want int64`},
		"booleans_are_no_numbers": {columns("bool", "int64", "bool", "int64"), 2, `column "x" is bool, want number`},
		"a_missing_column":        {columns("bool", "int64", "int64", ""), 2, `the table has no column "y"`},
		"too_few_rows":            {columns("bool", "int64", "int64", "int64"), 1, "has 1 rows, want at least 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := in.Check(c.columns, c.rows)
			if c.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, c.want)
		})
	}
}
