package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/jsonsize"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
)

// guest is what a routine of greedy does.
type guest func(context.Context, work.Host) (work.Report, error)

// greedy is a Runner whose guests put out more than a record holds. A routine whose
// name starts with "import" is an importer.
type greedy map[string]guest

func (g greedy) List() []core.Plugin {
	p := core.Plugin{Digest: "d", Manifest: routine.Manifest{Name: "greedy", Version: "1.0.0"}}
	for name := range g {
		kind := routine.Analysis
		if strings.HasPrefix(name, "import") {
			kind = routine.Importer
		}
		p.Routines = append(p.Routines, routine.Routine{Name: name, Kind: kind, Params: json.RawMessage(`{"type":"object"}`)})
	}
	return []core.Plugin{p}
}

func (g greedy) Run(ctx context.Context, c work.Call) (work.Report, error) {
	return g[c.Routine](ctx, c.Host)
}

func (g greedy) open(t *testing.T) *core.Engine {
	t.Helper()
	e, err := core.Open(t.Context(), core.Config{Dir: t.TempDir()}, g)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(context.Background())) })
	return e
}

// end runs a routine to its end, and then a small job: that one gets through.
func (g greedy) end(t *testing.T, e *core.Engine, name string) core.Job {
	t.Helper()
	var j core.Job
	for _, next := range []string{name, "small"} {
		found, err := e.Submit(t.Context(), core.Request{Routine: "greedy/" + next, Cache: "off", Limits: &job.Limits{Artifacts: 10_000}})
		require.NoError(t, err)
		found, err = e.Wait(t.Context(), found.ID)
		require.NoError(t, err)
		if next == name {
			j = found
		} else {
			require.Equal(t, job.Completed, found.Phase, "the small job after %s", name)
		}
	}
	data, err := json.Marshal(j.Record)
	require.NoError(t, err)
	require.LessOrEqual(t, len(data), core.MaxRecord)
	return j
}

func small(context.Context, work.Host) (work.Report, error) {
	return work.Report{Result: json.RawMessage(`1`)}, nil
}

// artifacts writes empty artifacts until it is ended.
func artifacts(name, media string) guest {
	return func(ctx context.Context, h work.Host) (work.Report, error) {
		for i := range 10_000 {
			if err := h.Artifact(ctx, fmt.Sprintf("%04d%s", i, name), media, strings.NewReader("")); err != nil {
				return work.Report{}, err
			}
		}
		return work.Report{}, nil
	}
}

// tables writes n tables of that many columns, without a row.
func tables(n, columns int, name string) guest {
	return func(_ context.Context, h work.Host) (work.Report, error) {
		fields := make([]arrow.Field, columns)
		for i := range fields {
			fields[i] = arrow.Field{Name: fmt.Sprint(i, name), Type: table.Int64, Nullable: true}
		}
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
		rows := b.NewRecordBatch()
		for i := range n {
			if err := h.Append(fmt.Sprint("t", i), rows); err != nil {
				return work.Report{}, err
			}
		}
		return work.Report{}, nil
	}
}

func failing(e job.Error) guest {
	return func(context.Context, work.Host) (work.Report, error) {
		mine := e
		return work.Report{}, &mine
	}
}

// worst are characters that take more bytes in JSON than they have, and one that does
// not.
var worst = map[string]string{"bracket": "<", "control": "\x01", "not_text": "\xff", "separator": "\u2028", "plain": "x"}

func TestAJobThatPutsOutMoreThanARecordHoldsEndsWithACode(t *testing.T) {
	t.Parallel()
	g := greedy{
		"small":       small,
		"names":       artifacts(strings.Repeat("a", 124), strings.Repeat("<", job.MaxMediaType)),
		"media_types": artifacts("a", strings.Repeat("\x01", job.MaxMediaType)),
		"media_type":  artifacts("a", strings.Repeat("a", job.MaxMediaType+1)),
		"tables":      tables(job.MaxTables+1, 1, ""),
		"rows": func(ctx context.Context, h work.Host) (work.Report, error) {
			if _, err := tables(1, 100, strings.Repeat("x", 1000))(ctx, h); err != nil {
				return work.Report{}, err
			}
			return tables(1, 100, strings.Repeat("y", 1000))(ctx, h)
		},
	}
	e := g.open(t)
	for name, want := range map[string]struct{ code, says string }{
		"names":       {"artifact_limit", "shorten names and media types"},
		"media_types": {"artifact_limit", "shorten names and media types"},
		"media_type":  {"abi_violation", "has 201 bytes: the limit is 200"},
		"tables":      {"output_limit", "table limit (64) reached"},
		"rows":        {"abi_violation", jsonsize.Mark},
	} {
		t.Run(name, func(t *testing.T) {
			j := g.end(t, e, name)
			require.NotNil(t, j.Outcome.Error)
			assert.Equal(t, want.code, j.Outcome.Error.Code)
			assert.Contains(t, j.Outcome.Error.Detail, want.says)
		})
	}
	consistent(t, e)
}

