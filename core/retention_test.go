package core_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/work"
)

// writers is a Runner of two plugins whose guests leave an artifact of 64 KiB, and
// fail if they are asked to.
type writers struct{}

const artifactBytes = 64 << 10

func (writers) List() []core.Plugin {
	a, b := newScript().List()[0], newScript().List()[0]
	b.Name, b.Digest = "models", "e"
	return []core.Plugin{a, b}
}

func (writers) Run(ctx context.Context, c work.Call) (work.Report, error) {
	content := make([]byte, artifactBytes)
	copy(content, c.Job) // so that no two are the same
	if err := c.Host.Artifact(ctx, "a.bin", "application/octet-stream", bytes.NewReader(content)); err != nil {
		return work.Report{}, err
	}
	if c.Routine == "fail" {
		return work.Report{}, &job.Error{Code: "guest_error", Title: "it failed"}
	}
	return work.Report{Result: json.RawMessage(`{}`)}, nil
}

// used is the bytes of the files below a folder.
func used(t *testing.T, dir string) (sum int64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // it is gone already
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	}))
	return sum
}

// Rules narrow what is kept by plugin and by outcome; those that fit a job hold all
// together, for the jobs that are there too. The disk is used for what is kept only.
func TestRetentionRulesNarrowByPluginAndOutcome(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keepAll := map[string]core.Retention{"*": {}}
	e, err := core.Open(t.Context(), core.Config{Dir: dir, Sync: ledger.SyncInterval, Limits: core.Limits{Slots: 4, Retention: keepAll}}, writers{})
	require.NoError(t, err)
	t.Cleanup(e.Crash)
	const each = 20
	routines := []string{"test/quick", "test/fail", "models/quick", "models/fail"}
	b, err := e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: func() (jobs []core.BatchJob) {
		for n := range each * len(routines) {
			jobs = append(jobs, core.BatchJob{Request: core.Request{Routine: routines[n%len(routines)], Params: params(n + 1), Cache: "off"}})
		}
		return jobs
	}()})
	require.NoError(t, err)
	eventually(t, "all end", func() bool { b, _ = e.Batch(t.Context(), b.ID); return b.Done })
	before := used(t, filepath.Join(dir, "blobs"))
	require.GreaterOrEqual(t, before, int64(len(routines)*each*artifactBytes))

	left := func() string {
		n := map[string]int{}
		page, err := e.Jobs(t.Context(), core.Filter{Limit: core.MaxPage})
		require.NoError(t, err)
		for _, j := range page.Jobs {
			n[j.Spec.Routine]++
		}
		return fmt.Sprint(n["test/quick"], n["test/fail"], n["models/quick"], n["models/fail"])
	}
	keep := func(r core.Retention) string {
		_, err := e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) {
			l.Retention = map[string]core.Retention{"*": r, "acme": {Count: 1}}
			return l, nil
		})
		require.NoError(t, err)
		_, err = e.Prune(t.Context())
		require.NoError(t, err)
		return left()
	}
	hour := core.Retention{AgeSeconds: 3600}
	assert.Equal(t, "20 20 20 20", keep(hour))
	hour.Rules = []core.RetentionRule{{Phase: job.Completed, Count: 30}}
	assert.Equal(t, "15 20 15 20", keep(hour), "the oldest that completed, whatever ran them")
	hour.Rules = append(hour.Rules, core.RetentionRule{Plugin: "models", Count: 9})
	assert.Equal(t, "15 20 4 5", keep(hour), "the oldest of a plugin, however they ended")
	hour.Rules = append(hour.Rules, core.RetentionRule{Plugin: "test", Phase: job.Failed, AgeSeconds: 1e-9})
	assert.Equal(t, "15 0 4 5", keep(hour), "both")
	hour.Rules = append(hour.Rules, core.RetentionRule{Plugin: "test", Bytes: 3*artifactBytes + 1000})
	assert.Equal(t, "3 0 4 5", keep(hour), "all that fit a job hold")

	eventually(t, "the disk is given back", func() bool {
		return used(t, filepath.Join(dir, "blobs")) < before/len64(routines)
	})
	assert.GreaterOrEqual(t, used(t, filepath.Join(dir, "blobs")), int64(12*artifactBytes), "what is kept is there")
	consistent(t, e)
}

func len64[T any](list []T) int64 { return int64(len(list)) }

func TestRetentionThatCannotBeMeantIsRefused(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), newScript(), core.Limits{})
	day := core.Retention{AgeSeconds: 86400, Count: 100}
	for _, c := range []struct {
		name  string
		r     core.Retention
		field string
		says  string
	}{
		{"negative", core.Retention{Count: -1}, "retention.*", "want 0"},
		{"negative_age", core.Retention{AgeSeconds: -1}, "retention.*.age_seconds", "want 0"},
		{"of_everything", ruled(day, core.RetentionRule{Count: 1}), "retention.*.rules[0]", "names neither"},
		{"no_bound", ruled(day, core.RetentionRule{Plugin: "p"}), "retention.*.rules[0]", "want age_seconds"},
		{"no_plugin", ruled(day, core.RetentionRule{Plugin: "P p", Count: 1}), "retention.*.rules[0].plugin", "such as models"},
		{"not_final", ruled(day, core.RetentionRule{Phase: "succeeded", Count: 1}), "retention.*.rules[0].phase", "want completed"},
		{"not_ended", ruled(day, core.RetentionRule{Phase: job.Running, Count: 1}), "retention.*.rules[0].phase", "want completed"},
		{"twice", ruled(day, core.RetentionRule{Plugin: "p", Count: 1}, core.RetentionRule{Plugin: "p", Bytes: 1}), "retention.*.rules[1]", "rules[0]"},
		{"wider", ruled(day, core.RetentionRule{Phase: job.Failed, AgeSeconds: 86401}), "retention.*.rules[0].age_seconds", "86401 would do nothing: the bound of all of the tenant's jobs, 86400, holds too"},
		{"much_too_old", core.Retention{AgeSeconds: 99999999999}, "retention.*.age_seconds", "99999999999: want 0, which is no bound, to 315360000"},
		{"more", ruled(day, core.RetentionRule{Phase: job.Failed, Count: 101}), "retention.*.rules[0].count", "holds too"},
		{"too_many", ruled(day, make([]core.RetentionRule, 101)...), "retention.*.rules", "limit is 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) {
				l.Retention = map[string]core.Retention{"*": c.r}
				return l, nil
			})
			var bad *core.Invalid
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, c.field, bad.Field)
			assert.Contains(t, bad.Message, c.says)
		})
	}
}

func ruled(r core.Retention, rules ...core.RetentionRule) core.Retention {
	r.Rules = rules
	return r
}
