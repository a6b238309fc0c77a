package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/stats/kernel"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/abi"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/hostile"
	"thresher/plugins/sdk/go/vector/exercise"
)

var kernelGuest struct {
	sync.Once
	host   *Host
	digest string
	err    error
}

// loadKernels returns a host with the guest that calls kernels, shared by the tests.
func loadKernels(t testing.TB) (*Host, string) {
	t.Helper()
	wasm := guesttest.Build(t, "thresher/plugins/sdk/go/vector/guest")
	kernelGuest.Do(func() {
		ctx := context.Background()
		if kernelGuest.host, kernelGuest.err = New(ctx, Config{CacheDir: guesttest.CacheDir(t)}); kernelGuest.err != nil {
			return
		}
		p, err := kernelGuest.host.Load(ctx, wasm, false)
		kernelGuest.digest, kernelGuest.err = p.Digest, err
	})
	require.NoError(t, kernelGuest.err)
	return kernelGuest.host, kernelGuest.digest
}

func kernelsCall(digest, routineName, params string, seed uint64, host work.Host) work.Call {
	return work.Call{
		Job: "J", Digest: digest, Routine: routineName, Kind: routine.Analysis, Params: json.RawMessage(params), Seed: seed, Host: host,
		Limits: job.Limits{MemoryBytes: 2 << 30, OutputBytes: 1 << 20, LogBytes: 1 << 20},
	}
}

// tableOf writes a table of the data in batches of that many rows.
func tableOf(t testing.TB, d exercise.Data, rowsPerBatch int) *table.File {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "x", Type: table.Float64, Nullable: true},
		{Name: "y", Type: table.Float64, Nullable: true},
		{Name: "ints", Type: table.Int64, Nullable: true},
		{Name: "text", Type: table.String, Nullable: true},
	}, nil)
	w, err := table.Create(t.TempDir(), schema)
	require.NoError(t, err)
	for from := 0; from < len(d.X); from += rowsPerBatch {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for i := from; i < min(from+rowsPerBatch, len(d.X)); i++ {
			valid := d.Validity[i/8]>>(i%8)&1 == 1
			appendTo(b, d, i, valid)
		}
		batch := b.NewRecordBatch()
		require.NoError(t, w.Append(batch))
		batch.Release()
		b.Release()
	}
	sealed, err := w.Seal()
	require.NoError(t, err)
	return opened(t, sealed.Path)
}

func appendTo(b *array.RecordBuilder, d exercise.Data, i int, valid bool) {
	b.Field(0).(*array.Float64Builder).AppendValues(d.X[i:i+1], []bool{valid})
	b.Field(1).(*array.Float64Builder).AppendValues(d.Y[i:i+1], []bool{valid})
	b.Field(2).(*array.Int64Builder).AppendValues(d.Ints[i:i+1], []bool{valid})
	b.Field(3).(*array.StringBuilder).AppendValues([]string{d.Text(i)}, []bool{valid})
}

func TestKernelsAnswerAGuestAsTheyAnswerTheHost(t *testing.T) {
	t.Parallel()
	h, digest := loadKernels(t)
	for _, rows := range []int{0, 1, 7, 1000, 1024, 3000, 70_000} {
		for seed := range uint64(4) { // each a kind of values
			for _, nulls := range []bool{false, true} {
				t.Run(fmt.Sprintf("rows=%d/seed=%d/nulls=%v", rows, seed, nulls), func(t *testing.T) {
					if testing.Short() && rows > 3000 && (seed > 0 || !nulls) {
						t.Skip("long: make test-long runs it; with fewer rows every kind of values is tried here")
					}
					t.Parallel()
					d := exercise.Make(rows, seed, nulls)
					x, y, ints := d.Vectors(nulls)
					want := exercise.Every(x, y, ints, d.Texts(nulls))
					params := fmt.Sprintf(`{"rows":%d,"nulls":%v}`, rows, nulls)
					report, err := h.Run(t.Context(), kernelsCall(digest, "memory", params, seed, newRecorder(t)))
					require.NoError(t, err)
					assert.Equal(t, want, decoded(t, report), "on memory")
					if rows == 0 {
						return
					}
					c := kernelsCall(digest, "column", `{}`, seed, newRecorder(t))
					c.Inputs = map[string]*table.File{"data": tableOf(t, d, 1111)}
					report, err = h.Run(t.Context(), c)
					require.NoError(t, err)
					assert.Equal(t, want, decoded(t, report), "on columns")
				})
			}
		}
	}
}

