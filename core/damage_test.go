package core_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/ledger/damagetest"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
)

// maker is a script with a routine that leaves every kind of output, and an importer.
type maker struct{ *script }

func (m maker) List() []core.Plugin {
	p := m.script.List()[0]
	params := json.RawMessage(`{"type":"object"}`)
	p.Routines = append(slices.Clone(p.Routines),
		routine.Routine{Name: "make", Kind: routine.Analysis, Params: params},
		routine.Routine{Name: "import", Kind: routine.Importer, Params: params})
	return []core.Plugin{p}
}

func (m maker) Run(ctx context.Context, c work.Call) (work.Report, error) {
	switch c.Routine {
	case "make":
		c.Host.Log([]byte("made for job " + c.Job + "\n"))
		err := c.Host.Artifact(ctx, "chart.json", "application/json", strings.NewReader(`{"chart":"`+c.Job+`"}`))
		if err == nil {
			err = appendRows(c.Host, "made")
		}
		return work.Report{Result: json.RawMessage(`"` + c.Job + strings.Repeat("x", 100<<10) + `"`)}, err
	case "import":
		content := make([]byte, c.File.Bytes)
		if _, err := c.File.ReadAt(content, 0); err != nil && err != io.EOF {
			return work.Report{}, err
		}
		return work.Report{}, appendRows(c.Host, "imported")
	}
	return m.script.Run(ctx, c)
}

func appendRows(h work.Host, name string) error {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}}, nil))
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{1, 2, 3}, nil)
	rows := b.NewRecordBatch()
	defer rows.Release()
	return h.Append(name, rows)
}

func openMaker(t *testing.T, dir string) (*core.Engine, *script) {
	t.Helper()
	s := newScript()
	e, err := core.Open(t.Context(), core.Config{Dir: dir, Limits: core.Limits{Slots: 1}}, maker{s})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(cancelled())) })
	return e, s
}

// kept is a blob that something of an engine is in.
type kept struct {
	digest string
	owner  string
	read   func(e *core.Engine) error
}

func readAll(r io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

func closed(t core.Table, err error) error {
	if err != nil {
		return err
	}
	return t.Close()
}

// everyBlob makes a blob of each kind that a reader can ask for.
func everyBlob(t *testing.T, e *core.Engine) map[string]kept {
	t.Helper()
	ctx := t.Context()
	d, err := e.PutDataset(ctx, "d", table.CSV, strings.NewReader("a\n10\n20\n"), nil)
	require.NoError(t, err)
	j := until(t, e, submit(t, e, "make").ID, job.Completed)
	o := j.Outcome
	return map[string]kept{
		"dataset": {d.Tables[0].Digest, "dataset d table data", func(e *core.Engine) error { return closed(e.DatasetTable(ctx, "d", "")) }},
		"table":   {o.Tables[0].Digest, "job " + j.ID + " table made", func(e *core.Engine) error { return closed(e.Table(ctx, j.ID, "made")) }},
		"artifact": {o.Artifacts[0].Digest, "job " + j.ID + " artifact chart.json", func(e *core.Engine) error {
			f, _, err := e.Artifact(ctx, j.ID, "chart.json")
			return readAll(f, err)
		}},
		"result": {o.ResultRef.Digest, "job " + j.ID + " result", func(e *core.Engine) error {
			f, _, err := e.Result(ctx, j.ID)
			return readAll(f, err)
		}},
		"log": {o.Log.Digest, "job " + j.ID + " log", func(e *core.Engine) error {
			f, _, err := e.Log(ctx, j.ID)
			return readAll(f, err)
		}},
	}
}

// Whatever happens to whichever file: nothing of it is served, all of it is named, all
// else goes on, and what is put back is whole again.
func TestADamagedBlobIsNeverServedAndAlwaysNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, _ := openMaker(t, dir)
	all := everyBlob(t, e)
	for _, damage := range damagetest.All() {
		t.Run(damage.Name, func(t *testing.T) {
			for kind, k := range all {
				require.NoError(t, k.read(e), "%s, before", kind)
			}
			var putBack []func()
			for _, k := range all {
				putBack = append(putBack, damage.To(t, damagetest.Path(dir, k.digest)))
			}
			for kind, k := range all {
				for range 2 { // remembered, and not taken for checked
					err := k.read(e)
					assert.Equal(t, "blob_damaged", core.Code(err), "%s: %v", kind, err)
					assert.ErrorContains(t, err, k.owner, kind)
					assert.ErrorContains(t, err, damage.Reason, kind)
				}
			}
			namedByAudit(t, e, all)
			archive := backedUpRound(t, e, all)
			restoredRound(t, archive, all)
			for _, put := range putBack {
				put()
			}
			consistent(t, e)
			assert.Zero(t, stats(t, e).BlobsDamaged)
			for kind, k := range all {
				assert.NoError(t, k.read(e), "%s, put back", kind)
			}
		})
	}
	_, err := e.Backup(t.Context(), io.Discard, core.Backing{})
	assert.NoError(t, err)
}

