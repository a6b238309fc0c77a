package core_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/table"
)

// scattered is a sealed table as an earlier program may have left it: each row is a batch.
func scattered(t *testing.T, rows int) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: table.Int64, Nullable: true}}, nil)
	var file bytes.Buffer
	out, err := ipc.NewFileWriter(writerOnly{&file}, ipc.WithSchema(schema))
	require.NoError(t, err)
	for i := range rows {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		require.NoError(t, out.Write(b.NewRecordBatch()))
	}
	require.NoError(t, out.Close())
	return file.Bytes()
}

type writerOnly struct{ io.Writer }

// A data folder, or a backup, from before batches were joined: what its records pin keeps
// its bytes and its digest, and is joined where it is opened, here for a page and there
// for a job.
func TestATableOfBeforeKeepsItsDigestAndIsJoinedWhereItIsOpened(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	const rows = 1000
	info := table.Info{Rows: rows, Columns: []table.Column{{Name: "a", Type: "int64"}}}
	d, err := e.PutSealed(t.Context(), "d", scattered(t, rows), info)
	require.NoError(t, err)
	holds := func(e *core.Engine) {
		now, err := e.Dataset(t.Context(), "d")
		require.NoError(t, err)
		assert.Equal(t, d.Tables, now.Tables)
		require.NoError(t, e.CheckBlob(t.Context(), d.Tables[0].Digest))
		for range 2 {
			f, err := e.DatasetTable(t.Context(), "d", "")
			require.NoError(t, err)
			assert.Equal(t, 1, f.(*table.File).NumBatches())
			var row bytes.Buffer
			require.NoError(t, table.WriteJSON(&row, f, rows-1, rows))
			assert.Equal(t, `[{"a":999}]`, row.String())
			require.NoError(t, f.Close())
		}
		j, err := e.Submit(t.Context(), core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "d"}, Cache: "off"})
		require.NoError(t, err)
		j = until(t, e, j.ID, job.Completed)
		assert.JSONEq(t, `{"rows":1000,"batches":1}`, string(j.Outcome.Result))
		assert.Equal(t, d.Tables[0].Digest, j.Spec.Inputs["data"].Digest)
		consistent(t, e)
	}
	holds(e)
	var archive bytes.Buffer
	_, err = e.Backup(t.Context(), &archive, core.Backing{})
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = core.Restore(t.Context(), &archive, dir, core.Restoring{})
	require.NoError(t, err)
	holds(open(t, dir, newScript(), core.Limits{}))
}
