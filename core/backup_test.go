package core_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/table"
)

// all lists every job by id, as JSON without what is not the record's.
func all(t *testing.T, e *core.Engine) map[string]string {
	t.Helper()
	records := map[string]string{}
	f := core.Filter{Limit: core.MaxPage}
	for {
		page, err := e.Jobs(t.Context(), f)
		require.NoError(t, err)
		for _, j := range page.Jobs {
			data, err := json.Marshal(j.Record)
			require.NoError(t, err)
			records[j.ID] = string(data)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return records
		}
	}
}

func TestABackupTakenUnderLoadRestoresEveryRecord(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{Slots: 4})
	_, err := e.PutDataset(t.Context(), "d", table.CSV, strings.NewReader("a\n1\n2\n"), nil)
	require.NoError(t, err)
	b := batch(t, e, core.BatchRequest{Jobs: make10("test/quick")})
	reads, err := e.Submit(t.Context(), core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "d"}})
	require.NoError(t, err)
	until(t, e, reads.ID, job.Completed)
	eventually(t, "the batch ends", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	before := all(t, e)

	stop := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				submit(t, e, "quick")
			}
		}
	})
	var archive bytes.Buffer
	m, err := e.Backup(t.Context(), &archive, core.Backing{})
	close(stop)
	load.Wait()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, m.Records["jobs"], 11)

	dir := t.TempDir()
	_, err = core.Restore(t.Context(), bytes.NewReader(archive.Bytes()), dir, core.Restoring{})
	require.NoError(t, err)
	restored := open(t, dir, newScript(), core.Limits{})
	after := all(t, restored)
	assert.Len(t, after, m.Records["jobs"])
	for id := range before {
		assert.Contains(t, after, id)
	}
	// What had ended when the backup began is as it was, to the byte, and as it still is
	// where it came from; what ran or waited is there, and runs again.
	source, compared := all(t, e), 0
	for id, record := range after {
		var r job.Record
		require.NoError(t, json.Unmarshal([]byte(source[id]), &r), "%s was never submitted", id)
		if r.Phase.Final() && r.Ended.Before(m.Created) {
			assert.Equal(t, source[id], record)
			compared++
		}
	}
	assert.GreaterOrEqual(t, compared, len(before))
	again, err := restored.Batch(t.Context(), b.ID)
	require.NoError(t, err)
	assert.Equal(t, b, again)
	rows, err := restored.DatasetTable(t.Context(), "d", "")
	require.NoError(t, err)
	assert.EqualValues(t, 2, rows.Rows())
	assert.NoError(t, rows.Close())
	consistent(t, restored)

}

func TestADamagedBackupIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, newScript(), core.Limits{})
	_, err := e.PutDataset(t.Context(), "d", table.CSV, strings.NewReader("a\n1\n"), nil)
	require.NoError(t, err)
	until(t, e, submit(t, e, "quick").ID, job.Completed)
	var archive bytes.Buffer
	_, err = e.Backup(t.Context(), &archive, core.Backing{})
	require.NoError(t, err)
	whole := archive.Bytes()
	flip := func(what string) []byte {
		damaged := bytes.Clone(whole)
		at := bytes.Index(damaged, []byte(what))
		require.Positive(t, at)
		damaged[at+1] ^= 1
		return damaged
	}
	parent := t.TempDir()
	for name, c := range map[string]struct {
		archive []byte
		says    string
	}{
		"cut short": {whole[:len(whole)/2], "not whole"},
		"empty":     {nil, "not whole"},
		"a record":  {flip(`"routine":"test/quick"`), "damaged"},
		"a blob":    {flip("ARROW1"), "damaged"},
		"no tar":    {[]byte(strings.Repeat("x", 2048)), "want a file that `thresher backup` wrote"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := core.Restore(t.Context(), bytes.NewReader(c.archive), filepath.Join(parent, name), core.Restoring{})
			assert.ErrorContains(t, err, c.says)
			assert.ErrorIs(t, err, ledger.ErrDamaged, "so that the exit code says so")
		})
	}
	_, err = core.Restore(t.Context(), bytes.NewReader(whole), filepath.Join(parent, "missing", "data"), core.Restoring{})
	assert.ErrorContains(t, err, "no such file or directory")
	assert.NotContains(t, err.Error(), "another restore")
	_, err = core.Restore(t.Context(), bytes.NewReader(whole), dir, core.Restoring{})
	assert.ErrorContains(t, err, "not empty")
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	assert.Empty(t, left, "no folder is made of it")
}
