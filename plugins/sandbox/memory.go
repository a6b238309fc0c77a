package sandbox

import (
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// limitedMemory is the linear memory of one instance. It reserves address space
// up to the limit, so that growing never copies, and refuses to grow past it.
type limitedMemory struct {
	limit    uint64
	reserved []byte
	peak     uint64
	refused  bool // the guest asked for more than the limit
}

const pageSize = 64 << 10 // of WebAssembly

// Allocate implements experimental.MemoryAllocator. The guest declares max itself:
// it reserves no more than the limit.
func (m *limitedMemory) Allocate(_, most uint64) experimental.LinearMemory {
	size := max(min(most, m.limit)/pageSize*pageSize, pageSize)
	reserved, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err == nil {
		m.reserved = reserved
	}
	return m // without address space, every Reallocate is refused
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
		_ = unix.Munmap(m.reserved) // it was mapped above
		m.reserved = nil
	}
}