func decoded(t *testing.T, report work.Report) (result map[string][]uint64) {
	t.Helper()
	require.NoError(t, json.Unmarshal(report.Result, &result))
	return result
}

// refusing notes when the gate first refused to let the guest go on.
type refusing struct {
	*recorder
	at time.Time
}

func (r *refusing) Gate(ctx context.Context) error {
	err := r.recorder.Gate(ctx)
	if err != nil && r.at.IsZero() {
		r.at = time.Now()
	}
	return err
}

func TestALongSortObeysAStop(t *testing.T) {
	t.Parallel()
	h, digest := loadKernels(t)
	const rows = 10_000_000
	why := errors.New("stop the sort")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r := newRecorder(t)
	sorting := 0
	var stopped time.Time
	r.onCall = func(n int) error {
		if sorting == 0 && r.log.Len() > 0 {
			sorting = n
		}
		if sorting > 0 && n == sorting+20 { // well inside
			cancel(why)
			stopped = time.Now()
		}
		return nil
	}
	host := &refusing{recorder: r}
	_, err := h.Run(ctx, kernelsCall(digest, "sort_long", fmt.Sprintf(`{"rows":%d}`, rows), 1, host))
	assert.ErrorIs(t, err, why)
	assert.Positive(t, sorting)
	assert.LessOrEqual(t, r.calls, sorting+21, "it went on for no more than one charge")
	t.Logf("the sort ended %v after the stop, and %v later its memory was given back", host.at.Sub(stopped), time.Since(host.at))
}

func TestWhatKernelsPassOverIsPaidFor(t *testing.T) {
	t.Parallel()
	h, digest := loadKernels(t)
	used := func(repeat int) int64 {
		params := fmt.Sprintf(`{"kernel":"sum","how":"kernel","rows":1048576,"repeat":%d}`, repeat)
		report, err := h.Run(t.Context(), kernelsCall(digest, "measure", params, 1, newRecorder(t)))
		require.NoError(t, err)
		return report.Gas
	}
	twenty := used(20)
	assert.Equal(t, twenty, used(20), "it follows from what the guest did")
	assert.GreaterOrEqual(t, twenty-used(0), int64(20<<20))

	c := kernelsCall(digest, "sort_long", `{"rows":500000}`, 1, newRecorder(t))
	report, err := h.Run(t.Context(), c)
	require.NoError(t, err)
	assert.JSONEq(t, "true", string(report.Result), "it is sorted")
	c.Limits.Gas = report.Gas - 2_500_000 // in the middle of the sort
	_, err = h.Run(t.Context(), c)
	assert.Equal(t, "gas_limit", failure(t, err).Code)
}

// stored writes a descriptor to memory.
func stored(at int32, v abi.Vector) []byte {
	words := []int32{
		v.Input, v.Column, int32(v.From), int32(v.From >> 32), int32(v.Rows), int32(v.Rows >> 32),
		int32(v.Validity), int32(v.Reserved),
	}
	var code []byte
	for i, w := range words {
		code = append(code, hostile.Store(at+int32(4*i), w)...)
	}
	return code
}

// calls is a module that stores two vectors, at 0 and 32, calls a kernel and
// returns 0 if it answers as expected.
func calls(name string, v, w abi.Vector, want int64, args ...[]byte) hostile.Module {
	const notEqual = 0x52 // i64.ne
	code := hostile.Code(stored(0, v), stored(32, w))
	code = hostile.Code(code, hostile.Code(args...), hostile.Call(0), hostile.I64Const(want), []byte{notEqual})
	return hostile.Module{Imports: []hostile.Function{imported(abi.Module, name, hostFunctions[name])}, Run: code, Pages: 2, DataAt: 100_000}
}

