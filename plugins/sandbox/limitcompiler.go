package sandbox

import (
	"fmt"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// What a compiler's process may take. A module of 32 MiB needs a good part of it.
const (
	compilerMemory  = 3 << 30 // bytes of writable memory
	compilerCPU     = 100     // seconds
	compilerFile    = 1 << 30 // bytes of a file
	compilerFolders = 64      // open files
)

// LimitCompiler limits the calling process to what a compiler may take. It is called
// before anything of a module is read, and cannot be undone.
func LimitCompiler() error {
	debug.SetMemoryLimit(compilerMemory / 2) // the collector works harder before the limit is hit
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_CPU:    compilerCPU,
		unix.RLIMIT_DATA:   compilerMemory,
		unix.RLIMIT_FSIZE:  compilerFile,
		unix.RLIMIT_NOFILE: compilerFolders,
	} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("limit the compiler: %w", err)
		}
	}
	return nil
}
