//go:build !slowpaths && (amd64 || arm64)

package sandbox

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mapCut maps a file that was cut since.
func mapCut(t *testing.T, size int) []byte {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "table"))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(int64(size)))
	memory, err := unix.Mmap(int(f.Fd()), 0, size, readWrite, unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Munmap(memory) })
	require.NoError(t, f.Truncate(0))
	return memory
}

// sumOfBytes reads bytes of a memory, so many apart.
func sumOfBytes(memory []byte, apart int) (sum int) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for at := 0; at < len(memory); at += apart {
		sum += int(memory[at])
	}
	return sum
}

// A large table that is read in leaps has more pages than the kernel allows mappings.
func TestEveryPageOfACutTableCanBeRead(t *testing.T) {
	memory := mapCut(t, 70_000*os.Getpagesize())
	g := guardMemory(memory)
	require.NotNil(t, g)
	defer g.release()
	assert.NotPanics(t, func() { assert.Zero(t, sumOfBytes(memory, 2*os.Getpagesize())) })
	assert.True(t, g.faulted())
}

// What is not whole guards nothing: a fault elsewhere is not its memory's.
func TestAGuardThatIsBeingTakenGuardsNothing(t *testing.T) {
	memory := mapCut(t, os.Getpagesize())
	g := <-freeGuards()
	defer g.release()
	atomic.StoreUintptr(&g.end, ^uintptr(0))
	assert.Panics(t, func() { sumOfBytes(memory, 1) })
	assert.False(t, g.faulted())
}

// A memory that could not be read is not used again.
func TestAMemoryWithZerosInPlaceOfItsImageIsNotUsedAgain(t *testing.T) {
	memory := mapCut(t, os.Getpagesize())
	m := &linearMemory{image: &image{}, guard: guardMemory(memory)}
	defer m.unguard()
	assert.Zero(t, sumOfBytes(memory, 1))
	assert.ErrorIs(t, m.reset(), errUnreadable)
}
