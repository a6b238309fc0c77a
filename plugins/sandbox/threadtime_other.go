//go:build !linux

package sandbox

import "time"

var processStart = time.Now()

// threadTime stands in for the CPU time of the calling thread: the time that has
// passed, which is no less.
func threadTime() time.Duration { return time.Since(processStart) }
