package core_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/table"
)

// Who asks for a table or an artifact that does not exist is told which do.
func TestAnAbsentOutputNamesThoseThatThereAre(t *testing.T) {
	t.Parallel()
	e, _ := openMaker(t, t.TempDir())
	made := until(t, e, submit(t, e, "make").ID, job.Completed).ID
	quick := until(t, e, submit(t, e, "quick").ID, job.Completed).ID
	_, err := e.PutDataset(t.Context(), "d", table.CSV, strings.NewReader("a\n1\n"), nil)
	require.NoError(t, err)
	reads := func(source string) error {
		_, err := e.Submit(t.Context(), core.Request{Routine: "test/reads", Inputs: map[string]string{"data": source}})
		return err
	}
	_, tableOfMade := e.Table(t.Context(), made, "no")
	_, tableOfQuick := e.Table(t.Context(), quick, "no")
	_, _, artifactOfMade := e.Artifact(t.Context(), made, "no")
	_, _, artifactOfQuick := e.Artifact(t.Context(), quick, "no")
	_, tableOfDataset := e.DatasetTable(t.Context(), "d", "no")
	for _, c := range []struct {
		err        error
		code, text string
	}{
		{tableOfMade, "not_found", "job " + made + `: table "no": not found: it has made`},
		{tableOfQuick, "not_found", "job " + quick + `: table "no": not found: it has no tables`},
		{artifactOfMade, "not_found", "job " + made + `: artifact "no": not found: it has chart.json`},
		{artifactOfQuick, "not_found", "job " + quick + `: artifact "no": not found: it has no artifacts`},
		{tableOfDataset, "not_found", `dataset d: table "no": not found: it has data`},
		{reads("d/no"), "invalid", `inputs.data: dataset d has no table "no": it has data`},
		{reads("job:" + made + "/no"), "invalid", "inputs.data: job " + made + ` wrote no table "no": it has made`},
	} {
		assert.Equal(t, c.code, core.Code(c.err))
		assert.EqualError(t, c.err, c.text)
	}
}