// Memory is two pages of zeros, but for the descriptors at 0 and 32, and for the
// manifest.
func TestKernelsCheckTheirArguments(t *testing.T) {
	t.Parallel()
	n := func(v int32) []byte { return hostile.I32Const(v) }
	floats := abi.Vector{Input: abi.InMemory, From: 4096, Rows: 100}
	ints := abi.Vector{Input: abi.InMemory, Column: abi.Ints, From: 4096, Rows: 100}
	with := func(v abi.Vector, change func(*abi.Vector)) abi.Vector { change(&v); return v }
	for name, c := range map[string]struct {
		module hostile.Module
		says   string // empty: it answers as expected
	}{
		"fits":                 {calls("vector_sum", floats, floats, 100, n(0), n(2048)), ""},
		"nothing":              {calls("vector_sum", abi.Vector{Input: abi.InMemory}, floats, 0, n(0), n(2048)), ""},
		"unaligned_nothing":    {calls("vector_sum", abi.Vector{Input: abi.InMemory, From: 3}, floats, 0, n(0), n(2048)), ""},
		"descriptor_outside":   {calls("vector_sum", floats, floats, 0, n(131_048), n(2048)), "outside the memory"},
		"descriptor_unaligned": {calls("vector_sum", floats, floats, 0, n(4), n(2048)), "multiple of 8"},
		"values_unaligned":     {calls("vector_sum", with(floats, func(v *abi.Vector) { v.From = 4100 }), floats, 0, n(0), n(2048)), "multiple of 8"},
		"values_outside":       {calls("vector_sum", with(floats, func(v *abi.Vector) { v.From = 131_072 - 792 }), floats, 0, n(0), n(2048)), "outside the memory"},
		"address_beyond_4_gib": {calls("vector_sum", with(floats, func(v *abi.Vector) { v.From = 1<<32 + 4096 }), floats, 0, n(0), n(2048)), "outside the memory"},
		"rows_wrap_around":     {calls("vector_sum", with(floats, func(v *abi.Vector) { v.Rows = 1<<61 + 1 }), floats, 0, n(0), n(2048)), "outside the memory"},
		"rows_all_bits":        {calls("vector_sum", with(floats, func(v *abi.Vector) { v.Rows = math.MaxUint64 }), floats, 0, n(0), n(2048)), "outside the memory"},
		"bitmap_outside":       {calls("vector_sum", with(floats, func(v *abi.Vector) { v.Validity = 131_070 }), floats, 0, n(0), n(2048)), "outside the memory"},
		"bitmap_of_nulls":      {calls("vector_sum", with(floats, func(v *abi.Vector) { v.Validity = 8192 }), floats, 0, n(0), n(2048)), ""},
		"reserved":             {calls("vector_sum", with(floats, func(v *abi.Vector) { v.Reserved = 1 }), floats, 0, n(0), n(2048)), "reserved"},
		"unknown_type":         {calls("vector_sum", with(floats, func(v *abi.Vector) { v.Column = 2 }), floats, 0, n(0), n(2048)), "want floats or ints"},
		"no_such_input":        {calls("vector_sum", with(floats, func(v *abi.Vector) { v.Input = 0 }), floats, 0, n(0), n(2048)), "input 0"},
		"negative_input":       {calls("vector_sum", with(floats, func(v *abi.Vector) { v.Input = -2 }), floats, 0, n(0), n(2048)), "input -2"},
		"out_unaligned":        {calls("vector_sum", floats, floats, 0, n(0), n(2047)), "multiple of 8"},
		"out_outside":          {calls("vector_sum", floats, floats, 0, n(0), n(-8)), "outside the memory"},
		"out_in_the_vector":    {calls("vector_sum", floats, floats, 0, n(0), n(4096+80)), "overlaps"},
		"out_in_the_bitmap":    {calls("vector_sum", with(floats, func(v *abi.Vector) { v.Validity = 8193 }), floats, 0, n(0), n(8200)), "overlaps"},
		"variance_ddof":        {calls("vector_variance", floats, floats, 0, n(0), n(-1), n(2048)), "negative"},
		"lengths":              {calls("vector_dot", floats, with(floats, func(v *abi.Vector) { v.Rows = 99 }), 0, n(0), n(32), n(2048)), "different lengths"},
		"dot_with_itself":      {calls("vector_dot", floats, floats, 100, n(0), n(0), n(2048)), ""},
		"sort_in_place":        {calls("vector_sort", floats, floats, 100, n(0), n(4096)), ""},
		"sort_apart":           {calls("vector_sort", floats, floats, 100, n(0), n(4896)), ""},
		"sort_half_over":       {calls("vector_sort", floats, floats, 0, n(0), n(4104)), "overlaps"},
		"sort_over_its_bitmap": {calls("vector_sort", with(floats, func(v *abi.Vector) { v.Validity = 4096 }), floats, 0, n(0), n(4096)), "overlaps"},
		"floats_of_ints":       {calls("vector_floats", ints, floats, 100, n(0), n(8192)), ""},
		"floats_in_place":      {calls("vector_floats", floats, floats, 0, n(0), n(4096)), "overlaps"},
		"cumsum_in_place":      {calls("vector_cumsum", ints, floats, 100, n(0), n(4096)), ""},
		"argsort_in_place":     {calls("vector_argsort", floats, floats, 0, n(0), n(2048), n(4096)), "overlaps"},
		"argsort_two_outputs":  {calls("vector_argsort", floats, floats, 0, n(0), n(8192), n(8192)), "overlaps"},
		"argsort_apart":        {calls("vector_argsort", floats, floats, 100, n(0), n(8192), n(12_288)), ""},
		"quantile_in_place":    {calls("vector_quantiles", floats, floats, 100, n(0), n(1), n(2048), n(2056), n(4096)), ""},
		"quantile_shares_over": {calls("vector_quantiles", floats, floats, 0, n(0), n(1), n(4096), n(2056), n(4096)), "overlaps"},
		"quantile_negative":    {calls("vector_quantiles", floats, floats, 0, n(0), n(-1), n(2048), n(2056), n(4096)), "negative"},
		"histogram_limits":     {calls("vector_histogram", floats, floats, abi.OutOfRange, n(0), hostile.F64Const(1), hostile.F64Const(1), n(2), n(2048)), ""},
		"histogram_nan":        {calls("vector_histogram", floats, floats, abi.OutOfRange, n(0), hostile.F64Const(math.NaN()), hostile.F64Const(1), n(2), n(2048)), ""},
		"histogram_no_bins":    {calls("vector_histogram", floats, floats, abi.OutOfRange, n(0), hostile.F64Const(0), hostile.F64Const(1), n(0), n(2048)), ""},
		"histogram_many_bins":  {calls("vector_histogram", floats, floats, 0, n(0), hostile.F64Const(0), hostile.F64Const(1), n(math.MaxInt32), n(2048)), "outside the memory"},
		"group_by_floats":      {calls("vector_group", floats, floats, 0, n(0), hostile.I64Const(0), n(32), n(1), n(2048), n(2056), n(2064)), "not integers"},
		"group_outside":        {calls("vector_group", ints, floats, abi.OutOfRange, n(0), hostile.I64Const(1), n(32), n(1), n(2048), n(2056), n(2064)), ""},
		"group_fits":           {calls("vector_group", ints, floats, 100, n(0), hostile.I64Const(0), n(32), n(1), n(2048), n(2056), n(2064)), ""},
		"group_outputs_over":   {calls("vector_group", ints, floats, 0, n(0), hostile.I64Const(0), n(32), n(1), n(2048), n(2048), n(2064)), "overlaps"},
		"elementwise_in_place": {calls("vector_elementwise", floats, floats, 100, n(0), n(100), n(4096), n(8192), n(4096)), ""},
		"elementwise_unknown":  {calls("vector_elementwise", floats, floats, abi.OutOfRange, n(6), n(100), n(4096), n(8192), n(4096)), ""},
		"elementwise_outside":  {calls("vector_elementwise", floats, floats, 0, n(0), n(100), n(4096), n(131_072-792), n(4096)), "outside the memory"},
		"rolling_apart":        {calls("vector_rolling", floats, floats, 100, n(100), n(4096), n(20), n(8192), n(12_288), n(16_384)), ""},
		"rolling_longer":       {calls("vector_rolling", floats, floats, 100, n(100), n(4096), n(math.MaxInt32), n(8192), n(12_288), n(16_384)), ""},
		"rolling_no_window":    {calls("vector_rolling", floats, floats, abi.OutOfRange, n(100), n(4096), n(0), n(8192), n(12_288), n(16_384)), ""},
		"rolling_in_place":     {calls("vector_rolling", floats, floats, 0, n(100), n(4096), n(20), n(4096), n(12_288), n(16_384)), "overlaps"},
		"rolling_room_outside": {calls("vector_rolling", floats, floats, 0, n(100), n(4096), n(20), n(8192), n(12_288), n(131_072-328)), "outside the memory"},
		"distinct_no_input":    {calls("text_distinct", floats, floats, 0, n(0), n(3), n(8), n(4096), n(8192), n(12_288), n(16_384)), "input 0"},
		"sum_overflows": {calls("vector_sum", with(ints, func(v *abi.Vector) { v.From, v.Rows = 2048, 2 }), floats, abi.Overflow,
			hostile.Store(2052, math.MaxInt32), hostile.Store(2060, math.MaxInt32), n(0), n(4096)), ""},
		"cumsum_overflows": {calls("vector_cumsum", with(ints, func(v *abi.Vector) { v.From, v.Rows = 2048, 2 }), floats, abi.Overflow,
			hostile.Store(2052, math.MinInt32), hostile.Store(2060, math.MinInt32), n(0), n(4096)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := attackWith(t, c.module)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			failed := failure(t, err)
			assert.Equal(t, "abi_violation", failed.Code, failed)
			assert.Contains(t, failed.Detail, c.says)
		})
	}
}

