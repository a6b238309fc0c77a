package core

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core/job"
	"thresher/core/jsonsize"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/core/table"
)

// big makes values that are as large as the checks let them be.
type big struct{ *rapid.T }

// Bytes of text at its worst: six of JSON each, or plain.
func (b big) text(bytes int) string {
	piece := rapid.SampledFrom([]string{"\x01", "<", "&", "\x1f", "a"}).Draw(b.T, "piece")
	return strings.Repeat(piece, bytes)
}

// noise is text with anything in it, of no bound.
func (b big) noise() string {
	piece := rapid.SampledFrom([]string{"\x01", "<", "\xff", "\u2028", `"`, "é", "a", "\n"}).Draw(b.T, "noise")
	return strings.Repeat(piece, rapid.SampledFrom([]int{0, 1, 399, 400, 8192, 100_000}).Draw(b.T, "times"))
}

// raw is JSON that is as large as the bound allows.
func (b big) raw(bound int) json.RawMessage {
	piece := rapid.SampledFrom([]string{"<", "a", "é", "\u2028", `\u0001`}).Draw(b.T, "piece")
	raw := json.RawMessage(`"` + strings.Repeat(piece, (bound-2)/jsonsize.Raw([]byte(piece))) + `"`)
	require.LessOrEqual(b.T, jsonsize.Raw(raw), bound)
	return raw
}

func name(n int, of string, i int) string {
	s := fmt.Sprintf("%d", i)
	return s + strings.Repeat(of, n-len(s))
}

func (b big) labels() map[string]string {
	labels, v := map[string]string{}, b.text(MaxLabelLength)
	for i := range MaxLabels {
		labels[name(MaxLabelLength, "\x01", i)] = v
	}
	require.NoError(b.T, checkLabels(labels))
	return labels
}

func (b big) filter() Filter {
	return Filter{
		Phase: job.Completed, Kind: routine.Simulation, Plugin: b.text(maxPinned), Routine: b.text(maxRef), Tenant: b.text(maxName),
		Batch: b.text(maxID), Origin: b.text(maxID), Bulk: b.text(maxID), Labels: b.labels(), LabelPrefixes: b.labels(), Error: b.text(maxName), Text: "a" + b.text(maxText-1), Phases: job.Phases, From: longTime, To: longTime,
	}
}

var (
	longTime   = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("", -14*3600))
	longID     = strings.Repeat("0", maxID)
	longDigest = strings.Repeat("f", 64)
	longFloat  = -math.MaxFloat64
)

func (b big) request() *job.Request { return &job.Request{Key: b.text(MaxKey), Digest: longDigest} }

func (b big) spec() job.Spec {
	plugin, version := strings.Repeat("p", maxName), "1.0.0-"+strings.Repeat("v", routine.MaxVersion-6)
	require.True(b.T, routine.ValidName(plugin) && routine.ValidVersion(version))
	s := job.Spec{
		Routine: plugin + "/" + plugin, Version: version, Digest: longDigest, Kind: routine.Simulation,
		Params: b.raw(job.MaxParams), Inputs: map[string]job.Input{}, Seed: math.MaxUint64, Labels: b.labels(), Priority: job.Low,
		Limits: longLimits, Batch: longID, Origin: longID, Root: longID, Bulk: longID, CacheKey: longDigest, QueueKey: longDigest, Request: b.request(),
	}
	for i := range job.MaxTables {
		s.Inputs[name(maxName, "i", i)] = job.Input{
			Source: strings.Repeat("s", maxDatasetName) + "/" + name(job.MaxOutputName, "t", i),
			Job:    longID, Table: name(job.MaxOutputName, "t", i), Digest: longDigest,
		}
	}
	for i := range MaxLocks {
		s.Locks = append(s.Locks, job.Lock{Name: name(maxLockName, "l", i), Limit: maxSlots})
	}
	_, err := locksOf(s.Locks)
	require.NoError(b.T, err)
	for range MaxAfter {
		s.After = append(s.After, longID)
	}
	return s
}

var longLimits = job.Limits{
	MemoryBytes: math.MinInt64, WallSeconds: longFloat, CPUSeconds: longFloat, Gas: math.MinInt64,
	OutputBytes: math.MinInt64, Artifacts: math.MinInt64, LogBytes: math.MinInt64,
}

