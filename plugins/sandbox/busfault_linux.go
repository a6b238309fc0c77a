//go:build !slowpaths && (amd64 || arm64)

package sandbox

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The file of a table that is mapped into a guest's memory can be cut by someone else, and
// its disk can fail. Whoever reads it then gets the signal SIGBUS. Go makes a panic of
// that in code of its own, but not in the compiled code of a guest: the process would
// end, and all its jobs with it. So SIGBUS has a handler here, in front of Go's. Where
// the address is in a guarded memory, it puts zeros there, up to the memory's end, and notes
// that it did; the guest goes on, and its job fails. A page of zeros at a time would be
// too many mappings for the kernel where a guest reads a large table in leaps. Any other
// SIGBUS is left to Go.

// faultGuard is a memory whose faults are its job's. The handler reads it.
type faultGuard struct {
	start, end uintptr // the start is 0: it is free
	faults     uintptr // not 0: there was one
}

// maxGuards is how many memories can be guarded at once: the jobs that have tables
// mapped. The tables of others are copied.
const maxGuards = 1024

var (
	guards    [maxGuards]faultGuard
	pageMask  = uintptr(os.Getpagesize() - 1) //nolint:unused // onFault reads it
	goHandler uintptr                         //nolint:unused // of SIGBUS; onFault reads it
)

// freeGuards has those that are free. It is nil where the handler could not be set.
var freeGuards = sync.OnceValue(func() chan *faultGuard {
	if !handleFaults() {
		return nil
	}
	free := make(chan *faultGuard, maxGuards)
	for i := range guards {
		free <- &guards[i]
	}
	return free
})

// guardMemory guards a memory, until it is released. It returns nil where none is free.
func guardMemory(memory []byte) *faultGuard {
	select {
	case g := <-freeGuards():
		start := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
		atomic.StoreUintptr(&g.faults, 0)
		atomic.StoreUintptr(&g.start, start) // before the end, which is 0: it guards nothing yet
		atomic.StoreUintptr(&g.end, start+uintptr(len(memory)))
		return g
	default:
		return nil
	}
}

func (g *faultGuard) release() {
	atomic.StoreUintptr(&g.end, 0)
	atomic.StoreUintptr(&g.start, 0)
	freeGuards() <- g
}

// faulted reports whether something in the memory could not be read. A nil guard has no
// faults.
func (g *faultGuard) faulted() bool { return g != nil && atomic.LoadUintptr(&g.faults) != 0 }

// action is the kernel's struct sigaction on the 64-bit systems.
type action struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// handleFaults puts onFault in front of Go's handler.
func handleFaults() bool {
	var a action
	if !signalAction(nil, &a) || a.handler <= 1 { // none, or ignored
		return false
	}
	goHandler = a.handler
	a.handler = onFaultAddress()
	return signalAction(&a, nil)
}

func signalAction(set, old *action) bool {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(syscall.SIGBUS),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(action{}.mask), 0, 0)
	return errno == 0
}

// onFault is the handler. The kernel calls it, as C code would: nothing of Go may.
func onFault() //nolint:unused // the kernel calls it

// onFaultAddress returns where onFault is.
func onFaultAddress() uintptr
