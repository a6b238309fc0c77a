package sandbox

import (
	"fmt"
	"unsafe"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// limitedMemory is the linear memory of one instance. It reserves address space
// up to the limit, so that growing never copies, and refuses to grow past it.
type limitedMemory struct {
	limit    uint64
	image    *image // what it holds at first; nil: zeros
	reserved []byte
	peak     uint64
	refused  bool // the guest asked for more than the limit
}

const pageSize = 64 << 10 // of WebAssembly

// Allocate implements experimental.MemoryAllocator. The guest declares max itself:
// it reserves no more than the limit.
func (m *limitedMemory) Allocate(_, most uint64) experimental.LinearMemory {
	if err := m.reserve(max(min(most, m.limit)/pageSize*pageSize, pageSize)); err != nil {
		panic(fmt.Errorf("reserve memory for a guest: %w", err)) // with the call recovers it
	}
	return m
}

func (m *limitedMemory) reserve(size uint64) error {
	const readWrite = unix.PROT_READ | unix.PROT_WRITE
	start, err := unix.MmapPtr(-1, 0, nil, uintptr(size), readWrite, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	m.reserved = unsafe.Slice((*byte)(start), size)
	if m.image == nil {
		return nil
	}
	_, err = unix.MmapPtr(int(m.image.file.Fd()), 0, start, uintptr(m.image.size), readWrite,
		unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
	return err
}

// Reallocate implements experimental.LinearMemory.
func (m *limitedMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		m.refused = true
		return nil
	}
	m.peak = max(m.peak, size)
	return m.reserved[:size:len(m.reserved)]
}

// Free implements experimental.LinearMemory.
func (m *limitedMemory) Free() {
	if m.reserved != nil {
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(m.reserved)), uintptr(len(m.reserved))) // it was mapped above
		m.reserved = nil
	}
}