func (b big) outcome() job.Outcome {
	blob := job.Blob{Digest: longDigest, Bytes: math.MaxInt64}
	o := job.Outcome{
		Result: b.raw(job.MaxResult), ResultRef: &blob, Log: &job.Log{Blob: blob, Dropped: math.MaxInt64},
		Progress: &job.Progress{Fraction: longFloat, Message: jsonsize.Cut(b.noise(), job.MaxProgress)},
		Usage: job.Usage{WallSeconds: longFloat, CPUSeconds: longFloat, Gas: math.MinInt64, PeakMemoryBytes: math.MinInt64,
			OutputBytes: math.MinInt64, LogBytes: math.MinInt64},
		Error: &job.Error{Code: b.noise() + "c", Title: b.noise() + "t", Detail: b.noise() + "d", Stack: []string{"f"}},
	}
	for range rapid.SampledFrom([]int{1, job.MaxFrames - 1, job.MaxFrames, 500}).Draw(b.T, "frames") {
		o.Error.Stack = append(o.Error.Stack, b.noise())
	}
	for i := range job.MaxTables {
		o.Tables = append(o.Tables, job.Table{Name: name(job.MaxOutputName, "t", i), Rows: math.MaxInt64, Blob: blob})
	}
	media := b.text(rapid.IntRange(1, job.MaxMediaType).Draw(b.T, "media"))
	for i, listed := 0, 0; ; i++ {
		a := job.Artifact{Name: name(job.MaxOutputName, "a", i), Media: media, Blob: blob}
		if listed += a.JSONBytes(); listed > job.MaxArtifactList {
			return o
		}
		o.Artifacts = append(o.Artifacts, a)
	}
}

// job is a record that ended, with all that a live one has too.
func (b big) job() job.Record {
	r := job.Record{
		ID: longID, Tenant: strings.Repeat("t", maxName), Spec: b.spec(), Desired: job.WantRun, Phase: job.Running,
		Lease: &job.Lease{Node: strings.Repeat("n", maxName), Since: longTime}, Epoch: math.MaxUint64, Attempt: math.MaxInt64,
		Losses: math.MaxInt64, LocksSince: &longTime, Created: longTime, Started: &longTime, CacheHit: longID, Pinned: true,
	}
	lease, locksSince := r.Lease, r.LocksSince
	r, err := job.Apply(r, job.Finish{Epoch: r.Epoch, Outcome: b.outcome(), At: longTime})
	require.NoError(b.T, err)
	r.Lease, r.LocksSince = lease, locksSince
	for n := range job.MaxAttempts {
		r.Attempts = append(r.Attempts, job.Attempt{
			Number: math.MaxInt64 - n, Node: lease.Node, Started: &longTime, Ended: longTime, Ending: job.AttemptHandedBack,
			Left: job.Left{Progress: r.Outcome.Progress, Usage: r.Outcome.Usage, Log: r.Outcome.Log},
		})
	}
	r.AttemptsDropped = math.MaxInt64
	return r
}

func (b big) dataset() Dataset {
	d := Dataset{Name: strings.Repeat("d", maxDatasetName), Created: longTime, Revision: math.MaxUint64}
	tables := rapid.SampledFrom([]int{1, 2, job.MaxTables}).Draw(b.T, "tables")
	for i := range tables {
		t := DatasetTable{Name: name(job.MaxOutputName, "t", i), Digest: longDigest, Bytes: math.MaxInt64, Info: table.Info{Rows: math.MaxInt64}}
		piece := rapid.SampledFrom([]string{"x", "<", "\x01", "é"}).Draw(b.T, "piece")
		columns := rapid.SampledFrom([]int{1, 600, table.MaxColumns}).Draw(b.T, "columns")
		room := min(table.MaxNames/columns-2, jsonsize.PerByte*1024)
		for range columns {
			t.Columns = append(t.Columns, table.Column{Name: strings.Repeat(piece, room/(jsonsize.String(piece)-2)), Type: "timestamp", Nulls: math.MaxInt64})
		}
		if checkTables(append(d.Tables, t)) != nil {
			require.NotEmpty(b.T, d.Tables, "the largest table that can be imported fits alone")
			break
		}
		d.Tables = append(d.Tables, t)
	}
	return d
}

func (b big) settings() Limits {
	l := Limits{
		Slots: maxSlots, MemoryBytes: math.MinInt64, QueueCap: maxQueueCap, AgeingSeconds: longFloat, PatienceSeconds: longFloat,
		CacheSeconds: longFloat, Job: longLimits, MaxJob: longLimits,
		TenantWeights: map[string]float64{}, Retention: map[string]Retention{},
	}
	for _, m := range []*map[string]int{&l.TenantSlots, &l.PluginSlots, &l.NodeSlots, &l.Locks, &l.TenantQueueCap, &l.PluginQueueCap} {
		*m = map[string]int{}
	}
	for i := range maxEntries {
		n := name(maxName, "n", i)
		l.TenantSlots[n], l.PluginSlots[n], l.NodeSlots[n] = maxSlots, maxSlots, maxSlots
		l.TenantQueueCap[n], l.PluginQueueCap[n], l.TenantWeights[n] = maxQueueCap, maxQueueCap, math.SmallestNonzeroFloat64
		l.Locks[name(maxLockName, "l", i)] = maxSlots
		l.Retention[n] = Retention{AgeSeconds: longFloat, Count: math.MaxInt64, Bytes: math.MaxInt64, Rules: []RetentionRule{}}
	}
	tenants := rapid.SampledFrom([]int{maxRules / maxTenantRules, maxEntries}).Draw(b.T, "tenants with rules")
	for i := range maxRules {
		n := name(maxName, "n", i%tenants)
		r := l.Retention[n]
		r.Rules = append(r.Rules, RetentionRule{
			Plugin: name(maxName, "p", i), Phase: job.Completed, AgeSeconds: longFloat, Count: math.MaxInt64, Bytes: math.MaxInt64,
		})
		l.Retention[n] = r
	}
	require.NoError(b.T, l.checkSizes())
	return l
}

