package sandbox

import (
	"bytes"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"thresher/plugins/abi"
	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/binary"
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

// An image is what the data segments make of a memory of zeros, in whatever order they
// come and however they overlap, and then what a guest makes of that. Pages of zeros take
// no room.
func TestAnImageIsTheMemoryOfItsGuest(t *testing.T) {
	t.Parallel()
	page := os.Getpagesize()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 5).Draw(t, "pages") * pageSize
		want := make([]byte, size)
		segment := rapid.Custom(func(t *rapid.T) binary.Data {
			at := rapid.IntRange(0, size).Draw(t, "at")
			length := rapid.IntRange(0, min(size-at, 3*page)).Draw(t, "length")
			fill := rapid.SampledFrom([]byte{0, 0, 1, 2}).Draw(t, "fill")
			return binary.Data{Offset: uint32(at), Bytes: bytes.Repeat([]byte{fill}, length)}
		})
		segments := rapid.SliceOfN(segment, 0, 20).Draw(t, "segments")
		for _, d := range segments {
			copy(want[d.Offset:], d.Bytes)
		}
		f, err := memoryFile()
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, writeData(t.Context(), f, segments, uint64(size)))
		requireContent(t, f, want)

		memory, err := unix.Mmap(-1, 0, size+pageSize, readWrite, unix.MAP_PRIVATE|unix.MAP_ANON)
		require.NoError(t, err)
		defer func() { require.NoError(t, unix.Munmap(memory)) }()
		require.NoError(t, mapPrivately(f, 0, memory[:size]))
		size += pageSize // it grows
		want = append(want, make([]byte, pageSize)...)
		for _, d := range rapid.SliceOfN(segment, 0, 20).Draw(t, "writes") {
			copy(want[d.Offset:], d.Bytes)
			copy(memory[d.Offset:], d.Bytes)
		}
		require.NoError(t, writeChanges(f, memory))
		requireContent(t, f, want)
		needed := 0
		for content := range slices.Chunk(want, page) {
			if !bytes.Equal(content, make([]byte, page)) {
				needed += page
			}
		}
		var room unix.Stat_t
		require.NoError(t, unix.Fstat(int(f.Fd()), &room))
		require.LessOrEqual(t, room.Blocks*512, int64(needed))
	})
}

func requireContent(t *rapid.T, f *os.File, want []byte) {
	t.Helper()
	got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

func TestADataSegmentOutsideOfTheMemoryIsRefused(t *testing.T) {
	t.Parallel()
	for _, d := range []binary.Data{
		{Offset: pageSize + 1},
		{Offset: pageSize, Bytes: []byte{0}},
		{Offset: pageSize - 1, Bytes: []byte{0, 0}},
		{Offset: 1<<32 - 1, Bytes: []byte{0, 0}},
	} {
		f, err := memoryFile()
		require.NoError(t, err)
		assert.ErrorContains(t, writeData(t.Context(), f, []binary.Data{{Bytes: []byte{1}}, d}, pageSize), "data segment 1 is outside the memory")
		require.NoError(t, f.Close())
	}
}