func TestKernelsCheckWhichColumnTheyRead(t *testing.T) {
	t.Parallel()
	in := tableOf(t, exercise.Make(3000, 0, true), 1000)
	n := func(v int32) []byte { return hostile.I32Const(v) }
	column := abi.Vector{Rows: 3000}
	with := func(change func(*abi.Vector)) abi.Vector { v := column; change(&v); return v }
	part := 0 // values that are not null in rows 500 to 2499
	d := exercise.Make(3000, 0, true)
	for i := 500; i < 2500; i++ {
		part += int(d.Validity[i/8] >> (i % 8) & 1)
	}
	different := map[string]bool{}
	for i := range 3000 {
		if d.Validity[i/8]>>(i%8)&1 == 1 {
			different[d.Text(i)] = true
		}
	}
	texts := int64(len(different))
	for name, c := range map[string]struct {
		module hostile.Module
		says   string
	}{
		"a_part":        {calls("vector_sum", with(func(v *abi.Vector) { v.From, v.Rows = 500, 2000 }), column, int64(part), n(0), n(2048)), ""},
		"none_of_it":    {calls("vector_sum", with(func(v *abi.Vector) { v.From, v.Rows = 3000, 0 }), column, 0, n(0), n(2048)), ""},
		"beyond":        {calls("vector_sum", with(func(v *abi.Vector) { v.From, v.Rows = 1, 3000 }), column, 0, n(0), n(2048)), "the table has 3000"},
		"far_beyond":    {calls("vector_sum", with(func(v *abi.Vector) { v.From, v.Rows = 1, math.MaxUint64 }), column, 0, n(0), n(2048)), "the table has 3000"},
		"no_such":       {calls("vector_sum", with(func(v *abi.Vector) { v.Column = 4 }), column, 0, n(0), n(2048)), "column 4"},
		"negative":      {calls("vector_sum", with(func(v *abi.Vector) { v.Column = -1 }), column, 0, n(0), n(2048)), "column -1"},
		"text":          {calls("vector_sum", with(func(v *abi.Vector) { v.Column = 3 }), column, 0, n(0), n(2048)), "a vector of a utf8 column"},
		"its_own_nulls": {calls("vector_sum", with(func(v *abi.Vector) { v.Validity = 8 }), column, 0, n(0), n(2048)), "bitmap"},
		"texts":         {calls("text_distinct", column, column, texts, n(0), n(3), n(40), n(4096), n(8192), n(12_288), n(16_384)), ""},
		"few_texts":     {calls("text_distinct", column, column, abi.OutOfRange, n(0), n(3), n(8), n(4096), n(8192), n(12_288), n(16_384)), ""},
		"no_texts":      {calls("text_distinct", column, column, abi.OutOfRange, n(0), n(3), n(0), n(4096), n(8192), n(12_288), n(16_384)), ""},
		"texts_of_ints": {calls("text_distinct", column, column, 0, n(0), n(2), n(8), n(4096), n(8192), n(12_288), n(16_384)), "the texts of a int64 column"},
		"texts_over":    {calls("text_distinct", column, column, 0, n(0), n(3), n(40), n(4096), n(4096), n(12_288), n(16_384)), "overlaps"},
		"no_room":       {calls("vector_sort", column, column, 0, n(0), n(131_072-8)), "outside the memory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, digest := forge(t, c.module)
			call, _ := forgedCall(t, digest)
			call.Inputs = map[string]*table.File{"data": in}
			_, err := h.Run(t.Context(), call)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			failed := failure(t, err)
			assert.Equal(t, "abi_violation", failed.Code, failed)
			assert.Contains(t, failed.Detail, c.says)
		})
	}
}

