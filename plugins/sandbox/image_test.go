package sandbox

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/abi"
	"thresher/plugins/hostile"
)

// counter is a plugin whose memory is set by its start function, and whose
// routine writes over it and logs what it found there first.
func counter() hostile.Module {
	log := imported(abi.Module, "log", hostFunctions["log"])
	return hostile.Module{
		Imports: []hostile.Function{log},
		Start:   hostile.Store(8, 0x74726174), // "tart"
		Run:     hostile.Code(hostile.I32Const(8), hostile.I32Const(4), hostile.Call(0), hostile.Store(8, 0), hostile.I32Const(0)),
	}
}

// changesATable is code of a module whose state is not in its memory alone: no image
// can be taken of it.
func changesATable() []byte {
	return hostile.Code(hostile.I32Const(0), []byte{0xd0, 0x70}, []byte{0x26, 0}) // ref.null func, table.set
}

func TestEveryJobStartsFromTheInitialisedModule(t *testing.T) {
	t.Parallel()
	plain := counter()
	plain.Table = 1
	plain.Run = append(changesATable(), plain.Run...)
	for name, m := range map[string]hostile.Module{"image": counter(), "plain": plain} {
		t.Run(name, func(t *testing.T) {
			h, digest := forge(t, m)
			assert.Equal(t, name == "image", h.module(digest).image != nil, h.module(digest).plain)
			for range 3 {
				c, r := forgedCall(t, digest)
				_, err := h.Run(t.Context(), c)
				require.NoError(t, err)
				assert.Equal(t, "tart", r.log.String())
			}
		})
	}
}

// Instances share an image; what is random must not be shared with it.
func TestRandomNumbersFollowFromTheSeedOfTheJob(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, hostile.Module{
		Imports: []hostile.Function{
			imported(wasiModule, "random_get", wasiFunctions["random_get"]),
			imported(abi.Module, "log", hostFunctions["log"]),
		},
		Run: hostile.Code(
			hostile.I32Const(8), hostile.I32Const(16), hostile.Call(0), hostile.Drop,
			hostile.I32Const(8), hostile.I32Const(16), hostile.Call(1), hostile.I32Const(0)),
	})
	drawn := func(seed uint64) []byte {
		c, r := forgedCall(t, digest)
		c.Seed = seed
		_, err := h.Run(t.Context(), c)
		require.NoError(t, err)
		return bytes.Clone(r.log.Bytes())
	}
	assert.Equal(t, drawn(1), drawn(1))
	assert.NotEqual(t, drawn(1), drawn(2))
}

func TestAnImageLargerThanTheJobsMemoryIsRefused(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, hostile.Module{Start: hostile.Code(hostile.I32Const(31), hostile.Grow, hostile.Drop)})
	c, _ := forgedCall(t, digest)
	c.Limits.MemoryBytes = 1 << 20
	_, err := h.Run(t.Context(), c)
	failed := failure(t, err)
	assert.Equal(t, "memory_limit", failed.Code)
	assert.Contains(t, failed.Detail, "starts with 2097152 bytes")
	c.Limits.MemoryBytes = 2 << 20
	report, err := h.Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, int64(2<<20), report.PeakMemoryBytes)
}

// A module that starts has no job: what it asked the host for would be in the
// image of every job.
func TestAModuleMayNotAskForItsJobWhileItStarts(t *testing.T) {
	t.Parallel()
	m := counter()
	m.Table = 1
	m.Start = hostile.Code(hostile.I32Const(8), hostile.I32Const(4), hostile.Call(0))
	for _, run := range [][]byte{nil, changesATable()} {
		m.Run = append(run, hostile.I32Const(0)...)
		h, err := New(t.Context(), Config{})
		require.NoError(t, err)
		_, err = h.Load(t.Context(), m.Encode(), false)
		assert.ErrorContains(t, err, "log was called while the module starts")
		assert.NoError(t, h.Close(t.Context()))
	}
}

func TestGlobalsAreRestored(t *testing.T) {
	t.Parallel()
	// A Go guest keeps its stack pointer in a global: without it, it cannot run.
	h, digest := loadGuest(t)
	require.NotNil(t, h.module(digest).image, h.module(digest).plain)
	assert.NotEmpty(t, h.module(digest).image.globals)
	for range 2 {
		r := newRecorder(t)
		_, err := attack(t, t.Context(), "nothing", r)
		require.NoError(t, err)
	}
}