func TestWhatAGuestSaysIsCutForTheRecord(t *testing.T) {
	t.Parallel()
	for name, character := range worst {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Repeat(character, 50_000)
			frames := make([]string, 60)
			for i := range frames {
				frames[i] = text
			}
			g := greedy{
				"small": small,
				"crash": failing(job.Error{Code: "guest_trap", Title: text, Detail: text, Stack: frames}),
				"progress": func(_ context.Context, h work.Host) (work.Report, error) {
					h.Progress(0.5, text)
					return work.Report{}, nil
				},
			}
			e := g.open(t)
			failed := g.end(t, e, "crash").Outcome.Error
			require.NotNil(t, failed)
			assert.Equal(t, "guest_trap", failed.Code)
			assert.True(t, strings.HasSuffix(failed.Title, jsonsize.Mark))
			assert.True(t, strings.HasSuffix(failed.Detail, jsonsize.Mark))
			require.Len(t, failed.Stack, job.MaxFrames)
			assert.True(t, strings.HasSuffix(failed.Stack[0], jsonsize.Mark))
			assert.Equal(t, "… 11 more frames", failed.Stack[job.MaxFrames-1])
			assert.True(t, strings.HasSuffix(g.end(t, e, "progress").Outcome.Progress.Message, jsonsize.Mark))
		})
	}
}

// A result is in the record if it is small there, not if it is small as the guest wrote
// it.
func TestAResultIsInTheRecordByItsSizeThere(t *testing.T) {
	t.Parallel()
	result := func(text string) guest {
		return func(context.Context, work.Host) (work.Report, error) {
			return work.Report{Result: json.RawMessage(`"` + text + `"`)}, nil
		}
	}
	g := greedy{
		"small":    small,
		"plain":    result(strings.Repeat("x", job.MaxResult-2)),
		"larger":   result(strings.Repeat("x", job.MaxResult-1)),
		"brackets": result(strings.Repeat("<", job.MaxResult/2)),
	}
	e := g.open(t)
	assert.Len(t, g.end(t, e, "plain").Outcome.Result, job.MaxResult)
	for _, name := range []string{"larger", "brackets"} {
		o := g.end(t, e, name).Outcome
		assert.Nil(t, o.Result, name)
		require.NotNil(t, o.ResultRef, name)
	}
}

// csv is a table of one row of numbers.
func csv(columns int, name func(int) string) string {
	names, ones := make([]string, columns), make([]string, columns)
	for i := range names {
		names[i], ones[i] = name(i), "1"
	}
	return strings.Join(names, ",") + "\n" + strings.Join(ones, ",") + "\n"
}

func TestADatasetIsRefusedBeforeItsRecordIsTooLarge(t *testing.T) {
	t.Parallel()
	e := greedy{"small": small}.open(t)
	plain := func(n int) func(int) string {
		return func(i int) string { return fmt.Sprintf("%04d%s", i, strings.Repeat("x", n-4)) }
	}
	control := func(n int) func(int) string {
		return func(i int) string { return fmt.Sprintf("%04d%s", i, strings.Repeat("\x01", n-4)) }
	}
	for name, c := range map[string]struct {
		text string
		fits bool
	}{
		"the_most_columns_at_the_limit": {csv(4096, plain(126)), true},
		"the_most_columns_beyond_it":    {csv(4096, plain(127)), false},
		"long_names_at_the_limit":       {csv(510, plain(1024)), true},
		"long_names_beyond_it":          {csv(512, plain(1024)), false},
		"a_thousand_long_names":         {csv(1100, plain(1005)), false},
		"control_characters_within":     {csv(80, control(1024)), true},
		"control_characters_beyond":     {csv(90, control(1024)), false},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := e.PutDataset(t.Context(), "wide", table.CSV, strings.NewReader(c.text), nil)
			if c.fits {
				require.NoError(t, err)
				assert.Equal(t, int64(1), d.Tables[0].Rows)
			} else {
				assert.Equal(t, "table_too_wide", core.Code(err), "%v", err)
				assert.ErrorContains(t, err, "the limit is 524288")
			}
			_, err = e.PutDataset(t.Context(), "small", table.CSV, strings.NewReader("a\n1\n"), nil)
			require.NoError(t, err)
		})
	}
	consistent(t, e)
}

