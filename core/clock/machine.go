package clock

import (
	"sync/atomic"
	"time"
)

// settled is how long two looks at the monotonic clock may be apart for the look at
// the wall clock between them to belong to both.
const settled = time.Second

// recent is how long a reading of the boot clock, which is a system call, is good for:
// Go's monotonic clock says what has passed since, unless the machine slept.
const recent = 10 * time.Millisecond

var lastReading atomic.Pointer[Reading]

// Machine reads the clocks of this machine.
func Machine() Reading {
	now := time.Now()
	if last := lastReading.Load(); last != nil {
		passed, moved := now.Sub(last.Wall), now.Round(0).Sub(last.Wall.Round(0))
		if passed >= 0 && passed < recent && (moved-passed).Abs() < time.Millisecond {
			return Reading{Wall: now, Mono: last.Mono + passed, Boot: last.Boot}
		}
	}
	r := read()
	lastReading.Store(&r)
	return r
}

func read() Reading {
	for {
		before := sinceBoot()
		wall := time.Now()
		after := sinceBoot()
		if after-before <= settled { // else the process was stopped in between
			return Reading{Wall: wall, Mono: after, Boot: bootID()}
		}
	}
}

// Following is a Read for tests: both clocks follow one, so that it never jumps.
func Following(now func() time.Time) func() Reading {
	return func() Reading {
		wall := now()
		return Reading{Wall: wall, Mono: wall.Sub(time.Unix(0, 0)), Boot: "following"}
	}
}
