//go:build !linux || slowpaths || !(amd64 || arm64)

package sandbox

// faultGuard would be a memory whose faults are its job's. There is none on this system: tables
// are copied.
type faultGuard struct{}

func guardMemory([]byte) *faultGuard { return nil }

func (*faultGuard) release() {}

func (*faultGuard) faulted() bool { return false }
