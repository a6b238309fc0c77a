package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/hostile"
)

// constantGrowth is how much more than a job's memory the process may have because of it,
// with what it uses to compile, and garbage: docs/sandbox.md states it.
const constantGrowth = 16 << 20

// heapGrowth is how much more than at first there is on the heap at any moment while do
// runs. Tests that measure it run alone.
func heapGrowth(do func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(5)) // garbage counts for little
	heap := func() int64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	runtime.GC()
	before, peak := heap(), int64(0)
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			peak = max(peak, heap())
			select {
			case <-done:
				return
			default:
				runtime.Gosched()
			}
		}
	}()
	do()
	close(done)
	<-watched
	return peak - before
}

// No import makes the process grow by more than what is counted as the job's memory, and
// a constant.
func TestNoImportMakesTheProcessGrowByMoreThanIsCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("long: it reads and writes a million rows in every way")
	}
	in, err := hostile.HostTable(t.TempDir(), hostile.MaxHostCall)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, in.Close()) })
	const pages = 64 << 20 // of the guest's own
	for _, c := range append(callsOf(t, hostile.MaxHostCall, 400, in), hostile.WorstHostCalls(hostile.MaxHostCall)...) {
		t.Run(c.Name+"/"+c.Case, func(t *testing.T) {
			h, loaded := prepared(t, c.Module(importOf(t, c.Name), 1, nil))
			k := wideCall(t, in, &work.File{ReaderAt: in.OS(), Bytes: in.Size()})
			grew := heapGrowth(func() { err = h.attackBy(t.Context(), loaded, k) })
			if !c.Ends {
				require.NoError(t, err)
			}
			assert.LessOrEqual(t, grew, int64(k.peak)-pages+constantGrowth, "it counted %d", k.peak)
		})
	}
}

// Neither does the way into a program and out of it, however large its input and its
// output are: a job of little memory reads and writes a table that has far more.
func TestNeitherInputNorOutputMakesTheProcessGrowByMoreThanTheLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("long: it reads and writes a million rows in every way")
	}
	const limit = 16 << 20
	in, err := hostile.HostTable(t.TempDir(), hostile.MaxHostCall)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, in.Close()) })
	for format, write := range map[string]func(io.Writer, table.Ranger, int64, int64) error{"csv": table.WriteCSV, "ndjson": table.WriteNDJSON, "arrow": table.WriteArrow} {
		t.Run(format, func(t *testing.T) {
			h, digest, err := commandHost(t, echo(t), fmt.Sprintf(`{"name":"echo","version":"1.0.0","summary":"","routines":[{"name":"p","kind":"analysis","title":"","params":{},
				"stdin":"%[1]s","stdout":"%[1]s","inputs":[{"name":"data"}],"outputs":[{"name":"out"}]}]}`, format))
			require.NoError(t, err)
			call, r := commandCall(t, digest, "p", `{}`, map[string]*table.File{"data": in})
			r.left = 1 << 40
			call.Limits = job.Limits{MemoryBytes: limit, OutputBytes: 1 << 30, LogBytes: 1 << 20}
			grew := heapGrowth(func() { _, err = h.Run(t.Context(), call) })
			require.NoError(t, err)
			assert.LessOrEqual(t, grew, int64(limit+constantGrowth))
			var got, want bytes.Buffer
			require.NoError(t, write(&got, r.tables["out"], 0, 10))
			require.NoError(t, write(&want, in, 0, 10))
			assert.Equal(t, want.String(), got.String())
		})
	}
}

// echo is a program that writes what it reads, 32 KiB at a time.
func echo(t testing.TB) []byte {
	read, write := importOf(t, "fd_read"), importOf(t, "fd_write")
	const list, count, buffer, room = 0, 8, 1024, 32 << 10
	return hostile.Program([]hostile.Function{read, write}, hostile.Code(
		[]byte{0x03, 0x40}, hostile.Store(list, buffer), hostile.Store(list+4, room),
		hostile.I32Const(0), hostile.I32Const(list), hostile.I32Const(1), hostile.I32Const(count), hostile.Call(0), hostile.Drop,
		hostile.I32Const(list+4), load(count), []byte{0x36, 2, 0}, // as many as were read
		hostile.I32Const(1), hostile.I32Const(list), hostile.I32Const(1), hostile.I32Const(16), hostile.Call(1), hostile.Drop,
		load(count), []byte{0x0d, 0, 0x0b}))
}
