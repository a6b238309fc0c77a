package sandbox

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/table"
	"thresher/plugins/abi"
	"thresher/plugins/hostile"
)

// cutting is a Host that does something when its guest logs for the first time.
type cutting struct {
	*recorder
	cut func()
}

func (c *cutting) Log(p []byte) {
	if c.cut != nil {
		c.cut()
		c.cut = nil
	}
	c.recorder.Log(p)
}

// A table whose file is cut while a guest has it mapped costs that job and nothing else,
// whoever reads it: the guest, or the host on its behalf.
func TestATableThatIsCutUnderAGuestFailsItsJob(t *testing.T) {
	t.Parallel()
	const buffer, size, inside = 100_000, 64 << 10, 128 << 10
	log := imported(abi.Module, "log", hostFunctions["log"])
	place := imported(abi.Module, "input_map", hostFunctions["input_map"])
	sum := imported(abi.Module, "vector_sum", hostFunctions["vector_sum"])
	load := hostile.Code(hostile.I32Const(0), hostile.I32Const(inside), []byte{0x28, 2, 0}, []byte{0x36, 2, 0}) // and store it, or it is left out
	sumOf := func(v abi.Vector) []byte {
		return hostile.Code(stored(0, v), hostile.I32Const(0), hostile.I32Const(64), hostile.Call(2), hostile.Drop)
	}
	for name, reads := range map[string][]byte{
		"guest_reads":           load,
		"guest_reads_for_ever":  hostile.Forever(load),
		"guest_writes":          hostile.Store(inside, 1),
		"guest_reads_and_traps": hostile.Code(load, hostile.Unreachable),
		"host_reads_memory":     hostile.Code(hostile.I32Const(inside), hostile.I32Const(100), hostile.Call(0)),
		"kernel_reads_memory":   sumOf(abi.Vector{Input: abi.InMemory, Column: abi.Ints, From: inside, Rows: 1000}),
		"kernel_reads_column":   sumOf(abi.Vector{Input: 0, Column: 0, Rows: 20_000}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			column := name == "kernel_reads_column" // in the host's own mapping
			if !canMap && !column {
				t.Skip("tables are copied on this system")
			}
			h, digest := forge(t, hostile.Module{
				Imports:  []hostile.Function{log, place, sum},
				Pages:    6,
				Manifest: strings.Replace(hostile.Manifest("analysis"), `"title":""`, `"title":"","inputs":[{"name":"data"}]`, 1),
				Run: hostile.Code(
					hostile.I32Const(0), hostile.I64Const(0), hostile.I64Const(size), hostile.I32Const(buffer), hostile.I32Const(size+abi.MapRoom), hostile.Call(1), hostile.Drop,
					hostile.I32Const(0), hostile.I32Const(1), hostile.Call(0), // here it is cut
					reads,
					hostile.I32Const(0)),
			})
			run := func(cut bool) error {
				in := sealed(t, "x\n"+strings.Repeat("1\n", 20_000))
				c, r := forgedCall(t, digest)
				c.Inputs = map[string]*table.File{"data": in}
				host := &cutting{recorder: r}
				if cut {
					host.cut = func() { require.NoError(t, os.Truncate(in.Path(), 0)) }
				}
				c.Host = host
				_, err := h.Run(t.Context(), c)
				return err
			}
			for range 2 {
				err := run(true)
				require.Error(t, err)
				var failed *job.Error
				assert.False(t, errors.As(err, &failed), "it is not the guest's fault: %v", err)
				if !column { // of that the pool finds out
					assert.ErrorIs(t, err, ledger.ErrDamaged)
				}
			}
			if name != "guest_reads_for_ever" && name != "guest_reads_and_traps" {
				assert.NoError(t, run(false), "the next job")
			}
		})
	}
}