func (b big) bulk() bulkRecord {
	f := b.filter()
	require.NoError(b.T, f.check(""))
	reasons := map[string]int{}
	for i := range maxCodes {
		reasons[name(maxName, "r", i)] = math.MaxInt64
	}
	return bulkRecord{
		Bulk: Bulk{
			ID: longID, Reasons: reasons, Failures: reasons, Action: "resume", Filter: f, StoppedBy: longID,
			Jobs: math.MaxInt64, Done: math.MaxInt64, Skipped: math.MaxInt64, Failed: math.MaxInt64,
			Waiting: &BulkWaiting{On: waitsForDisk}, State: BulkInterrupted, Late: true, Created: longTime, Ended: &longTime,
		},
		Chunk: slices.Repeat([]string{longID}, together), Cursor: ledger.Cursor(math.MaxUint64),
	}
}

func (b big) batch() batchRecord {
	return batchRecord{
		ID: longID, Tenant: strings.Repeat("t", maxName), Created: longTime, Labels: b.labels(), Running: maxSlots,
		Written: true, Request: b.request(), Desired: job.WantPause, By: longID, Total: math.MaxInt64, Added: math.MaxInt64,
	}
}

// TestTheLargestRecordFits makes records of parts that the checks let through, each as
// large as it may be: whatever they have of it, the record can be written.
func TestTheLargestRecordFits(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct {
		bound int
		draws int // each is up to a megabyte
		make  func(big) any
	}{
		"job":      {maxJobRecord, 15, func(b big) any { return b.job() }},
		"dataset":  {maxDatasetRecord, 15, func(b big) any { return b.dataset() }},
		"settings": {maxSettingsRecord, 5, func(b big) any { return b.settings() }},
		"bulk":     {maxBulkRecord, 100, func(b big) any { return b.bulk() }},
		"batch":    {maxBatchRecord, 100, func(b big) any { return b.batch() }},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			records := rapid.Custom(func(t *rapid.T) any { return c.make(big{t}) })
			for seed := range c.draws {
				data, err := json.Marshal(records.Example(seed))
				require.NoError(t, err)
				require.LessOrEqual(t, len(data), c.bound, "seed %d", seed)
			}
		})
	}
}

// TestTheLargestRecordHasEveryField fails for a field that the records above do not
// have: who adds a field gives it a bound, and adds it there and to the sums.
func TestTheLargestRecordHasEveryField(t *testing.T) {
	t.Parallel()
	records := rapid.Custom(func(t *rapid.T) []any {
		b := big{t}
		return []any{b.job(), b.dataset(), b.settings(), b.bulk(), b.batch()}
	})
	for _, v := range records.Example(0) {
		all := reflect.ValueOf(v)
		mustBeSet(t, all.Type().Name(), all)
	}
}

func mustBeSet(t require.TestingT, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		require.False(t, v.IsNil(), path)
		mustBeSet(t, path, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Tag.Get("json") == "-" || f.Name == "Message" { // not in the record; may be empty
				continue
			}
			mustBeSet(t, path+"."+f.Name, v.Field(i))
		}
	case reflect.Slice:
		require.NotZero(t, v.Len(), path)
		mustBeSet(t, path+"[0]", v.Index(0))
	case reflect.Map:
		require.NotZero(t, v.Len(), path)
		for all := v.MapRange(); all.Next(); {
			if first := fmt.Sprint(all.Key()); first[0] == '0' { // as name has it
				mustBeSet(t, path+"["+first+"]", all.Value())
			}
		}
	case reflect.String, reflect.Int, reflect.Int8, reflect.Uint8, reflect.Int64, reflect.Uint64, reflect.Float64, reflect.Bool:
		require.False(t, v.IsZero(), path)
	default:
		require.Fail(t, "a kind of field that this test does not know", "%s: %s", path, v.Kind())
	}
}

// A default server takes as many artifacts as its limit says, with the longest names.
func TestTheDefaultNumberOfArtifactsFitsIntoTheirList(t *testing.T) {
	t.Parallel()
	one := job.Artifact{Name: strings.Repeat("a", job.MaxOutputName), Media: "application/vnd.apache.arrow.stream",
		Blob: job.Blob{Digest: longDigest, Bytes: math.MaxInt32}}
	assert.LessOrEqual(t, job.MaxArtifacts*one.JSONBytes(), job.MaxArtifactList)
	assert.Equal(t, job.MaxArtifacts, DefaultLimits().Job.Artifacts)
}
