package table

import (
	"bytes"
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is missing, what is not a number and what is infinite are three things, in each
// form that rows are read in.
func TestFloatsThatJSONHasNoNumberForAreToldFromNulls(t *testing.T) {
	t.Parallel()
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "x", Type: Float64, Nullable: true}}, nil))
	b.Field(0).(*array.Float64Builder).AppendValues(
		[]float64{math.NaN(), math.Inf(1), math.Inf(-1), 1.5, 0}, []bool{true, true, true, true, false})
	var stream bytes.Buffer
	out := ipc.NewWriter(&stream, ipc.WithSchema(b.Schema()))
	require.NoError(t, out.Write(b.NewRecordBatch()))
	require.NoError(t, out.Close())
	f := imported(t, Arrow, stream.String())
	assert.JSONEq(t, `[{"x":"NaN"},{"x":"Infinity"},{"x":"-Infinity"},{"x":1.5},{"x":null}]`, asJSON(t, f, 0, 5))
	var lines, cells bytes.Buffer
	require.NoError(t, WriteNDJSON(&lines, f, 0, 5))
	assert.Equal(t, `{"x":"NaN"}`+"\n"+`{"x":"Infinity"}`+"\n"+`{"x":"-Infinity"}`+"\n"+`{"x":1.5}`+"\n"+`{"x":null}`+"\n", lines.String())
	require.NoError(t, WriteCSV(&cells, f, 0, 5))
	assert.Equal(t, "x\nNaN\n+Inf\n-Inf\n1.5\n\"\"\n", cells.String())
}
