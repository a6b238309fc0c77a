package sandbox

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/abi"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/hostile"
)

// large makes a table of 256 MiB of numbers.
func large(b *testing.B) *table.File {
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: table.Int64, Nullable: true}}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	for i := range 1 << 20 {
		builder.Field(0).(*array.Int64Builder).Append(int64(i))
	}
	batch := builder.NewRecordBatch()
	defer batch.Release()
	w, err := table.Create(b.TempDir(), schema)
	require.NoError(b, err)
	defer w.Close()
	for range 32 {
		require.NoError(b, w.Append(batch))
	}
	s, err := w.Seal()
	require.NoError(b, err)
	return opened(b, s.Path)
}

// yielding is a Host whose gate may hold a guest.
type yielding struct {
	mute
	gate func()
}

func (y yielding) Gate(ctx context.Context) error {
	y.gate()
	return context.Cause(ctx)
}

// A job that opens a table of 256 MiB: mapped, and copied; and what a hundred jobs on
// that table, all there at once, have of memory of their own.
func BenchmarkLargeTable(b *testing.B) {
	in := large(b)
	const at = 1 << 16
	pages := int32((in.Size()+abi.MapRoom)>>16) + 2
	grow := hostile.Code(hostile.I32Const(pages), hostile.Grow, hostile.Drop)
	end := hostile.Code(hostile.Drop, hostile.Call(1), hostile.Drop, hostile.I32Const(0))
	mapped := hostile.Code(grow, hostile.I32Const(0), hostile.I64Const(0), hostile.I64Const(in.Size()),
		hostile.I32Const(at), hostile.I32Const(int32(in.Size())+abi.MapRoom), hostile.Call(0), end)
	copied := hostile.Code(grow, hostile.I32Const(0), hostile.I32Const(0), hostile.I64Const(0), hostile.I64Const(in.Rows()),
		hostile.I32Const(abi.Values), hostile.I32Const(at), hostile.I32Const(int32(in.Rows()*8)), hostile.Call(0), end)
	for _, c := range []struct {
		name, function string
		run            []byte
	}{{"mapped", "input_map", mapped}, {"copied", "column_read", copied}} {
		h, call := opens(b, c.function, c.run, in)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				_, err := h.Run(b.Context(), call)
				require.NoError(b, err)
			}
		})
		if c.name == "mapped" {
			b.Run("a_hundred_at_once", func(b *testing.B) { together(b, h, call) })
		}
	}
}

func opens(b *testing.B, function string, run []byte, in *table.File) (*Host, work.Call) {
	h, err := New(b.Context(), Config{CacheDir: guesttest.CacheDir(b)})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, h.Close(context.Background())) })
	p, err := h.Load(b.Context(), hostile.Module{
		Imports: []hostile.Function{
			imported(abi.Module, function, hostFunctions[function]),
			imported(wasiModule, "sched_yield", wasiFunctions["sched_yield"]),
		},
		Manifest: strings.Replace(hostile.Manifest("analysis"), `"title":""`, `"title":"","inputs":[{"name":"data"}]`, 1),
		Run:      run,
	}.Encode(), false)
	require.NoError(b, err)
	return h, work.Call{
		Digest: p.Digest, Routine: "attack", Kind: routine.Analysis, Params: []byte(`{}`), Host: mute{},
		Inputs: map[string]*table.File{"data": in},
		Limits: job.Limits{MemoryBytes: 512 << 20, OutputBytes: 1 << 20},
	}
}

// together holds a hundred jobs where they have mapped the table.
func together(b *testing.B, h *Host, call work.Call) {
	for b.Loop() {
		before := privateMemory(b)
		var there, done sync.WaitGroup
		var release = make(chan struct{})
		for range 100 {
			there.Add(1)
			done.Go(func() {
				c, calls := call, 0
				c.Host = yielding{gate: func() {
					if calls++; calls == 2 { // before input_map, before sched_yield
						there.Done()
						<-release
					}
				}}
				_, err := h.Run(context.Background(), c)
				require.NoError(b, err)
			})
		}
		there.Wait()
		b.ReportMetric(float64(privateMemory(b)-before)/(1<<20), "MiB-of-their-own")
		close(release)
		done.Wait()
	}
}

// privateMemory is what the process has of memory that it shares with no file, in bytes.
func privateMemory(b *testing.B) int64 {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	require.NoError(b, err)
	for line := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(line, "Private_Dirty:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			require.NoError(b, err)
			return n << 10
		}
	}
	b.Fatal("the kernel does not say")
	return 0
}
