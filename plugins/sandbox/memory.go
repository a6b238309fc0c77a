package sandbox

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// linearMemory is the memory of one instance. It reserves address space for all
// that the module may ever have, so that growing never copies, and grows no further
// than the limit of the job that the instance belongs to.
type linearMemory struct {
	limit   uint64 // of the job, bytes
	peak    uint64 // of the job so far
	refused bool   // the job asked for more than the limit

	image    *image // what it holds at first; nil: zeros
	lifted   bool   // the module may grow by a page less than it declares: see shrink
	reserved []byte
	size     uint64 // as the guest sees it
	touched  uint64 // no page from here on was ever written
	back     bool   // the next growth is the way back: see shrink
}

const pageSize = 64 << 10 // of WebAssembly

// Allocate implements experimental.MemoryAllocator.
func (m *linearMemory) Allocate(_, most uint64) experimental.LinearMemory {
	if m.lifted {
		most -= pageSize
	}
	err := m.reserve(max(most, pageSize))
	if err != nil { // little address space: what the job may have is enough for it
		err = m.reserve(max(min(most, m.limit)/pageSize*pageSize, pageSize))
	}
	if err != nil {
		panic(fmt.Errorf("reserve memory for a guest: %w", err)) // with the call recovers it
	}
	return m
}

const readWrite = unix.PROT_READ | unix.PROT_WRITE

func (m *linearMemory) reserve(size uint64) error {
	start, err := unix.MmapPtr(-1, 0, nil, uintptr(size), readWrite, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	released.Load()
	m.reserved = unsafe.Slice((*byte)(start), size)
	if m.image == nil {
		return nil
	}
	return m.image.mapOver(m.reserved[:m.image.size], 0)
}

// Reallocate implements experimental.LinearMemory.
func (m *linearMemory) Reallocate(size uint64) []byte {
	switch {
	case m.back:
		size, m.back = m.image.size, false
	case size > min(m.limit, uint64(len(m.reserved))):
		m.refused = true
		return nil
	}
	m.size = size
	m.peak = max(m.peak, size)
	m.touched = max(m.touched, size)
	return m.reserved[:size:size]
}

// fits reports whether a job with a limit can have all of it here.
func (m *linearMemory) fits(limit, declared uint64) bool {
	return uint64(len(m.reserved)) >= min(limit, declared)
}

// released orders the use of addresses that the kernel gives out again: who gets them
// comes after who had them.
var released atomic.Uint64

// Free implements experimental.LinearMemory.
func (m *linearMemory) Free() {
	if m.reserved != nil {
		released.Add(1)
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(m.reserved)), uintptr(len(m.reserved))) // it was mapped above
		m.reserved = nil
	}
}
