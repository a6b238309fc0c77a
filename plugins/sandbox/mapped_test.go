package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/abi"
	"thresher/plugins/hostile"
)

// sealed imports a table from CSV.
func sealed(t testing.TB, text string) *table.File {
	t.Helper()
	s, err := table.Import(t.Context(), strings.NewReader(text), table.CSV, t.TempDir(), nil)
	require.NoError(t, err)
	return opened(t, s.Path)
}

// opened opens a table until the test ends.
func opened(t testing.TB, path string) *table.File {
	t.Helper()
	f, err := table.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

func readTable(t testing.TB, digest, name string, in *table.File, r *recorder) work.Call {
	return work.Call{
		Digest: digest, Routine: name, Kind: routine.Analysis, Params: json.RawMessage(`{}`), Host: r,
		Inputs: map[string]*table.File{"data": in},
		Limits: job.Limits{MemoryBytes: 256 << 20, OutputBytes: 1 << 30},
	}
}

// Columns of every type, with nulls, over several batches, survive the way into a
// guest and out again, copied or mapped.
func TestTablesPassThroughAGuestUnchanged(t *testing.T) {
	t.Parallel()
	h, digest := loadGuest(t)
	var text strings.Builder
	text.WriteString("i,f,b,s\n")
	for n := range 70_001 {
		switch n % 4 {
		case 0:
			text.WriteString("1,2.5,true,é\n")
		case 1:
			text.WriteString(",,,\n")
		case 2:
			text.WriteString("-9223372036854775808,1e300,false,\"a,b\"\n")
		case 3:
			text.WriteString("3,,true,x\n")
		}
	}
	in := sealed(t, text.String())
	for _, name := range []string{"echo", "echo_mapped"} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t)
			r.left = 1 << 40
			_, err := h.Run(t.Context(), readTable(t, digest, name, in, r))
			require.NoError(t, err)
			var want, got bytes.Buffer
			require.NoError(t, table.WriteCSV(&want, in, 0, in.Rows()))
			require.NoError(t, table.WriteCSV(&got, r.tables["copy"], 0, in.Rows()))
			assert.True(t, bytes.Equal(want.Bytes(), got.Bytes()))
		})
	}
}

// A guest that writes into a table that is mapped into its memory changes its own
// view: not the file, and not what the next job on the same clone sees.
func TestWritesToAMappedTableStayTheGuestsOwn(t *testing.T) {
	t.Parallel()
	h, digest := loadGuest(t)
	var text strings.Builder
	text.WriteString("x,y\n")
	sum := 0
	for n := range 200_000 {
		fmt.Fprintf(&text, "%d,a\n", n)
		sum += n
	}
	in := sealed(t, text.String())
	before, err := os.ReadFile(in.Path())
	require.NoError(t, err)
	for range 3 {
		report, err := h.Run(t.Context(), readTable(t, digest, "scribble", in, newRecorder(t)))
		require.NoError(t, err)
		assert.JSONEq(t, fmt.Sprint(sum), string(report.Result))
	}
	after, err := os.ReadFile(in.Path())
	require.NoError(t, err)
	assert.True(t, bytes.Equal(before, after))
}

// wide makes a table of batches with a kilobyte of text beside a 7 in each row.
func wide(t *testing.T, batches, rows int) *table.File {
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: table.Int64, Nullable: true}, {Name: "text", Type: table.String, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	text := strings.Repeat("t", 1<<10)
	for range rows {
		b.Field(0).(*array.Int64Builder).Append(7)
		b.Field(1).(*array.StringBuilder).Append(text)
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	w, err := table.Create(t.TempDir(), schema)
	require.NoError(t, err)
	defer w.Close()
	for range batches {
		require.NoError(t, w.Append(batch))
	}
	s, err := w.Seal()
	require.NoError(t, err)
	return opened(t, s.Path)
}

// A table that is larger than all the memory a guest may have is read in parts.
func TestATableLargerThanTheGuestsMemoryIsReadInParts(t *testing.T) {
	t.Parallel()
	h, digest := loadGuest(t)
	const batches, rows = 6, 20_000
	in := wide(t, batches, rows)
	c := readTable(t, digest, "scribble", in, newRecorder(t))
	c.Limits.MemoryBytes = 100 << 20
	require.Greater(t, in.Size(), c.Limits.MemoryBytes)
	report, err := h.Run(t.Context(), c)
	require.NoError(t, err)
	assert.JSONEq(t, fmt.Sprint(7*batches*rows), string(report.Result))
}

// What was mapped is gone with the job: a module that looks for it at the same place
// finds what its image holds, and zeros behind it.
func TestNothingOfAMappedTableIsLeftForTheNextJob(t *testing.T) {
	t.Parallel()
	const size, room = 64 << 10, 64<<10 + abi.MapRoom
	log := imported(abi.Module, "log", hostFunctions["log"])
	place := imported(abi.Module, "input_map", hostFunctions["input_map"])
	h, digest := forge(t, hostile.Module{
		Imports: []hostile.Function{log, place},
		Pages:   4, // the buffer begins in the image and ends behind it
		Manifest: strings.Replace(hostile.Manifest("analysis"), `"title":""`,
			`"title":"","inputs":[{"name":"data","optional":true}]`, 1),
		Run: hostile.Code(
			hostile.I32Const(2), hostile.Grow, hostile.Drop,
			hostile.I32Const(100_000), hostile.I32Const(6<<16-100_000), hostile.Call(0), // log it
			hostile.I32Const(0), hostile.I64Const(0), hostile.I64Const(size), hostile.I32Const(100_000), hostile.I32Const(room), hostile.Call(1),
			hostile.I32Const(size), hostile.Call(0),
			hostile.I32Const(0)),
	})
	in := sealed(t, "x\n"+strings.Repeat("1\n", 20_000))
	for range 3 {
		c, r := forgedCall(t, digest)
		c.Inputs = map[string]*table.File{"data": in}
		_, err := h.Run(t.Context(), c)
		require.NoError(t, err)
		found := r.log.Bytes()
		require.Len(t, found, 6<<16-100_000+size)
		assert.True(t, bytes.HasPrefix(found[6<<16-100_000:], []byte("ARROW1")), "the file, mapped")
		assert.Empty(t, bytes.Trim(found[:6<<16-100_000], "\x00"), "nothing of the job before")
	}
}