func TestAnImportersTablesFitIntoTheRecordTogether(t *testing.T) {
	t.Parallel()
	g := greedy{
		"small":       small,
		"import-one":  tables(1, 2000, strings.Repeat("x", 240)),
		"import-two":  tables(2, 2000, strings.Repeat("x", 240)),
		"import-many": tables(job.MaxTables, 200, strings.Repeat("x", 40)),
	}
	e := g.open(t)
	put := func(importer string) error {
		how := core.Importing{Request: core.Request{Routine: "greedy/" + importer}, Limit: 10}
		_, err := e.ImportDataset(t.Context(), "d", how, strings.NewReader("x"))
		return err
	}
	require.NoError(t, put("import-one"))
	how := core.Importing{Request: core.Request{Routine: "greedy/import-one"}, Limit: 10}
	_, err := e.ImportDataset(t.Context(), strings.Repeat("d", 128), how, strings.NewReader("x"))
	require.NoError(t, err, "a name that is longer than labels are")
	for _, name := range []string{"import-two", "import-many"} {
		err := put(name)
		assert.Equal(t, "table_too_wide", core.Code(err), "%v", err)
		assert.ErrorContains(t, err, "in the record of the dataset")
	}
	consistent(t, e)
}

func TestABulkIsRefusedForAFilterThatNoJobFits(t *testing.T) {
	t.Parallel()
	e := greedy{"small": small}.open(t)
	long := strings.Repeat("<", 900_000)
	labels := map[string]string{}
	for i := range core.MaxLabels + 1 {
		labels[fmt.Sprint(i)] = "x"
	}
	for field, f := range map[string]core.Filter{
		"filter.phase":   {Phase: job.Phase(long)},
		"filter.kind":    {Kind: routine.Kind(long)},
		"filter.plugin":  {Plugin: long},
		"filter.routine": {Routine: long},
		"filter.tenant":  {Tenant: long},
		"filter.batch":   {Batch: long},
		"filter.origin":  {Origin: long},
		"filter.labels":  {Labels: map[string]string{"a": long}},
		"filter.labels ": {Labels: map[string]string{long: "a"}},
		"filter.labels*": {Labels: labels},
	} {
		_, err := e.StartBulk(t.Context(), "stop", f, false)
		var bad *core.Invalid
		require.ErrorAs(t, err, &bad, field)
		assert.Equal(t, strings.TrimRight(field, " *"), bad.Field)
		assert.Less(t, len(bad.Message), 200, "the message does not repeat it")
		_, err = e.Jobs(t.Context(), f)
		require.ErrorAs(t, err, &bad, field)
	}
	b := throughBulk(t, e, "stop", core.Filter{Plugin: strings.Repeat("p", 64) + "@" + strings.Repeat("1", 64)})
	assert.Equal(t, core.BulkCompleted, b.State)
}

