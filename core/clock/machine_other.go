//go:build !linux

package clock

import "time"

func sinceBoot() time.Duration { return sinceStart() }

// bootID is unknown: every start counts as one after a boot.
func bootID() string { return "" }