func namedByAudit(t *testing.T, e *core.Engine, all map[string]kept) {
	t.Helper()
	a, err := e.Audit(t.Context())
	require.NoError(t, err)
	assert.False(t, a.Consistent)
	assert.Len(t, a.Breaches, len(all))
	text := fmt.Sprint(a.Breaches)
	for kind, k := range all {
		assert.Contains(t, text, k.owner+": blob "+k.digest+" is damaged", kind)
	}
	assert.Equal(t, len(all), stats(t, e).BlobsDamaged)
	assert.Zero(t, stats(t, e).Inconsistencies)
}

// backedUpRound makes a backup of a damaged engine: not without saying so.
func backedUpRound(t *testing.T, e *core.Engine, all map[string]kept) []byte {
	t.Helper()
	var refused, archive bytes.Buffer
	_, err := e.Backup(t.Context(), &refused, core.Backing{})
	assert.Equal(t, "blob_damaged", core.Code(err))
	_, read := core.ReadManifest(&refused)
	for kind, k := range all {
		assert.ErrorContains(t, err, k.owner, kind)
		assert.ErrorContains(t, read, k.owner, kind)
	}
	m, err := e.Backup(t.Context(), &archive, core.Backing{SkipDamaged: true})
	require.NoError(t, err)
	assert.Len(t, m.Damaged, len(all))
	_, err = core.ReadManifest(bytes.NewReader(archive.Bytes()))
	assert.NoError(t, err)
	return archive.Bytes()
}

// restoredRound restores an archive that lacks blobs: not without being told to.
func restoredRound(t *testing.T, archive []byte, all map[string]kept) {
	t.Helper()
	into := filepath.Join(t.TempDir(), "new")
	_, err := core.Restore(t.Context(), bytes.NewReader(archive), into, core.Restoring{})
	assert.Equal(t, "blob_damaged", core.Code(err))
	for kind, k := range all {
		assert.ErrorContains(t, err, k.owner, kind)
	}
	m, err := core.Restore(t.Context(), bytes.NewReader(archive), into, core.Restoring{SkipDamaged: true})
	require.NoError(t, err)
	assert.Len(t, m.Damaged, len(all))
	v, err := core.VerifyFolder(t.Context(), into, nil, func(ledger.Verified) {})
	require.NoError(t, err)
	assert.Len(t, v.Damaged, len(all))
	e, _ := openMaker(t, into)
	for kind, k := range all {
		err := k.read(e)
		assert.Equal(t, "blob_damaged", core.Code(err), "%s: %v", kind, err)
	}
	until(t, e, submit(t, e, "quick").ID, job.Completed) // all else is there
}

