//go:build !linux || slowpaths

package sandbox

import "errors"

// Whether clones are used again, and whether tables are mapped, on this system. The tag
// slowpaths makes a program as it is elsewhere, for tests.
const (
	canReset = false
	canMap   = false
)

func (m *linearMemory) reset() error { return errors.New("not on this system") }