func TestLimitsAreTakenAsLongAsTheirRecordHasRoom(t *testing.T) {
	t.Parallel()
	const entries, rules = 512, 1000
	e := greedy{"small": small}.open(t)
	full := e.Limits()
	name := func(i int) string { return fmt.Sprintf("%04d%s", i, strings.Repeat("n", 60)) }
	full.Retention = map[string]core.Retention{}
	for i := range entries {
		full.TenantSlots[name(i)], full.PluginSlots[name(i)], full.NodeSlots[name(i)] = 4096, 4096, 4096
		full.Locks[name(i)+name(i)] = 4096
		full.TenantQueueCap[name(i)], full.PluginQueueCap[name(i)] = 10_000_000, 10_000_000
		full.TenantWeights[name(i)] = 0.1234567890123456
		full.Retention[name(i)] = core.Retention{AgeSeconds: 123456.123456789, Count: 1e15, Bytes: 1e18}
	}
	for i := range rules {
		r := full.Retention[name(i%entries)]
		r.Rules = append(r.Rules, core.RetentionRule{Plugin: name(i), Phase: job.Completed, AgeSeconds: 12345.123456789, Count: 1e15, Bytes: 1e18})
		full.Retention[name(i%entries)] = r
	}
	require.NoError(t, e.SetLimits(t.Context(), full))

	for field, add := range map[string]func(*core.Limits){
		"tenant_slots":     func(l *core.Limits) { l.TenantSlots["more"] = 1 },
		"plugin_slots":     func(l *core.Limits) { l.PluginSlots["more"] = 1 },
		"node_slots":       func(l *core.Limits) { l.NodeSlots["more"] = 1 },
		"node_slots ":      func(l *core.Limits) { l.NodeSlots = map[string]int{strings.Repeat("n", 65): 1} },
		"locks":            func(l *core.Limits) { l.Locks["more"] = 1 },
		"tenant_queue_cap": func(l *core.Limits) { l.TenantQueueCap["more"] = 1 },
		"plugin_queue_cap": func(l *core.Limits) { l.PluginQueueCap["more"] = 1 },
		"tenant_weights":   func(l *core.Limits) { l.TenantWeights["more"] = 1 },
		"retention":        func(l *core.Limits) { l.Retention["more"] = core.Retention{} },
		"retention ": func(l *core.Limits) {
			r := l.Retention[name(0)]
			r.Rules = append(r.Rules, core.RetentionRule{Plugin: "more", Count: 1})
			l.Retention[name(0)] = r
		},
	} {
		_, err := e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) { add(&l); return l, nil })
		var bad *core.Invalid
		require.ErrorAs(t, err, &bad, field)
		assert.Equal(t, strings.TrimSpace(field), bad.Field)
	}
}

// The largest requests that are taken are written, and what is beyond is refused at
// once.
func TestTheLargestRequestsAreWritten(t *testing.T) {
	t.Parallel()
	g := greedy{"small": small}
	e := g.open(t)
	first := g.end(t, e, "small")
	req := core.Request{
		Routine: "greedy/small", Params: json.RawMessage(`{"x":"` + strings.Repeat("<", job.MaxParams/jsonsize.PerByte-10) + `"}`),
		Labels: map[string]string{}, Key: strings.Repeat("\x01", core.MaxKey),
	}
	for i := range core.MaxLabels {
		req.Labels[fmt.Sprintf("%02d%s", i, strings.Repeat("\x01", core.MaxLabelLength-2))] = strings.Repeat("<", core.MaxLabelLength)
		req.Locks = append(req.Locks, job.Lock{Name: fmt.Sprintf("%0128d", i)})
	}
	for range core.MaxAfter {
		req.After = append(req.After, first.ID)
	}
	j, err := e.Submit(t.Context(), req)
	require.NoError(t, err)
	j, err = e.Wait(t.Context(), j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Completed, j.Phase)
	_, err = e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: many(1, "greedy/small"), Labels: req.Labels, Key: req.Key})
	require.NoError(t, err)

	more := req
	more.Params, more.Key = json.RawMessage(`{"x":"`+strings.Repeat("<", job.MaxParams/jsonsize.PerByte)+`"}`), ""
	_, err = e.Submit(t.Context(), more)
	assert.ErrorContains(t, err, "params: ")
	assert.ErrorContains(t, err, "the limit is 262144")
}

// A table of a job that has not written it yet can have any name that tables have, and
// no other.
func TestATableThatIsNotThereYetIsNamedAsTablesAre(t *testing.T) {
	t.Parallel()
	s := newScript()
	e := open(t, t.TempDir(), s, core.Limits{Slots: 1})
	parent := submit(t, e, "wait")
	read := func(tbl string) error {
		_, err := e.Submit(t.Context(), core.Request{Routine: "test/reads", Inputs: map[string]string{"data": "job:" + parent.ID + "/" + tbl}})
		return err
	}
	require.NoError(t, read(strings.Repeat("t", job.MaxOutputName)))
	for _, name := range []string{strings.Repeat("t", job.MaxOutputName+1), strings.Repeat("\x01", 900_000), "a/b", "<"} {
		err := read(name)
		assert.Equal(t, "invalid", core.Code(err), "%.40q", name)
		assert.Less(t, len(err.Error()), 1000)
	}
}

func TestANodeHasAShortName(t *testing.T) {
	t.Parallel()
	_, err := core.Open(t.Context(), core.Config{Dir: t.TempDir(), Node: strings.Repeat("<", 1<<20)}, newScript())
	require.ErrorContains(t, err, "node name")
	assert.Less(t, len(err.Error()), 1000)
}