// A job that needs a damaged file waits for it, whoever finds that first.
func TestAJobWaitsForADamagedBlobAndGoesOnWithAWholeOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, s := openMaker(t, dir)
	d, err := e.PutDataset(t.Context(), "d", table.CSV, strings.NewReader("a\n10\n20\n"), nil)
	require.NoError(t, err)
	made := until(t, e, submit(t, e, "make").ID, job.Completed).Outcome.Tables[0]
	parent := until(t, e, submit(t, e, "make").ID, job.Completed)
	for _, damage := range damagetest.All() {
		for name, c := range map[string]struct{ digest, input, owner string }{
			"a_dataset":     {d.Tables[0].Digest, "d", "dataset d table data"},
			"a_jobs_output": {made.Digest, "job:" + parent.ID + "/made", "job " + parent.ID + " table made"},
		} {
			t.Run(damage.Name+"_of_"+name, func(t *testing.T) {
				putBack := damage.To(t, damagetest.Path(dir, c.digest))
				waiter, err := e.Submit(t.Context(), core.Request{Routine: "test/reads", Inputs: map[string]string{"data": c.input}, Cache: "off"})
				require.NoError(t, err)
				want := "blob " + c.digest + " of " + c.owner + " is damaged"
				eventually(t, want, func() bool {
					j, err := e.Job(t.Context(), waiter.ID)
					return err == nil && j.Phase == job.Pending && j.Waiting != nil && j.Waiting.On == want
				})
				until(t, e, submit(t, e, "quick").ID, job.Completed) // it holds no slot
				stopped, err := e.Submit(t.Context(), core.Request{Routine: "test/reads", Inputs: map[string]string{"data": c.input}, Cache: "off"})
				require.NoError(t, err)
				_, err = e.Stop(t.Context(), stopped.ID)
				require.NoError(t, err)
				until(t, e, stopped.ID, job.Stopped)
				putBack()
				until(t, e, waiter.ID, job.Completed)
				consistent(t, e)
				assert.Zero(t, stats(t, e).Waiting)
			})
		}
	}
	close(s.finish)
}

// The file that an importer is to read is a blob as all others are.
func TestAnImportersFileIsChecked(t *testing.T) {
	t.Parallel()
	for _, damage := range damagetest.All() {
		t.Run(damage.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e, s := openMaker(t, dir)
			busy := submit(t, e, "wait")
			<-s.started
			imported := make(chan error, 1)
			go func() {
				_, err := e.ImportDataset(t.Context(), "brought", core.Importing{
					Request: core.Request{Routine: "test/import"}, Limit: 1 << 20,
				}, strings.NewReader(strings.Repeat("what was brought\n", 100)))
				imported <- err
			}()
			var importer core.Job
			eventually(t, "the importer is queued", func() bool {
				page, err := e.Jobs(t.Context(), core.Filter{Kind: "importer"})
				if err == nil && len(page.Jobs) == 1 {
					importer = page.Jobs[0]
				}
				return importer.ID != ""
			})
			putBack := damage.To(t, damagetest.Path(dir, importer.Spec.Inputs[routine.FileInput].Digest))
			s.finish <- struct{}{}
			until(t, e, busy.ID, job.Completed)
			eventually(t, "it waits", func() bool {
				j, err := e.Job(t.Context(), importer.ID)
				return err == nil && j.Waiting != nil && strings.Contains(j.Waiting.On, "job "+importer.ID+" input file is damaged")
			})
			a, err := e.Audit(t.Context())
			require.NoError(t, err)
			assert.Contains(t, fmt.Sprint(a.Breaches), "job "+importer.ID+" input file: blob")
			_, err = e.Backup(t.Context(), io.Discard, core.Backing{})
			assert.ErrorContains(t, err, "job "+importer.ID+" input file")
			putBack()
			assert.NoError(t, <-imported)
		})
	}
}

// A file that is cut while a guest reads it fails the job under that code: what it was
// given is not the file.
func TestAJobWhoseFileIsCutWhileItRunsFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newScript()
	opened, cut := make(chan struct{}), make(chan struct{})
	e, err := core.Open(t.Context(), core.Config{Dir: dir, Limits: core.Limits{Slots: 1}}, reader{maker{s}, opened, cut})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(context.Background())) })
	imported := make(chan error, 1)
	go func() {
		_, err := e.ImportDataset(t.Context(), "brought", core.Importing{
			Request: core.Request{Routine: "test/import"}, Limit: 1 << 20,
		}, strings.NewReader(strings.Repeat("what was brought\n", 1000)))
		imported <- err
	}()
	<-opened
	page, err := e.Jobs(t.Context(), core.Filter{Kind: "importer"})
	require.NoError(t, err)
	require.Len(t, page.Jobs, 1)
	path := damagetest.Path(dir, page.Jobs[0].Spec.Inputs[routine.FileInput].Digest)
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.Truncate(path, 100))
	close(cut)
	var failed *core.ImportFailed
	require.ErrorAs(t, <-imported, &failed)
	assert.Equal(t, "blob_damaged", failed.Err.Code)
}

// reader is a maker whose importer waits before it reads.
type reader struct {
	maker
	opened, cut chan struct{}
}

func (r reader) Run(ctx context.Context, c work.Call) (work.Report, error) {
	close(r.opened)
	<-r.cut
	return r.maker.Run(ctx, c)
}

