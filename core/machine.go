package core

import (
	"errors"
	"fmt"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// unknownMemory is what a machine is taken to have that does not say.
const unknownMemory = 8 << 30

// MachineMemory is the memory that this process may use, in bytes: its container's
// (cgroup v1 or v2) where that has a limit, and otherwise the machine's. An error says
// what could not be told; there is an answer all the same.
func MachineMemory() (int64, error) { return leastMemory(memlimit.FromSystem, memlimit.FromCgroup) }

// leastMemory is the least that any source names.
func leastMemory(machine, container memlimit.Provider) (int64, error) {
	least, err := machine()
	if err != nil || least == 0 {
		least, err = unknownMemory, fmt.Errorf("memory of the machine unknown, taken for %d MiB", unknownMemory>>20)
	}
	limit, limitErr := container()
	switch {
	case limitErr == nil && limit > 0:
		least = min(least, limit)
	case limitErr == nil, errors.Is(limitErr, memlimit.ErrNoLimit), errors.Is(limitErr, memlimit.ErrNoCgroup),
		errors.Is(limitErr, memlimit.ErrCgroupsNotSupported):
	default:
		err = errors.Join(err, fmt.Errorf("memory limit of the container unknown: %w", limitErr))
	}
	return int64(least), err
}

// HeapLimit is how much of a machine's memory Go's own heap may take, beside the budget
// of the guests, whose memory is not part of it. A tenth of the rest is for compiled
// code and the processes that compile. The heap gets an eighth of the memory at least: a
// budget that leaves less promises guests more than there is.
func HeapLimit(memory, budget int64) int64 {
	return max((memory-budget)/10*9, memory/8)
}
