package server_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/ledger/damagetest"
	"thresher/server/servertest"
)

// However a damaged file is asked for: a problem with its code, before the first byte.
func TestADamagedFileIsAProblemHoweverItIsAskedFor(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	s.Sample(t, "own", "agentfarm-population.csv")
	j, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	d, err := s.Engine.Dataset(t.Context(), "own")
	require.NoError(t, err)
	table, artifact := j.Outcome.Tables[0], j.Outcome.Artifacts[0]
	jobs, job := s.URL+"/api/v1/jobs/", "job "+j.ID
	files := []struct {
		digest, owner string
		paths         []string
	}{
		{d.Tables[0].Digest, "dataset own table data", []string{s.URL + "/api/v1/datasets/own/tables/data"}},
		{table.Digest, job + " table " + table.Name, []string{jobs + j.ID + "/tables/" + table.Name, jobs + j.ID + "/tables/" + table.Name + "?from=1&to=2"}},
		{artifact.Digest, job + " artifact " + artifact.Name, []string{jobs + j.ID + "/artifacts/" + artifact.Name}},
	}
	for _, damage := range damagetest.All() {
		for _, f := range files {
			putBack := damage.To(t, damagetest.Path(s.Dir, f.digest))
			for _, path := range f.paths {
				for _, header := range [][]string{nil, {"Accept", "text/csv"}, {"Accept", "application/vnd.apache.arrow.stream"}, {"Range", "bytes=0-9"}, {"If-None-Match", `"` + f.digest + `"`}} {
					a := request(t, "GET", path, "", header...)
					require.Equal(t, 500, a.status, "%s %v %s", damage.Name, header, a.body)
					var p struct{ Code, Detail string }
					require.NoError(t, json.Unmarshal([]byte(a.body), &p))
					assert.Equal(t, "blob_damaged", p.Code)
					assert.Contains(t, p.Detail, f.owner+" is damaged")
				}
			}
			metrics := request(t, "GET", s.URL+"/metrics", "").body
			assert.Contains(t, metrics, "\nthresher_blobs_damaged 1\n")
			assert.Contains(t, metrics, "\nthresher_inconsistencies_total 0\n")
			assert.Contains(t, request(t, "GET", s.URL+"/api/v1/audit", "").body, f.owner)
			verified := lastLine(t, request(t, "GET", s.URL+"/api/v1/verify", ""))
			require.Len(t, verified.Damaged, 1)
			assert.Equal(t, f.digest, verified.Damaged[0].Digest)
			assert.Contains(t, verified.Damaged[0].Owners, f.owner)
			putBack()
			assert.Equal(t, 200, request(t, "GET", f.paths[0], "").status)
		}
	}
	verified := lastLine(t, request(t, "GET", s.URL+"/api/v1/verify", ""))
	assert.Empty(t, verified.Damaged)
	assert.Equal(t, verified.OfFiles, verified.Files)
	assert.Equal(t, verified.OfBytes, verified.Bytes)
	assert.Contains(t, request(t, "GET", s.URL+"/metrics", "").body, "\nthresher_blobs_damaged 0\n")
}

// lastLine is what a check of all files found.
func lastLine(t *testing.T, a answer) (v core.Verification) {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	lines := strings.Split(strings.TrimSpace(a.body), "\n")
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &v))
	return v
}
