//go:build linux && !slowpaths

package sandbox

import (
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Whether clones are used again, and whether tables are mapped, on this system.
const (
	canReset = true
	canMap   = true
)

// keep bounds what a clone may keep of pages it once wrote. They stay its own, with
// the image's content, so that the next job takes no page faults there.
const keep = 16 << 20

// reset puts every page back that was written since the memory was mapped. One that could
// not be read has zeros in place of its image.
func (m *linearMemory) reset() error {
	if err := m.readable(nil); err != nil {
		return err
	}
	if err := m.unmapFiles(); err != nil {
		return err
	}
	written := m.reserved[:max(m.touched, m.image.size)]
	var ranges [256]pageRange
	n, all := writtenPages(written, ranges[:])
	total := uint64(0)
	for _, r := range ranges[:n] {
		total += r.end - r.start
	}
	if !all || total > keep {
		m.touched = 0
		return drop(written) // the kernel puts the image back, and zeros behind it
	}
	base := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(written))))
	for _, r := range ranges[:n] {
		m.putBack(r.start-base, r.end-base)
	}
	return nil
}

func (m *linearMemory) putBack(from, to uint64) {
	if end := min(to, m.image.size); from < end {
		copy(m.reserved[from:end], m.image.view[from:end])
		from = end
	}
	if from < to {
		clear(m.reserved[from:to])
	}
}

func drop(memory []byte) error {
	if err := unix.Madvise(memory, unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("reset memory: %w", err)
	}
	return nil
}

// The ioctl PAGEMAP_SCAN, since Linux 6.7: from include/uapi/linux/fs.h.
const (
	pagemapScan = 0xC0606610

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsZero    = 1 << 5
)

type pageRange struct{ start, end, categories uint64 }

type scanArguments struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages uint64
	inverted, mask, anyOf, returned                         uint64
}

var pagemap = sync.OnceValue(func() *os.File {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil
	}
	return f
})

// writtenPages finds the pages that are private to this process: those that were
// written. It reports whether it found all of them; an older kernel finds none.
func writtenPages(memory []byte, found []pageRange) (n int, all bool) {
	if len(memory) == 0 {
		return 0, true
	}
	f := pagemap()
	if f == nil {
		return 0, false
	}
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(memory))))
	a := scanArguments{
		start: start, end: start + uint64(len(memory)),
		vec: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(found)))), vecLen: uint64(len(found)),
		inverted: pageIsFile | pageIsZero, mask: pageIsFile | pageIsZero,
		anyOf: pageIsPresent | pageIsSwapped, returned: pageIsPresent | pageIsSwapped,
	}
	a.size = uint64(unsafe.Sizeof(a))
	count, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), pagemapScan, uintptr(unsafe.Pointer(&a)))
	if errno != 0 {
		return 0, false
	}
	return int(count), a.walkEnd >= a.end
}
