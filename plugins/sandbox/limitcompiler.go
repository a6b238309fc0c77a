package sandbox

import (
	"fmt"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// CompilerMemory is what a compiler's process may have of writable memory, in bytes. A
// module of 32 MiB needs a good part of it.
const CompilerMemory = 3 << 30

// What else it may take.
const (
	compilerCPU   = 100     // seconds
	compilerFile  = 1 << 30 // bytes of a file
	compilerFiles = 64      // open at once
)

// LimitCompiler limits the calling process to what a compiler may take. It is called
// before anything of a module is read, and cannot be undone.
func LimitCompiler(memory int64) error {
	debug.SetMemoryLimit(memory / 2) // the collector works harder before the limit is hit
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_CPU:    compilerCPU,
		unix.RLIMIT_DATA:   uint64(memory),
		unix.RLIMIT_FSIZE:  compilerFile,
		unix.RLIMIT_NOFILE: compilerFiles,
	} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("limit the compiler: %w", err)
		}
	}
	return nil
}