// A result that is damaged is not given to another job: that runs, which repairs it.
func TestACachedResultThatIsDamagedIsMadeAnew(t *testing.T) {
	t.Parallel()
	for _, damage := range damagetest.All() {
		if strings.HasPrefix(damage.Name, "a_bit") || damage.Name == "replaced_by_other_content" {
			continue // nobody has read it: that is found by whoever does
		}
		t.Run(damage.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e, s := openMaker(t, dir)
			request := core.Request{Routine: "test/make"}
			first, err := e.Submit(t.Context(), request)
			require.NoError(t, err)
			first = until(t, e, first.ID, job.Completed)
			hit, err := e.Submit(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, first.ID, hit.CacheHit)
			damage.To(t, damagetest.Path(dir, first.Outcome.ResultRef.Digest))
			again, err := e.Submit(t.Context(), request)
			require.NoError(t, err)
			again = until(t, e, again.ID, job.Completed)
			assert.Empty(t, again.CacheHit)
			close(s.finish)
			f, _, err := e.Result(t.Context(), again.ID)
			assert.NoError(t, readAll(f, err))
		})
	}
}

// Archives of the format before are read as they were.
func TestAnArchiveOfTheFirstFormatIsRestored(t *testing.T) {
	t.Parallel()
	e, _ := openMaker(t, t.TempDir())
	all := everyBlob(t, e)
	var archive bytes.Buffer
	_, err := e.Backup(t.Context(), &archive, core.Backing{})
	require.NoError(t, err)
	old := bytes.Replace(archive.Bytes(), []byte(`"thresher-backup/2"`), []byte(`"thresher-backup/1"`), 1)
	m, err := core.ReadManifest(bytes.NewReader(old))
	require.NoError(t, err)
	require.Equal(t, "thresher-backup/1", m.Format)
	into := filepath.Join(t.TempDir(), "new")
	_, err = core.Restore(t.Context(), bytes.NewReader(old), into, core.Restoring{})
	require.NoError(t, err)
	restored, _ := openMaker(t, into)
	for kind, k := range all {
		assert.NoError(t, k.read(restored), kind)
	}
	unknown := bytes.Replace(archive.Bytes(), []byte(`"thresher-backup/2"`), []byte(`"thresher-backup/9"`), 1)
	_, err = core.Restore(t.Context(), bytes.NewReader(unknown), filepath.Join(t.TempDir(), "new"), core.Restoring{SkipDamaged: true})
	assert.ErrorContains(t, err, "thresher-backup/9")
}

// An archive in which bits of blobs are flipped, or from which a blob is gone, names
// all of them; told to, it restores all else.
func TestAnArchiveWithDamagedBlobsRestoresAllElse(t *testing.T) {
	t.Parallel()
	e, _ := openMaker(t, t.TempDir())
	all := everyBlob(t, e)
	var archive bytes.Buffer
	_, err := e.Backup(t.Context(), &archive, core.Backing{})
	require.NoError(t, err)
	damaged, lost := all["dataset"], all["artifact"]
	var changed bytes.Buffer
	from, to := tar.NewReader(&archive), tar.NewWriter(&changed)
	for {
		header, err := from.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(from)
		require.NoError(t, err)
		switch header.Name {
		case "blobs/" + lost.digest:
			continue
		case "blobs/" + damaged.digest:
			content[len(content)/2] ^= 1
		}
		require.NoError(t, to.WriteHeader(header))
		_, err = to.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, to.Close())
	into := filepath.Join(t.TempDir(), "new")
	_, err = core.Restore(t.Context(), bytes.NewReader(changed.Bytes()), into, core.Restoring{})
	assert.Equal(t, "blob_damaged", core.Code(err))
	assert.ErrorContains(t, err, damaged.owner)
	assert.ErrorContains(t, err, lost.owner)
	assert.NoDirExists(t, into)
	m, err := core.Restore(t.Context(), bytes.NewReader(changed.Bytes()), into, core.Restoring{SkipDamaged: true})
	require.NoError(t, err)
	assert.Len(t, m.Damaged, 2)
	restored, _ := openMaker(t, into)
	for kind, k := range all {
		err := k.read(restored)
		if k.digest == damaged.digest || k.digest == lost.digest {
			assert.Equal(t, "blob_damaged", core.Code(err), kind)
			continue
		}
		assert.NoError(t, err, kind)
	}
}
