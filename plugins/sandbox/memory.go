package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"

	"thresher/core/ledger"
)

// linearMemory is the memory of one instance. It reserves address space for all
// that the module may ever have, so that growing never copies, and grows no further
// than the limit of the job that the instance belongs to.
type linearMemory struct {
	limit   uint64 // of the job, bytes
	host    uint64 // what the host has made for the job: see hold
	peak    uint64 // of the job so far, both together
	refused bool   // the job asked for more than the limit

	image    *image // what it holds at first; nil: zeros
	lifted   bool   // the module may grow by a page less than it declares: see shrink
	reserved []byte
	size     uint64      // as the guest sees it
	touched  uint64      // no page from here on was ever written
	back     bool        // the next growth is the way back: see shrink
	mapped   []pages     // what files are mapped over, until it is put back
	guard    *faultGuard // while there are such
}

// pages is a range of a memory, in whole pages of the machine.
type pages struct{ from, to uint64 }

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
	case size > min(m.limit-m.host, uint64(len(m.reserved))):
		m.refused = true
		return nil
	}
	m.size = size
	m.peak = max(m.peak, size+m.host)
	m.touched = max(m.touched, size)
	return m.reserved[:size:size]
}

// mapFile maps bytes of a file from a page on over the memory from a page on, so
// that the guest has its own view of them: what it writes there is not written to
// the file. The file must not change as long as it is mapped.
func (m *linearMemory) mapFile(f *os.File, offset int64, at, size uint64) error {
	page := uint64(os.Getpagesize())
	to := (at + size + page - 1) / page * page
	if to > m.size {
		return fmt.Errorf("map a file to %d: the memory ends at %d", to, m.size)
	}
	if m.guard == nil {
		if m.guard = guardMemory(m.reserved); m.guard == nil {
			return errors.New("map a file: faults of this memory cannot be caught")
		}
	}
	target := unsafe.Pointer(unsafe.SliceData(m.reserved[at:]))
	if _, err := unix.MmapPtr(int(f.Fd()), offset, target, uintptr(size), readWrite, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE); err != nil {
		return err
	}
	m.mapped = slices.DeleteFunc(m.mapped, func(s pages) bool { return at <= s.from && s.to <= to })
	m.mapped = append(m.mapped, pages{at, to})
	return nil
}

// unmapFiles puts back what was there before the files: the image, and zeros behind
// it.
func (m *linearMemory) unmapFiles() error {
	for _, s := range m.mapped {
		middle := min(max(s.from, m.image.size), s.to)
		if err := m.image.mapOver(m.reserved[s.from:middle], s.from); err != nil {
			return fmt.Errorf("unmap a table: %w", err)
		}
		if middle == s.to {
			continue
		}
		target := unsafe.Pointer(unsafe.SliceData(m.reserved[middle:]))
		if _, err := unix.MmapPtr(-1, 0, target, uintptr(s.to-middle), readWrite,
			unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED|unix.MAP_NORESERVE); err != nil {
			return fmt.Errorf("unmap a table: %w", err)
		}
	}
	m.mapped = m.mapped[:0]
	m.unguard()
	return nil
}

func (m *linearMemory) unguard() {
	if m.guard != nil {
		m.guard.release()
		m.guard = nil
	}
}

// errUnreadable is the error of a job whose guest read what could not be read.
var errUnreadable = fmt.Errorf("a table that the guest had mapped could not be read: its file was cut, or its disk failed: %w", ledger.ErrDamaged)

// readable returns err, or errUnreadable where a mapped file could not be read: what the
// guest made of it says nothing.
func (m *linearMemory) readable(err error) error {
	if m.guard.faulted() {
		return hostError{errUnreadable}
	}
	return err
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
	m.unguard()
	if m.reserved != nil {
		released.Add(1)
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(m.reserved)), uintptr(len(m.reserved))) // it was mapped above
		m.reserved = nil
	}
}