// BenchmarkKernels shows a kernel on a guest's memory and on a column, the loop that
// a guest would do instead, and native Go, on a million floats. The figure to compare
// is CPU time: a guest's is without what it does before its first repetition.
func BenchmarkKernels(b *testing.B) {
	const rows = 1 << 20
	h, digest := loadKernels(b)
	d := exercise.Make(1<<16, 0, false)
	for len(d.X) < rows {
		d.X, d.Y, d.Ints, d.Validity = append(d.X, d.X...), append(d.Y, d.Y...), append(d.Ints, d.Ints...), append(d.Validity, d.Validity...)
	}
	in := tableOf(b, d, 1<<16)
	out, room := make([]float64, rows), make([]float64, rows)
	v := kernel.Of(d.X)
	for _, k := range []struct {
		name   string
		native func() error
	}{
		{"sum", func() error { _, _, err := kernel.Sum(v, nil); return err }},
		{"dot", func() error { _, _, err := kernel.Dot(v, v, nil); return err }},
		{"minmax", func() error { _, _, _, err := kernel.MinMax(v, nil); return err }},
		{"variance", func() error { _, _, _, err := kernel.Variance(v, 1, nil); return err }},
		{"histogram", func() error { _, err := kernel.Histogram(v, -4, 4, make([]int64, 100), nil); return err }},
		{"sort", func() error { _, err := kernel.Sort(v, out, nil); return err }},
		{"quantiles", func() error {
			_, err := kernel.Quantiles(v, []float64{0.25, 0.5, 0.75}, out[:3], room, nil)
			return err
		}},
	} {
		b.Run(k.name+"/native", func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			start := threadTime()
			for range b.N {
				require.NoError(b, k.native())
			}
			b.ReportMetric((threadTime()-start).Seconds()*1e9/float64(b.N)/rows, "cpu-ns/element")
		})
		for _, how := range []string{"kernel", "column", "loop"} {
			b.Run(k.name+"/"+how, func(b *testing.B) {
				used := func(repeat int) float64 {
					params := fmt.Sprintf(`{"kernel":%q,"how":%q,"rows":%d,"repeat":%d}`, k.name, how, rows, repeat)
					c := kernelsCall(digest, "measure", params, 0, mute{})
					c.Inputs = map[string]*table.File{"data": in}
					report, err := h.Run(b.Context(), c)
					require.NoError(b, err)
					return report.CPUSeconds
				}
				before := used(0)
				b.ResetTimer()
				b.ReportMetric((used(b.N)-before)*1e9/float64(b.N)/rows, "cpu-ns/element")
			})
		}
	}
}
